/** A holder made of a bare socket, and whoever asks it for pieces through the lane. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { FREE, type Pace } from '../../../src/allowance.ts'
import { Asker } from '../../../src/peer/ask.ts'
import { ContentClient, type PieceSink } from '../../../src/peer/contents.ts'
import { PATIENCE, type Patience } from '../../../src/peer/patience.ts'
import { Reach } from '../../../src/peer/reach.ts'
import { sealAnswer, sealPieces } from '../../../src/session/sealed.ts'
import { type Exchange, OutSession } from '../../../src/session/sessions.ts'

export const PEER = 'a'.repeat(64)
export const ROOT = 'b'.repeat(64)
export const FRAME = 2 ** 20
const SID = new Uint8Array(16)
const direction = () => ({ enc: new Uint8Array(randomBytes(32)), auth: new Uint8Array(randomBytes(32)) })
const KEYS = { i2r: direction(), r2i: direction() }

/** Three frames, the last one short. */
export const CONTENT = randomBytes(2 * FRAME + 4_711)

export interface Question {
  readonly socket: Socket
  /** As it came. */
  readonly text: string
  readonly exchange: Exchange
  /** How many came before it: in all, and on this connection. */
  readonly before: number
  readonly beforeHere: number
}

export interface Holder {
  readonly address: string
  readonly sockets: Set<Socket>
  /** Connections that ever came. */
  readonly connections: number
}

/** @param answer - gets each question when it came whole */
export const startHolder = async (answer: (question: Question) => unknown): Promise<Holder> => {
  const sockets = new Set<Socket>()
  let before = 0
  let connections = 0
  const server = createServer((socket) => {
    let [text, beforeHere] = ['', 0]
    connections += 1
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1')
      if (!text.endsWith('\r\n\r\n')) return
      const target = text.split(' ')[1] ?? ''
      const exchange = {
        sid: SID,
        keys: KEYS,
        peerId: PEER,
        n: Number(/n=(\d+)/.exec(text)?.[1]),
        method: 'GET',
        target,
      }
      void answer({ socket, text, exchange, before, beforeHere })
      before += 1
      beforeHere += 1
      text = ''
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  const bound = server.address()
  const address = `127.0.0.1:${typeof bound === 'object' && bound ? bound.port : 0}`
  return {
    address,
    sockets,
    get connections() {
      return connections
    },
  }
}

/** The body that an honest holder seals. */
export const sealedBody = (exchange: Exchange, content: Uint8Array = CONTENT): Buffer => {
  const { sealer } = sealPieces(exchange, content.length)
  const parts = [sealer.begin(new Uint8Array([0, 0, 0, 3, 0, 0, 0, 17]))]
  for (let at = 0; at < content.length; at += FRAME)
    parts.push(...sealer.seal(content.subarray(at, at + FRAME), at + FRAME >= content.length))
  return Buffer.concat(parts)
}

export const sealedError = (exchange: Exchange, status: number, code: string): Uint8Array =>
  sealAnswer(exchange, status, Buffer.from(JSON.stringify({ error: { code, message: '' } })))

export const headFor = (length: number, status = 200, ...more: readonly string[]): string =>
  [`HTTP/1.1 ${status} Odd`, 'Portmesh-Sealed: v=1', `Content-Length: ${length}`, ...more, '', ''].join('\r\n')

export const whole = (exchange: Exchange, content: Uint8Array = CONTENT): Buffer => {
  const body = sealedBody(exchange, content)
  return Buffer.concat([Buffer.from(headFor(body.length)), body])
}

export interface Got {
  readonly code: string | undefined
  readonly error: unknown
  readonly heads: readonly (readonly number[])[]
  readonly frames: readonly number[]
  readonly content: Buffer
  readonly progress: readonly number[]
}

export interface Asking {
  readonly reach: Reach
  /** Addresses whose connection broke. */
  readonly broken: string[]
  readonly dropped: number
  /** One request for pieces, and all that came of it. */
  readonly get: (address: string, options?: { sink?: Partial<PieceSink>; signal?: AbortSignal }) => Promise<Got>
}

export const asking = (patience: Partial<Patience> = {}, pace: Pace = FREE): Asking => {
  const broken: string[] = []
  let dropped = 0
  const reach = new Reach((address) => broken.push(address))
  onTestFinished(async () => await reach.drop())
  const session = new OutSession({ peerId: PEER, sid: SID, keys: KEYS })
  const sessions = {
    session: async () => session,
    drop: () => {
      dropped += 1
    },
  }
  const client = new ContentClient(new Asker(reach, sessions, { ...PATIENCE, ...patience }), () => pace)
  return {
    reach,
    broken,
    get dropped() {
      return dropped
    },
    get: async (address, { sink = {}, signal = new AbortController().signal } = {}) => {
      const heads: number[][] = []
      const frames: number[] = []
      const parts: Buffer[] = []
      const progress: number[] = []
      const all: PieceSink = {
        head: (first, count, bytes) => {
          heads.push([first, count, bytes])
          sink.head?.(first, count, bytes)
        },
        frame: (given, bytes) => {
          frames.push(bytes)
          // Whoever gets them may let go of their memory.
          parts.push(...given.map((part) => Buffer.from(part)))
          return sink.frame?.(given, bytes)
        },
        progress: (bytes) => {
          progress.push(bytes)
          sink.progress?.(bytes)
        },
      }
      const asked = { first: 3, count: 17, want: undefined }
      const error: unknown = await client.pieces({ address, id: PEER }, ROOT, asked, all, signal).then(
        () => undefined,
        (thrown: unknown) => thrown,
      )
      const code = error instanceof Error && 'code' in error ? String(error.code) : error && String(error)
      return { code: code as string | undefined, error, heads, frames, content: Buffer.concat(parts), progress }
    },
  }
}
