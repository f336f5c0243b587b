/** Asking in a session: one sealed request, one sealed answer, once more in a new session when the peer does not know it any more. */
import type { Dispatcher } from 'undici'
import { BadStream, Busy, errorFromCode, NoSession, PeerMisbehaved, PeerUnreachable, Stopping } from '../errors.ts'
import {
  AUTH_HEADER,
  FRAME_LOG2,
  MAX_HANDSHAKE_BYTES,
  MAX_PAGE_BYTES,
  SEALED_HEADER,
  SEALED_VALUE,
} from '../protocol/constants.ts'
import { checker, ErrorReply } from '../protocol/messages.ts'
import type { Initiator } from '../session/initiate.ts'
import { openAnswer, sealRequest } from '../session/sealed.ts'
import type { Exchange, OutSession } from '../session/sessions.ts'
import { deadline, PATIENCE, type Patience, unlessAborted } from './patience.ts'
import type { Reach } from './reach.ts'

/** The rest of an answer nobody wants, read so that its connection can be used again. */
const DUMP_TIMEOUT_MS = 1_000
/** JSON of a page, its escapes and the seals of its frames. */
const MAX_ANSWER_BYTES = MAX_PAGE_BYTES + 64 * 1024

export type Sessions = Pick<Initiator, 'session' | 'drop'>
export type Answer = Pick<Dispatcher.ResponseData, 'statusCode' | 'headers' | 'body'>

export interface SealedRequest {
  readonly method: 'GET' | 'POST'
  readonly target: string
  readonly plaintext?: Uint8Array
  readonly signal?: AbortSignal | undefined
  /** The answer may take as long as its content needs, once it has begun. */
  readonly streams?: boolean
  /** It stays open for long: it gets a connection that no call waits for. */
  readonly bulk?: boolean
  /** Who must answer. */
  readonly expect?: string
}

export interface Asked {
  readonly exchange: Exchange
  readonly answer: Answer
}

const checkError = checker(ErrorReply)

export class Asker {
  readonly reach: Reach
  readonly sessions: Sessions
  readonly patience: Patience

  constructor(reach: Reach, sessions: Sessions, patience: Patience = PATIENCE) {
    this.reach = reach
    this.sessions = sessions
    this.patience = patience
  }

  /** The sealed answer, whatever its status. @throws PeerUnreachable, PeerMisbehaved, Busy, Stopping, NoSession */
  async ask(address: string, request: SealedRequest): Promise<Asked> {
    const first = await this.#askOnce(address, request)
    if (first.answer.statusCode !== 401 || isSealed(first.answer)) return sealedOrThrow(address, first)
    const signal = AbortSignal.timeout(DUMP_TIMEOUT_MS)
    await first.answer.body.dump({ limit: MAX_HANDSHAKE_BYTES, signal }).catch(() => {})
    this.sessions.drop(address, first.session)
    return sealedOrThrow(address, await this.#askOnce(address, request))
  }

  /** A session with who must answer there. @throws PeerUnreachable when it is somebody else */
  async session(address: string, expect: string | undefined, signal: AbortSignal | undefined): Promise<OutSession> {
    const session = await unlessAborted(() => this.sessions.session(address), signal)
    if (expect !== undefined && session.peerId !== expect) throw new PeerUnreachable(address)
    return session
  }

  /**
   * The whole plaintext of a short answer.
   * @param source - its body, where something watches it
   * @throws the error the peer names.
   */
  async open(
    address: string,
    { exchange, answer }: Asked,
    source: AsyncIterable<Uint8Array> = answer.body,
  ): Promise<Uint8Array> {
    const { statusCode: status, body } = answer
    const parts: Uint8Array[] = []
    let bytes = 0
    for await (const part of opened(address, openAnswer(exchange, { status, frameLog2: FRAME_LOG2, source }))) {
      bytes += part.length
      if (bytes > MAX_ANSWER_BYTES) {
        body.destroy()
        throw new PeerMisbehaved(address)
      }
      parts.push(part)
    }
    const plaintext = Buffer.concat(parts)
    if (status === 200) return plaintext
    throw errorNamed(address, plaintext)
  }

  /** As open, of an answer that could have been a stream: whoever refuses does so at once. */
  async refusal(address: string, asked: Asked): Promise<never> {
    const { signal: late, callOff } = deadline(this.patience.callMs)
    late.addEventListener('abort', () => asked.answer.body.destroy())
    await this.open(address, asked).finally(callOff)
    throw new PeerMisbehaved(address)
  }

  async #askOnce(
    address: string,
    { method, target, plaintext, signal, streams, bulk, expect }: SealedRequest,
  ): Promise<Asked & { session: OutSession }> {
    const session = await this.session(address, expect, signal)
    const exchange = session.next(method, target)
    const headers: Record<string, string> = { [AUTH_HEADER]: exchange.header }
    if (method === 'POST') headers['content-type'] = 'application/octet-stream'
    const body = method === 'POST' ? sealRequest(exchange, plaintext ?? new Uint8Array()) : null
    const asked = { method, path: target, headers, body, ...(bulk && { bulk }) }
    const { callMs, headMs } = this.patience
    if (!streams) {
      const answer = await send(this.reach, address, asked, AbortSignal.timeout(callMs), signal)
      return { session, exchange, answer }
    }
    // A stream has to begin in time; then it may take as long as its content needs.
    const { signal: end, callOff } = deadline(headMs)
    const answer = await send(this.reach, address, asked, end, signal).finally(callOff)
    return { session, exchange, answer }
  }
}

type Request = Pick<Dispatcher.RequestOptions, 'method' | 'path' | 'headers' | 'body'> & { readonly bulk?: boolean }

export const send = async (
  reach: Reach,
  address: string,
  { bulk, ...request }: Request,
  end: AbortSignal,
  signal?: AbortSignal,
): Promise<Answer> => {
  try {
    const headers = { 'accept-encoding': 'identity', ...request.headers }
    const options = { ...request, headers, signal: signal ? AbortSignal.any([end, signal]) : end }
    const answer = await (bulk ? reach.stream(address, options) : reach.request(address, options))
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
export const discard = ({ body }: Answer): void => void body.on('error', () => {}).destroy()

const isRedirect = (status: number): boolean => status >= 300 && status < 400

export const isSealed = ({ headers }: Pick<Answer, 'headers'>): boolean => headers[SEALED_HEADER] === SEALED_VALUE

const sealedOrThrow = <Asked extends { answer: Answer }>(address: string, asked: Asked): Asked => {
  if (isSealed(asked.answer)) return asked
  discard(asked.answer)
  throw hearsay(address, asked.answer.statusCode)
}

/** A stream that does not open is the peer's doing; one that breaks off is a peer that has gone. */
export async function* opened(address: string, frames: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* frames
  } catch (cause) {
    if (cause instanceof BadStream) throw new PeerMisbehaved(address, { cause })
    throw new PeerUnreachable(address, { cause })
  }
}

/** The error that a plaintext of another status names. */
export const errorNamed = (address: string, plaintext: Uint8Array): Error => {
  const code = checkError(Buffer.from(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength).toString('utf8'))
    ?.error.code
  return (code !== undefined && errorFromCode(code)) || new PeerMisbehaved(address)
}

/** What an answer means that is not sealed. */
export const hearsay = (address: string, status: number): Error => {
  if (status === 401) return new NoSession()
  if (status === 429) return new Busy()
  if (status === 503) return new Stopping()
  return new PeerMisbehaved(address)
}
