/** One connection to a holder: one question at a time, its answer read into a buffer that all connections share. */
import { connect, type Socket } from 'node:net'

const CONNECT_TIMEOUT_MS = 2_000
/** The first read of an answer: what else it says about reading is known by then. */
const FIRST_BYTES = 16 * 1024
/** What is read is looked at before the next read of any connection, so one buffer does for all. */
const BUFFER_BYTES = 1024 * 1024
const buffer = Buffer.alloc(BUFFER_BYTES)

export interface ConnectionReader {
  /** At most so much is read at once. */
  readonly sliceBytes: number | undefined
  /** The question has left. */
  sent(): void
  /** Looks at bytes, which are gone afterwards. @returns false to get no more of them until `resume` */
  bytes(chunk: Uint8Array): boolean
  /** There will be no answer, or not all of it: the connection is gone. */
  ended(cause: Error): void
}

export interface ConnectionEvents {
  /** It ended; `broken` unless we ended it, or it never was. */
  ended(broken: boolean): void
}

export class Connection {
  readonly #socket: Socket
  readonly #events: ConnectionEvents
  readonly #late: NodeJS.Timeout
  #reader: ConnectionReader | undefined
  #connected = false
  #over = false

  /** @param address - host:port */
  constructor(address: string, events: ConnectionEvents) {
    const { hostname, port } = new URL(`http://${address}`)
    this.#events = events
    this.#socket = connect({
      host: hostname.replace(/^\[|\]$/g, ''),
      port: Number(port === '' ? 80 : port),
      onread: {
        buffer: () => buffer.subarray(0, this.#reader ? this.#reader.sliceBytes : FIRST_BYTES),
        callback: (bytes) => this.#read(buffer.subarray(0, bytes)),
      },
    })
    this.#late = setTimeout(() => this.#end(new Error('no connection in time')), CONNECT_TIMEOUT_MS)
    this.#socket.once('connect', () => {
      clearTimeout(this.#late)
      this.#connected = true
      this.#reader?.sent()
    })
    this.#socket.on('error', (error) => this.#end(error))
    this.#socket.on('end', () => this.#end(new Error('the other side ended the connection')))
    this.#socket.on('close', () => this.#end(new Error('the connection is gone')))
  }

  /** Send one question; its answer goes to the reader. Only while there is no other one. */
  ask(head: string, reader: ConnectionReader): void {
    this.#reader = reader
    this.#socket.write(head, 'latin1')
    if (this.#connected) reader.sent()
  }

  /** The answer was read to its end: the connection may be used again. */
  release(): void {
    this.#reader = undefined
  }

  resume(): void {
    if (!this.#over) this.#socket.resume()
  }

  /** End it on our side. @param broken - what it is taken for */
  close(broken = false): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#late)
    this.#reader = undefined
    this.#socket.destroy()
    this.#events.ended(broken)
  }

  #read(bytes: Uint8Array): boolean {
    if (this.#over) return false
    const reader = this.#reader
    // What whoever is done with it says does not hold for whoever comes next.
    if (reader) return reader.bytes(bytes) || reader !== this.#reader
    this.#end(new Error('an answer without a question'))
    return false
  }

  #end(cause: Error): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#late)
    this.#socket.destroy()
    const reader = this.#reader
    this.#reader = undefined
    this.#events.ended(this.#connected)
    reader?.ended(cause)
  }
}
