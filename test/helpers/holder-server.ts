/** A node written for tests that has one content and gives it as a test wants it to: honest where nothing else is given. */
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { toB64u, toHex } from '../../src/bytes.ts'
import { PieceSealer } from '../../src/crypto/piece-seal.ts'
import { type StreamContext, seal } from '../../src/crypto/stream.ts'
import type { SharedFile } from '../../src/dht/digest.ts'
import { sealLive } from '../../src/session/sealed.ts'
import type { Exchange } from '../../src/session/sessions.ts'
import { LayerBuilder } from '../../src/store/piece-layer.ts'
import { PieceSet } from '../../src/store/piece-set.ts'
import { pieceBytesOf, pieceCountOf, type Run } from '../../src/store/pieces.ts'
import type { Content } from '../../src/transfer/fetch.ts'
import { failure, type Stranger, type StrangerOptions, startStranger } from './stranger-server.ts'

const FRAME = 2 ** 20

export interface SharedContent extends Content {
  readonly bytes: Buffer
  readonly layer: Uint8Array
}

export const shared = (bytes: Buffer): SharedContent => {
  const builder = new LayerBuilder(bytes.length)
  builder.addBlocks(bytes)
  const { root, layer } = builder.result()
  const hash = createHash('sha256').update(bytes).digest('hex')
  return { bytes, size: bytes.length, hash, root: toHex(root), layer: layer ?? root }
}

export type Asked = 'tree' | 'pieces' | 'have'

export interface PieceLies {
  /** In the place of the content. */
  readonly content?: Uint8Array
  /** In the place of the run in the head. */
  readonly head?: Run
  /** What the key is bound to in the place of the truth. */
  readonly bound?: Partial<StreamContext>
}

/** One request of a fetch, and what may be answered. */
export interface HolderTurn {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly exchange: Exchange
  /** What is asked for: the proposal. */
  readonly run: Run
  readonly honest: () => void
  /** A status and headers of one's own, in plain. */
  readonly plain: (status: number, body?: string | Uint8Array, headers?: Record<string, string>) => void
  /** A sealed short answer. */
  readonly sealed: (status: number, body: string | Uint8Array) => void
  readonly refuse: (status: number, code: string) => void
  /** A sealed answer with pieces, whole, to be sent or spoiled. */
  readonly pieces: (run: Run, lies?: PieceLies) => Buffer
  readonly send: (body: Uint8Array, headers?: Record<string, string>) => void
  /** A have stream: each message is sealed as it is given; it stays open. */
  readonly live: () => { readonly say: (message: unknown) => boolean; readonly end: () => void }
}

export interface HolderServer {
  readonly stranger: Stranger
  readonly id: string
  readonly address: string
  readonly name: string
  readonly content: SharedContent
  /** What it does in place of the honest thing, from now on. */
  readonly does: Map<Asked, (turn: HolderTurn) => unknown>
  readonly count: (asked: Asked) => number
  /** Proposals, in order. */
  readonly runs: Run[]
  /** Have streams that are open. */
  readonly following: () => number
  readonly stop: () => Promise<void>
}

export interface HolderServerOptions extends StrangerOptions {
  /** Waits so long before each answer with pieces. */
  readonly slowMs?: number
  /** What is here; all when nothing is given. */
  readonly pieces?: readonly number[]
  readonly fileName?: string
  readonly lies?: Partial<SharedFile>
}

export const startHolder = async (content: SharedContent, options: HolderServerOptions = {}): Promise<HolderServer> => {
  const { slowMs = 0, pieces, fileName = 'content.bin', lies = {}, name = 'a holder' } = options
  const stranger = await startStranger({ ...options, name })
  stranger.publish(fileName, content.bytes, { root: content.root, ...lies })
  const does: HolderServer['does'] = new Map()
  const asked: Asked[] = []
  const runs: Run[] = []
  const here = new PieceSet(pieceCountOf(content.size))
  for (const piece of pieces ?? []) here.add(piece)
  let following = 0

  const honest: Record<Asked, (turn: HolderTurn) => unknown> = {
    tree: ({ sealed }) => sealed(200, content.layer),
    have: ({ live }) => {
      live().say(pieces ? { bits: toB64u(here.toBytes()) } : { all: true })
    },
    pieces: async ({ run, send, pieces: whole, refuse }) => {
      if (slowMs > 0) await sleep(slowMs)
      if (pieces && !here.has(run.first)) return refuse(404, 'PM_NO_PIECE')
      send(whole(run))
    },
  }

  stranger.does.set('other', ({ request, response }) => {
    const { method = '', url = '' } = request
    const exchange = stranger.sessions.authenticate(request.headers['portmesh-auth'], method, url)
    const what = askedIn(url)
    const plain: HolderTurn['plain'] = (status, body = '', headers = {}) =>
      void response.writeHead(status, { 'content-length': String(Buffer.byteLength(body)), ...headers }).end(body)
    if (!exchange || !what) {
      const { status, body } = exchange ? failure(404, 'PM_NOT_FOUND') : failure(401, 'PM_NO_SESSION')
      return plain(status, body)
    }
    asked.push(what)
    const run = runIn(url)
    if (what === 'pieces') runs.push(run)
    if (what === 'have') {
      following += 1
      response.once('close', () => {
        following -= 1
      })
    }
    const send: HolderTurn['send'] = (body, headers = {}) => plain(200, body, { 'portmesh-sealed': 'v=1', ...headers })
    const sealed: HolderTurn['sealed'] = (status, body) => {
      const short = seal(contextOf(exchange, status, 16), Buffer.from(body))
      plain(status, short, { 'portmesh-sealed': 'v=1' })
    }
    const turn: HolderTurn = {
      ...{ request, response, exchange, run, plain, send, sealed },
      honest: () => void honest[what](turn),
      refuse: (status, code) => sealed(status, JSON.stringify({ error: { code, message: '' } })),
      pieces: (given, lie = {}) =>
        sealedPieces({ ...contextOf(exchange, 200, 20), ...lie.bound }, given, {
          ...{ content: content.bytes, size: content.size, head: given },
          ...lie,
        }),
      live: () => {
        const sealer = sealLive(exchange)
        response.writeHead(200, { 'portmesh-sealed': 'v=1' })
        response.write(sealer.header)
        return {
          say: (message) =>
            response.write(sealer.seal(Buffer.from(typeof message === 'string' ? message : JSON.stringify(message)))),
          end: () => void response.end(sealer.end()),
        }
      },
    }
    const act = does.get(what) ?? honest[what]
    void act(turn)
  })
  return {
    ...{ stranger, name, content, does, runs },
    id: stranger.id,
    address: stranger.address,
    count: (wanted) => asked.filter((one) => one === wanted).length,
    following: () => following,
    stop: stranger.stop,
  }
}

/** An answer with pieces as PROTOCOL.md has it. */
const sealedPieces = (
  context: StreamContext,
  run: Run,
  { content, size, head }: { content: Uint8Array; size: number; head: Run },
): Buffer => {
  const piece = pieceBytesOf(size)
  const bytes = content.subarray(run.first * piece, (run.first + run.count) * piece)
  const first = Buffer.alloc(8)
  first.writeUInt32BE(head.first)
  first.writeUInt32BE(head.count, 4)
  const sealer = new PieceSealer(context)
  const parts = [sealer.begin(first)]
  for (let at = 0; at < bytes.length; at += FRAME)
    parts.push(...sealer.seal(bytes.subarray(at, at + FRAME), at + FRAME >= bytes.length))
  return Buffer.concat(parts)
}

const contextOf = ({ keys, sid, n, method, target }: Exchange, status: number, frameLog2: number): StreamContext => ({
  key: keys.r2i.enc,
  kind: 'resp',
  ...{ sid, n, method, target, status, frameLog2 },
})

const askedIn = (url: string): Asked | undefined =>
  /\/tree$/.test(url) ? 'tree' : /\/have$/.test(url) ? 'have' : /\?pieces=/.test(url) ? 'pieces' : undefined

const runIn = (url: string): Run => {
  const [, first = '0', last = first] = /pieces=(\d+)(?:-(\d+))?/.exec(url) ?? []
  return { first: Number(first), count: Number(last) - Number(first) + 1 }
}
