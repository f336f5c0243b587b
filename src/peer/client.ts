/** What one node may ask another, as typed calls. A peer is a stranger: every answer is capped, timed and checked. */
import type { Dispatcher } from 'undici'
import { fromB64u, toHex, utf8 } from '../bytes.ts'
import { BadStream, Busy, errorFromCode, NoSession, PeerMisbehaved, PeerUnreachable, Stopping } from '../errors.ts'
import {
  ALIVE_TEXT,
  AUTH_HEADER,
  FILE_FRAME_LOG2,
  FRAME_LOG2,
  MAX_HANDSHAKE_BYTES,
  MAX_PAGE_BYTES,
  SEALED_HEADER,
  SEALED_VALUE,
} from '../protocol/constants.ts'
import { checker, ErrorReply, RowPage, type TableQuery, type Update } from '../protocol/messages.ts'
import type { Carry, Initiator } from '../session/initiate.ts'
import { openAnswer, sealRequest } from '../session/sealed.ts'
import type { Exchange, OutSession } from '../session/sessions.ts'
import { deadline, inPace, PATIENCE, type Patience, unlessAborted } from './patience.ts'
import type { Reach } from './reach.ts'

/** The rest of an answer nobody wants, read so that its connection can be used again. */
const DUMP_TIMEOUT_MS = 1_000
/** JSON of a page, its escapes and the seals of its frames. */
const MAX_ANSWER_BYTES = MAX_PAGE_BYTES + 64 * 1024

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
}

const checkError = checker(ErrorReply)
const checkPage = checker(RowPage)
const TABLE_HEADER = /^(\d{1,16});([\w-]{22})$/
const EPOCH_HEADER = /^\d{1,16}$/

type Answer = Pick<Dispatcher.ResponseData, 'statusCode' | 'headers' | 'body'>

export class PeerClient {
  readonly #reach: Reach
  readonly #sessions: Pick<Initiator, 'session' | 'drop'>
  readonly #patience: Patience

  constructor(reach: Reach, sessions: Pick<Initiator, 'session' | 'drop'>, patience: Patience = PATIENCE) {
    this.#reach = reach
    this.#sessions = sessions
    this.#patience = patience
  }

  /** @throws PeerUnreachable when nothing answers there. */
  async alive(address: string, signal?: AbortSignal): Promise<Alive> {
    const end = AbortSignal.timeout(this.#patience.aliveMs)
    const answer = await send(this.#reach, address, { method: 'GET', path: '/alive' }, end, signal)
    const text = await readText(answer, address, 64).catch(() => '')
    if (answer.statusCode !== 200 || text !== ALIVE_TEXT) return { portmesh: false }
    const freshness = freshnessOf(answer.headers)
    return freshness ? { portmesh: true, freshness } : { portmesh: true }
  }

  /** One page of a peer's row, and whose session it came in. */
  async table(address: string, query: TableQuery, signal?: AbortSignal): Promise<{ id: string; page: RowPage }> {
    const { exchange, answer } = await this.#ask(address, {
      method: 'GET',
      target: `/table${queryText(query)}`,
      signal,
    })
    const text = Buffer.from(await this.#open(address, exchange, answer)).toString('utf8')
    const page = checkPage(text)
    if (!page) throw new PeerMisbehaved(address)
    return { id: exchange.peerId, page }
  }

  async update(address: string, update: Update, signal?: AbortSignal): Promise<void> {
    const plaintext = utf8(JSON.stringify(update))
    const { exchange, answer } = await this.#ask(address, { method: 'POST', target: '/update', plaintext, signal })
    await this.#open(address, exchange, answer)
  }

  /** A published file in one stream, opened frame by frame; `id` is who must answer. */
  async file(address: string, id: string, name: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const target = `/myfiles/${encodeURIComponent(name)}`
    const { exchange, answer } = await this.#ask(address, { method: 'GET', target, signal, streams: true, expect: id })
    const { statusCode: status, body } = answer
    if (status !== 200) {
      // Whoever refuses does so at once; only a content may take its time.
      const { signal: late, callOff } = deadline(this.#patience.callMs)
      late.addEventListener('abort', () => body.destroy())
      await this.#open(address, exchange, answer).finally(callOff)
    }
    const source = inPace(body, this.#patience)
    return opened(address, openAnswer(exchange, { status, frameLog2: FILE_FRAME_LOG2, source }))
  }

  /** Ask in a session; once more in a new one when the peer does not know it any more. */
  async #ask(address: string, request: SealedRequest): Promise<{ exchange: Exchange; answer: Answer }> {
    const first = await this.#askOnce(address, request)
    if (first.answer.statusCode !== 401 || isSealed(first.answer)) return sealedOrThrow(address, first)
    const signal = AbortSignal.timeout(DUMP_TIMEOUT_MS)
    await first.answer.body.dump({ limit: MAX_HANDSHAKE_BYTES, signal }).catch(() => {})
    this.#sessions.drop(address, first.session)
    return sealedOrThrow(address, await this.#askOnce(address, request))
  }

  async #askOnce(
    address: string,
    { method, target, plaintext, signal, streams, expect }: SealedRequest,
  ): Promise<{ session: OutSession; exchange: Exchange; answer: Answer }> {
    const session = await unlessAborted(() => this.#sessions.session(address), signal)
    if (expect !== undefined && session.peerId !== expect) throw new PeerUnreachable(address)
    const exchange = session.next(method, target)
    const headers: Record<string, string> = { [AUTH_HEADER]: exchange.header }
    if (method === 'POST') headers['content-type'] = 'application/octet-stream'
    const body = method === 'POST' ? sealRequest(exchange, plaintext ?? new Uint8Array()) : null
    const asked = { method, path: target, headers, body }
    const { callMs, headMs } = this.#patience
    if (!streams) {
      const answer = await send(this.#reach, address, asked, AbortSignal.timeout(callMs), signal)
      return { session, exchange, answer }
    }
    // A stream has to begin in time; then it may take as long as its content needs.
    const { signal: end, callOff } = deadline(headMs)
    const answer = await send(this.#reach, address, asked, end, signal).finally(callOff)
    return { session, exchange, answer }
  }

  /** The whole plaintext of a short answer. @throws the error the peer names. */
  async #open(address: string, exchange: Exchange, { statusCode: status, body }: Answer): Promise<Uint8Array> {
    const parts: Uint8Array[] = []
    let bytes = 0
    for await (const part of opened(address, openAnswer(exchange, { status, frameLog2: FRAME_LOG2, source: body }))) {
      bytes += part.length
      if (bytes > MAX_ANSWER_BYTES) {
        body.destroy()
        throw new PeerMisbehaved(address)
      }
      parts.push(part)
    }
    const plaintext = Buffer.concat(parts)
    if (status === 200) return plaintext
    const code = checkError(plaintext.toString('utf8'))?.error.code
    throw (code !== undefined && errorFromCode(code)) || new PeerMisbehaved(address)
  }
}

interface SealedRequest {
  readonly method: 'GET' | 'POST'
  readonly target: string
  readonly plaintext?: Uint8Array
  readonly signal?: AbortSignal | undefined
  readonly streams?: boolean
  readonly expect?: string
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
    const code = checkError(text)?.error.code
    throw (code !== undefined && errorFromCode(code)) || new PeerMisbehaved(address)
  }

type Request = Pick<Dispatcher.RequestOptions, 'method' | 'path' | 'headers' | 'body'>

const send = async (
  reach: Reach,
  address: string,
  request: Request,
  end: AbortSignal,
  signal?: AbortSignal,
): Promise<Answer> => {
  try {
    const headers = { 'accept-encoding': 'identity', ...request.headers }
    const answer = await reach.request(address, {
      ...request,
      headers,
      signal: signal ? AbortSignal.any([end, signal]) : end,
    })
    if (answer.headers['content-encoding'] !== undefined || isRedirect(answer.statusCode)) {
      discard(answer)
      throw new PeerMisbehaved(address)
    }
    return answer
  } catch (cause) {
    signal?.throwIfAborted()
    throw cause instanceof PeerMisbehaved ? cause : new PeerUnreachable(address, { cause })
  }
}

/** Read no further. A body that is destroyed says so as an error, and one that nobody hears would end the process. */
const discard = ({ body }: Answer): void => void body.on('error', () => {}).destroy()

const isRedirect = (status: number): boolean => status >= 300 && status < 400

const isSealed = ({ headers }: Answer): boolean => headers[SEALED_HEADER] === SEALED_VALUE

const sealedOrThrow = <Asked extends { answer: Answer }>(address: string, asked: Asked): Asked => {
  if (isSealed(asked.answer)) return asked
  discard(asked.answer)
  const status = asked.answer.statusCode
  if (status === 401) throw new NoSession()
  if (status === 429) throw new Busy()
  if (status === 503) throw new Stopping()
  throw new PeerMisbehaved(address)
}

/** A stream that does not open is the peer's doing; one that breaks off is a peer that has gone. */
async function* opened(address: string, frames: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* frames
  } catch (cause) {
    if (cause instanceof BadStream) throw new PeerMisbehaved(address, { cause })
    throw new PeerUnreachable(address, { cause })
  }
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

const freshnessOf = (headers: Dispatcher.ResponseData['headers']): Alive['freshness'] => {
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
