/** One question for pieces and its answer, in the lane's thread: its head, its bytes deciphered as they come, and its pace. */
import { AUTH_HEADER } from '../protocol/constants.ts'
import { openPieces, type PieceOpener } from '../session/sealed.ts'
import { type AnswerHead, HeadReader } from './answer-head.ts'
import type { Connection, ConnectionReader } from './lane-connection.ts'
import type { LaneAsked, LaneEnd } from './lane-messages.ts'

/** A refusal is short. */
const MAX_REFUSAL_BYTES = 64 * 1024
/** Frames that may be under way to the main thread; more stops the reading from the network. */
const FRAMES = 2
/** What came is told at most this often, besides with each frame. */
const PROGRESS_MS = 20

export interface AnswerEvents {
  head(first: number, count: number, bytes: number): void
  frame(parts: readonly Uint8Array[], bytes: number, received: number): void
  progress(received: number): void
  /** So much was read, and nothing more is before `on`. */
  held(bytes: number): void
  end(end: LaneEnd, then: Afterwards): void
}

/** What becomes of the connection: it may carry another answer, it is closed, or what came there speaks for a holder that is gone. */
export type Afterwards = 'again' | 'close' | 'broken'

export class Answer implements ConnectionReader {
  readonly #asked: LaneAsked
  readonly #events: AnswerEvents
  readonly #connection: Connection
  readonly #reader = new HeadReader()
  #head: AnswerHead | undefined
  /** Bytes of the body that are still to come. */
  #left = 0
  #opener: PieceOpener | undefined
  #refusal: Uint8Array[] = []
  #frames = 0
  /** How often it had to wait for room. */
  #waited = 0
  /** Since when it waits for `on`, and how long it did in all, ms. */
  #heldAt: number | undefined
  #heldMs = 0
  #received = 0
  #untold = 0
  #telling: NodeJS.Timeout | undefined
  #late: NodeJS.Timeout | undefined
  #over = false

  constructor(asked: LaneAsked, connection: Connection, events: AnswerEvents) {
    this.#asked = asked
    this.#connection = connection
    this.#events = events
  }

  get sliceBytes(): number | undefined {
    return this.#asked.sliceBytes
  }

  begin(): void {
    const { address, auth, exchange } = this.#asked
    const lines = [
      `${exchange.method} ${exchange.target} HTTP/1.1`,
      `host: ${address}`,
      'connection: keep-alive',
      'accept-encoding: identity',
      `${AUTH_HEADER}: ${auth}`,
    ]
    this.#connection.ask(`${lines.join('\r\n')}\r\n\r\n`, this)
  }

  /** Nobody wants the rest. */
  stop(): void {
    this.#over = true
    this.#forget()
    this.#connection.close()
  }

  /** A frame was taken. */
  taken(): void {
    this.#frames -= 1
    if (!this.#over && this.#frames === FRAMES - 1 && this.#heldAt === undefined) this.#connection.resume()
  }

  /** More may be read. */
  on(): void {
    if (this.#over || this.#heldAt === undefined) return
    this.#heldMs += performance.now() - this.#heldAt
    this.#heldAt = undefined
    if (this.#frames < FRAMES) this.#connection.resume()
  }

  sent(): void {
    this.#late = setTimeout(() => this.#fail(new Error('no answer in time')), this.#asked.patience.headMs)
  }

  ended(cause: Error): void {
    this.#finish(brokenBy(cause), 'close')
  }

  bytes(chunk: Uint8Array): boolean {
    try {
      if (this.sliceBytes === undefined) return this.#take(chunk)
      // Before anything else is told of it: it counts, also when it is the end.
      this.#events.held(chunk.length)
      this.#heldAt = performance.now()
      this.#take(chunk)
      return false
    } catch (cause) {
      this.#fail(cause)
      return false
    }
  }

  #take(chunk: Uint8Array): boolean {
    let rest = chunk
    if (!this.#head) {
      const found = this.#reader.push(chunk)
      if (!found) return true
      this.#begin(found.head)
      rest = chunk.subarray(found.taken)
    }
    const part = rest.subarray(0, this.#left)
    if (!this.#opener) {
      this.#refusal.push(new Uint8Array(part))
      this.#left -= part.length
    } else if (!this.#open(this.#opener, part)) return false
    if (this.#over) return false
    if (this.#left === 0) this.#complete(rest.length > part.length)
    return !this.#over
  }

  #begin(head: AnswerHead): void {
    const { status, length, sealed } = head
    this.#head = head
    this.#left = length
    clearTimeout(this.#late)
    this.#watch()
    if (!sealed && status !== 401 && status !== 429 && status !== 503) throw new Error('an answer that is not sealed')
    if (sealed && status === 200) {
      this.#opener = openPieces(this.#asked.exchange, status, length, {
        head: (bytes) => {
          const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
          this.#events.head(view.getUint32(0), view.getUint32(4), this.#opener?.left ?? 0)
        },
        frame: (parts, bytes) => {
          this.#frames += 1
          this.#events.frame(parts, bytes, this.#untold)
          this.#untold = 0
        },
      })
    } else if (length > MAX_REFUSAL_BYTES) throw new Error('a long refusal')
  }

  /** @returns false when it has to wait for room */
  #open(opener: PieceOpener, part: Uint8Array): boolean {
    this.#received += part.length
    this.#untold += part.length
    this.#left -= part.length
    opener.push(part)
    this.#tell()
    if (this.#frames < FRAMES || this.#left === 0) return true
    this.#waited += 1
    return false
  }

  #complete(more: boolean): void {
    this.#opener?.end()
    const { status, sealed, last } = this.#head ?? { status: 0, sealed: false, last: true }
    if (this.#untold > 0) this.#events.progress(this.#untold)
    const end: LaneEnd = this.#opener
      ? { kind: 'whole' }
      : { kind: 'refused', status, sealed, body: Buffer.concat(this.#refusal) }
    this.#finish(end, last || more ? 'close' : 'again')
  }

  #tell(): void {
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined
      if (this.#untold > 0) this.#events.progress(this.#untold)
      this.#untold = 0
    }, PROGRESS_MS)
  }

  /** One byte a second is no help: an answer that moves too little is given up. Time in which it waits for us does not count. */
  #watch(ms = this.#asked.patience.slowMs, received = this.#received): void {
    const [waited, heldMs] = [this.#waited, this.#heldUntilNow()]
    this.#late = setTimeout(() => {
      const waits = this.#frames >= FRAMES || this.#waited > waited
      const heldFor = this.#heldUntilNow() - heldMs
      if (waits || this.#received - received >= this.#asked.patience.slowBytes) this.#watch()
      else if (heldFor >= 1) this.#watch(heldFor, received)
      else this.#fail(new Error('too slow'))
    }, ms)
  }

  #heldUntilNow(): number {
    return this.#heldMs + (this.#heldAt === undefined ? 0 : performance.now() - this.#heldAt)
  }

  #fail(cause: unknown): void {
    this.#finish(brokenBy(cause), this.#head ? 'close' : 'broken')
  }

  #finish(end: LaneEnd, then: Afterwards): void {
    if (this.#over) return
    this.#over = true
    this.#forget()
    this.#events.end(end, then)
  }

  #forget(): void {
    clearTimeout(this.#late)
    clearTimeout(this.#telling)
    this.#refusal = []
  }
}

const brokenBy = (cause: unknown): LaneEnd => {
  const error = cause instanceof Error ? cause : new Error('given up')
  return { kind: 'broken', code: 'code' in error ? String(error.code) : undefined, message: error.message }
}
