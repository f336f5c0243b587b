/** What one node may ask another, as typed calls. A peer is a stranger: every answer is capped, timed and checked. */
import { fromB64u, toHex, utf8 } from '../bytes.ts'
import { PeerMisbehaved, PeerUnreachable } from '../errors.ts'
import { ALIVE_TEXT, FILE_FRAME_LOG2, MAX_HANDSHAKE_BYTES } from '../protocol/constants.ts'
import {
  checker,
  PeersAnswer,
  type Probe,
  ProbeAnswer,
  RowPage,
  type TableQuery,
  type Update,
} from '../protocol/messages.ts'
import type { Carry } from '../session/initiate.ts'
import { openAnswer } from '../session/sealed.ts'
import { type Answer, Asker, errorNamed, opened, type Sessions, send } from './ask.ts'
import { inPace, PATIENCE, type Patience } from './patience.ts'
import type { Reach } from './reach.ts'
import type { ShortAnswer } from './short.ts'

/** What /alive said; the headers are hints. `freshness` is missing for a node that speaks another language. */
export interface Alive {
  /** Exactly the word of the protocol came back. */
  readonly portmesh: boolean
  readonly freshness?: {
    readonly id: string
    readonly epoch: number
    readonly version: number
    readonly headDigest: string
  }
  /** What its clock said, ms since 1970. */
  readonly dateMs?: number
}

const checkPage = checker(RowPage)
const checkPeers = checker(PeersAnswer)
const checkProbe = checker(ProbeAnswer)
/** The word of the protocol, and some more: whoever says more is no node. */
const MAX_ALIVE_BYTES = 64
const TABLE_HEADER = /^(\d{1,16});([\w-]{22})$/
const EPOCH_HEADER = /^\d{1,16}$/

export class PeerClient {
  readonly #asker: Asker

  constructor(reach: Reach, sessions: Sessions, patience: Patience = PATIENCE) {
    this.#asker = new Asker(reach, sessions, patience)
  }

  /** @throws PeerUnreachable when nothing answers there; PeerMisbehaved for a redirect or a packed body. */
  async alive(address: string, signal?: AbortSignal): Promise<Alive> {
    const { reach, patience } = this.#asker
    const limits = { maxBytes: MAX_ALIVE_BYTES, milliseconds: patience.aliveMs, signal }
    const { status, headers, text } = await reach.short(address, '/alive', limits).catch((cause: unknown) => {
      throw new PeerUnreachable(address, { cause })
    })
    if (headers['content-encoding'] !== undefined || (status >= 300 && status < 400)) throw new PeerMisbehaved(address)
    if (status !== 200 || text !== ALIVE_TEXT) return { portmesh: false }
    const freshness = freshnessOf(headers)
    const dateMs = typeof headers.date === 'string' ? Date.parse(headers.date) : Number.NaN
    return { portmesh: true, ...(freshness && { freshness }), ...(dateMs > 0 && { dateMs }) }
  }

  /** One page of a peer's row, and whose session it came in. */
  async table(address: string, query: TableQuery, signal?: AbortSignal): Promise<{ id: string; page: RowPage }> {
    const asked = await this.#asker.ask(address, { method: 'GET', target: `/table${queryText(query)}`, signal })
    const text = Buffer.from(await this.#asker.open(address, asked)).toString('utf8')
    const page = checkPage(text)
    if (!page) throw new PeerMisbehaved(address)
    return { id: asked.exchange.peerId, page }
  }

  /** Whom a peer knows. */
  async peers(address: string, signal?: AbortSignal): Promise<PeersAnswer> {
    const asked = await this.#asker.ask(address, { method: 'GET', target: '/peers', signal })
    const answer = checkPeers(Buffer.from(await this.#asker.open(address, asked)).toString('utf8'))
    if (!answer) throw new PeerMisbehaved(address)
    return answer
  }

  /** Whether a peer reaches this node at the address it sees us at. */
  async probe(address: string, probe: Probe, signal?: AbortSignal): Promise<ProbeAnswer> {
    const plaintext = utf8(JSON.stringify(probe))
    const asked = await this.#asker.ask(address, { method: 'POST', target: '/probe', plaintext, signal })
    const answer = checkProbe(Buffer.from(await this.#asker.open(address, asked)).toString('utf8'))
    if (!answer) throw new PeerMisbehaved(address)
    return answer
  }

  async update(address: string, update: Update, signal?: AbortSignal): Promise<void> {
    const plaintext = utf8(JSON.stringify(update))
    const asked = await this.#asker.ask(address, { method: 'POST', target: '/update', plaintext, signal })
    await this.#asker.open(address, asked)
  }

  /** A published file in one stream, opened frame by frame, as a simple client asks for it; `id` is who must answer. */
  async file(address: string, id: string, name: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const target = `/myfiles/${encodeURIComponent(name)}`
    const asked = await this.#asker.ask(address, { method: 'GET', target, signal, streams: true, expect: id })
    const { statusCode: status, body } = asked.answer
    if (status !== 200) return await this.#asker.refusal(address, asked)
    const source = inPace(body, this.#asker.patience)
    return opened(address, openAnswer(asked.exchange, { status, frameLog2: FILE_FRAME_LOG2, source }))
  }
}

/** The plain messages of the handshake, over the same pools. */
export const carryOver =
  (reach: Reach, { handshakeMs }: Pick<Patience, 'handshakeMs'> = PATIENCE): Carry =>
  async (address, method, path, body) => {
    const request = body
      ? { method, path, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
      : { method, path }
    const answer = await send(reach, address, request, AbortSignal.timeout(handshakeMs))
    const text = await readText(answer, address, MAX_HANDSHAKE_BYTES)
    if (answer.statusCode === 200) return parse(text, address)
    throw errorNamed(address, utf8(text))
  }

const readText = async ({ body }: Answer, address: string, limit: number): Promise<string> => {
  const parts: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const part of body) {
      bytes += part.length
      if (bytes > limit) throw new PeerMisbehaved(address)
      parts.push(part)
    }
  } catch (cause) {
    throw cause instanceof PeerMisbehaved ? cause : new PeerUnreachable(address, { cause })
  }
  return Buffer.concat(parts).toString('utf8')
}

const parse = (text: string, address: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new PeerMisbehaved(address, { cause })
  }
}

const freshnessOf = (headers: ShortAnswer['headers']): Alive['freshness'] => {
  const one = (name: string): string => {
    const value = headers[name]
    return typeof value === 'string' && value.length <= 256 ? value : ''
  }
  const id = fromB64u(one('portmesh-id'), 32)
  const epoch = EPOCH_HEADER.test(one('portmesh-epoch')) ? Number(one('portmesh-epoch')) : undefined
  const [, version, digest = ''] = TABLE_HEADER.exec(one('portmesh-table')) ?? []
  const headDigest = fromB64u(digest, 16)
  if (!id || epoch === undefined || version === undefined || !headDigest) return undefined
  return { id: toHex(id), epoch, version: Number(version), headDigest: toHex(headDigest) }
}

const queryText = ({ epoch, since, files }: TableQuery): string => {
  const query = new URLSearchParams()
  if (epoch !== undefined) query.set('epoch', String(epoch))
  if (since !== undefined) query.set('since', String(since))
  if (files !== undefined) query.set('files', files)
  const text = query.toString()
  return text === '' ? '' : `?${text}`
}
