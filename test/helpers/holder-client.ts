/** A stranger that asks for contents in pieces: opens what comes with its own small code, and shows everything it saw. */
import { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { LiveOpener } from '../../src/crypto/live-stream.ts'
import { openFrame, open as openStream, type StreamContext, streamKey } from '../../src/crypto/stream.ts'
import type { Exchange } from '../../src/session/sessions.ts'
import type { AskingStranger } from './stranger.ts'

const HEADER_BYTES = 17
const TAG_BYTES = 16
const HEAD_FRAME_BYTES = 8 + TAG_BYTES
const FRAME_BYTES = 2 ** 20

export interface RawAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  readonly exchange: Exchange
}

export interface PieceAnswer {
  readonly first: number
  readonly count: number
  readonly bytes: Buffer
}

const contextOf = ({ keys, sid, n, method, target }: Exchange, status: number, frameLog2: number): StreamContext => ({
  key: keys.r2i.enc,
  kind: 'resp',
  sid,
  n,
  method,
  target,
  status,
  frameLog2,
})

const nonceOf = (index: number, last: boolean): Uint8Array => {
  const nonce = Buffer.alloc(12)
  nonce.writeUInt32BE(index, 7)
  nonce[11] = last ? 1 : 0
  return nonce
}

/** An answer with pieces, spelled out as the document has it. */
export const openPieceAnswer = ({ body, exchange, status }: RawAnswer): PieceAnswer => {
  if (status !== 200) throw new Error(`${status} ${codeOf({ body, exchange, status, headers: {} })}`)
  const key = streamKey(contextOf(exchange, status, 20), body.subarray(0, 16))
  if (body[16] !== 20) throw new Error('frames of another size')
  const head = Buffer.from(
    openFrame(key, nonceOf(0, false), body.subarray(HEADER_BYTES, HEADER_BYTES + HEAD_FRAME_BYTES)),
  )
  const parts: Uint8Array[] = []
  let at = HEADER_BYTES + HEAD_FRAME_BYTES
  for (let index = 1; at < body.length; index++) {
    const frame = body.subarray(at, at + FRAME_BYTES + TAG_BYTES)
    at += frame.length
    parts.push(openFrame(key, nonceOf(index, at === body.length), frame))
  }
  return { first: head.readUInt32BE(0), count: head.readUInt32BE(4), bytes: Buffer.concat(parts) }
}

/** The plaintext of any other sealed answer. */
export const openText = ({ body, exchange, status }: RawAnswer): Buffer =>
  Buffer.from(openStream(contextOf(exchange, status, 16), body))

export const codeOf = (answer: RawAnswer): string => JSON.parse(openText(answer).toString()).error.code

/** One connection to a node, requests one behind the other; the answers come in their order. */
export class Line {
  readonly socket: Socket
  /** Bytes that came and are no whole answer yet. */
  waiting = 0
  readonly #session: AskingStranger
  #asked: Exchange[] = []
  #waiting: { resolve: (answer: RawAnswer) => void; reject: (error: Error) => void }[] = []
  #chunks: Buffer[] = []
  #needs = 1
  constructor(session: AskingStranger) {
    const { hostname, port } = new URL(session.base)
    this.#session = session
    this.socket = connect({ host: hostname, port: Number(port), noDelay: true })
    this.socket.on('error', () => {})
    this.socket.on('data', (chunk) => this.#take(chunk))
    this.socket.once('close', () => {
      for (const { reject } of this.#waiting) reject(new Error('the connection ended'))
    })
    onTestFinished(() => void this.socket.destroy())
  }

  async ask(target: string): Promise<RawAnswer> {
    const { exchange, auth } = this.#session.prepare('GET', target)
    this.#asked.push(exchange)
    const answer = new Promise<RawAnswer>((resolve, reject) => this.#waiting.push({ resolve, reject }))
    answer.catch(() => undefined)
    this.socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\nPortmesh-Auth: ${auth}\r\n\r\n`)
    return await answer
  }

  async pieces(root: string, query: string): Promise<PieceAnswer> {
    return openPieceAnswer(await this.ask(`/content/${root}?pieces=${query}`))
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.waiting += chunk.length
    // Joined only when something is complete: a body of 64 MiB comes in a thousand chunks.
    while (this.waiting >= this.#needs) {
      const have = Buffer.concat(this.#chunks)
      const end = have.indexOf('\r\n\r\n')
      const head = have.subarray(0, Math.max(0, end)).toString('latin1').split('\r\n')
      const headers = Object.fromEntries(head.slice(1).map((line) => line.toLowerCase().split(': ')))
      this.#needs = end < 0 ? have.length + 1 : end + 4 + Number(headers['content-length'])
      this.#chunks = [have]
      if (have.length < this.#needs) return
      const [exchange] = this.#asked.splice(0, 1)
      const [waiting] = this.#waiting.splice(0, 1)
      const body = have.subarray(end + 4, this.#needs)
      if (exchange) waiting?.resolve({ status: Number(head[0]?.split(' ')[1]), headers, body, exchange })
      this.#chunks = [have.subarray(this.#needs)]
      this.waiting = have.length - this.#needs
      this.#needs = 1
    }
  }
}

/** A have stream, and all it said. */
export class Listening {
  readonly root: string
  readonly messages: Record<string, unknown>[] = []
  status = 0
  headers: IncomingHttpHeaders = {}
  /** How it ended: with the last frame, without it, or not yet. */
  end: 'clean' | 'broken' | undefined
  #request: ClientRequest
  #answer: IncomingMessage | undefined

  constructor(session: AskingStranger, root: string) {
    this.root = root
    const target = `/content/${root}/have`
    const { hostname, port } = new URL(session.base)
    const { exchange, auth } = session.prepare('GET', target)
    const opener = new LiveOpener(contextOf(exchange, 200, 0))
    const options = { host: hostname, port, path: target, agent: false, headers: { 'portmesh-auth': auth } }
    this.#request = request(options, (answer) => {
      this.#answer = answer
      this.status = answer.statusCode ?? 0
      this.headers = answer.headers
      answer.on('data', (chunk: Buffer) => {
        if (this.status !== 200) return
        for (const message of opener.push(chunk)) this.messages.push(JSON.parse(Buffer.from(message).toString()))
      })
      answer.on('error', () => {})
      answer.once('close', () => {
        this.end = opener.ended ? 'clean' : 'broken'
      })
    })
    this.#request.on('error', () => {
      this.end ??= 'broken'
    })
    this.#request.end()
    onTestFinished(() => this.leave())
  }

  /** Read no further, and stay. */
  pause(): void {
    this.#answer?.pause()
  }

  leave(): void {
    this.#request.destroy()
  }
}
