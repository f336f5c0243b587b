/** The hooks that make a scope speak in sessions only: authenticate, open the body, seal whatever is answered (PROTOCOL.md, "Requests in a session"). */
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { FREE, type Pace } from '../../allowance.ts'
import { utf8 } from '../../bytes.ts'
import { BadRequest, NoSession, publicError, TooLarge } from '../../errors.ts'
import {
  AUTH_HEADER,
  FILE_FRAME_LOG2,
  MAX_REQUEST_BYTES,
  SEALED_HEADER,
  SEALED_VALUE,
} from '../../protocol/constants.ts'
import { openRequest, sealAnswer, sealAnswerStream } from '../../session/sealed.ts'
import type { Exchange, InSessions } from '../../session/sessions.ts'
import type { PeerDeps } from './deps.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Set once the request proved to belong to a session. */
    exchange: Exchange | null
  }
}

/** A sealed request: its plaintext, the salt, a tag a frame. */
const MAX_SEALED_BYTES = MAX_REQUEST_BYTES + 64 * 1024

/** Two frames of file content: one is sealed while the other is sent. */
const STREAM_BUFFER_BYTES = 2 * 2 ** FILE_FRAME_LOG2

/** One write to a connection: a slow reader is seen by the writes that end. */
const WRITE_BYTES = 256 * 1024

/** Make every route of this scope a sealed one. */
export const sealScope = (app: FastifyInstance, sessions: InSessions): void => {
  app.addContentTypeParser(
    'application/octet-stream',
    { parseAs: 'buffer', bodyLimit: MAX_SEALED_BYTES },
    (_request, body, done) => done(null, body),
  )
  app.addHook('onRequest', async (request) => {
    request.exchange = authenticate(request, sessions)
    if (!request.exchange) throw new NoSession()
    sessions.carriers.note(request.exchange.peerId, request.raw.socket)
  })
  app.addHook('preValidation', async (request) => {
    if (request.method === 'POST') request.body = openBody(request)
  })
  app.addHook('onSend', async (request, reply, payload) => seal(request, reply, payload))
  app.setErrorHandler(async (error, _request, reply) => {
    const known = publicError(error)
    // Another content type is one of many ways not to be a sealed request.
    const { statusCode, code, message } =
      known.statusCode === 415 ? publicError(new BadRequest('the body is no sealed stream')) : known
    return await reply.code(statusCode).send({ error: { code, message } })
  })
}

/** The session's side of a request, whatever its route: for the scope's hook and for unknown routes. */
export const authenticate = (request: FastifyRequest, sessions: InSessions): Exchange | null =>
  sessions.authenticate(single(request, AUTH_HEADER), request.raw.method ?? '', request.raw.url ?? '') ?? null

/** How fast whoever asks may be given what it asked for. */
export const paceFor = ({ paceOf }: Pick<PeerDeps, 'paceOf'>, { exchange, ip }: FastifyRequest): Pace =>
  (exchange && paceOf?.(exchange.peerId, ip ?? '')) || FREE

export interface SealedFile {
  readonly size: number
  readonly source: AsyncIterable<Uint8Array>
  readonly pace: Pace
}

/** Answer `size` bytes of file content as one stream. */
export const sendSealedFile = (
  request: FastifyRequest,
  reply: FastifyReply,
  { size, source, pace }: SealedFile,
): FastifyReply => {
  if (!request.exchange) throw new NoSession()
  const sealing = { status: 200, frameLog2: FILE_FRAME_LOG2, size, source }
  const { length, body } = sealAnswerStream(request.exchange, sealing)
  const options = { objectMode: false, highWaterMark: STREAM_BUFFER_BYTES }
  return sealedHead(reply, length).send(Readable.from(inWrites(body, pace, goneSignal(reply)), options))
}

/** Answer a plaintext that is no JSON, and may be large. */
export const sendSealed = (
  request: FastifyRequest,
  reply: FastifyReply,
  plaintext: Uint8Array,
  pace: Pace,
): FastifyReply => {
  if (!request.exchange) throw new NoSession()
  const sealed = sealAnswer(request.exchange, 200, plaintext)
  const parts = inWrites(Readable.from([sealed]), pace, goneSignal(reply))
  return sealedHead(reply, sealed.length).send(Readable.from(parts, { objectMode: false }))
}

/** Aborts when an answer is over, sent or not. */
const goneSignal = ({ raw }: FastifyReply): AbortSignal => {
  const gone = new AbortController()
  raw.once('close', () => gone.abort())
  if (raw.closed) gone.abort()
  return gone.signal
}

async function* inWrites(
  parts: AsyncIterable<Uint8Array>,
  pace: Pace,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for await (const part of parts) {
    for (let at = 0; at < part.length; ) {
      const write = part.subarray(at, at + Math.min(WRITE_BYTES, pace.sliceBytes))
      await pace.take(write.length, signal)
      yield write
      at += write.length
    }
  }
}

/** Answer a short text outside this scope: an unknown route asked in a session. */
export const answerSealed = (
  reply: FastifyReply,
  exchange: Exchange,
  status: number,
  plaintext: Uint8Array,
): FastifyReply => {
  const sealed = sealAnswer(exchange, status, plaintext)
  return sealedHead(reply.code(status), sealed.length).send(
    Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength),
  )
}

const seal = (request: FastifyRequest, reply: FastifyReply, payload: unknown): unknown => {
  if (!request.exchange || payload instanceof Readable) return payload
  const plaintext =
    typeof payload === 'string' ? utf8(payload) : payload instanceof Uint8Array ? payload : new Uint8Array()
  const sealed = sealAnswer(request.exchange, reply.statusCode, plaintext)
  sealedHead(reply, sealed.length)
  return Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength)
}

const sealedHead = (reply: FastifyReply, length: number): FastifyReply => reply.headers(sealedHeaders(length))

/** @param length - undefined for a live answer */
export const sealedHeaders = (length: number | undefined): Record<string, string> => ({
  [SEALED_HEADER]: SEALED_VALUE,
  'content-type': 'application/octet-stream',
  ...(length === undefined ? {} : { 'content-length': String(length) }),
  'cache-control': 'no-store',
})

/** @throws BadStream, TooLarge, BadRequest */
const openBody = ({ exchange, body }: FastifyRequest): unknown => {
  if (!exchange || !(body instanceof Uint8Array)) throw new BadRequest('the body is no sealed stream')
  const plaintext = openRequest(exchange, body)
  if (plaintext.length > MAX_REQUEST_BYTES) throw new TooLarge()
  if (plaintext.length === 0) return undefined
  try {
    return JSON.parse(Buffer.from(plaintext).toString('utf8'))
  } catch (cause) {
    throw new BadRequest('the body is no JSON', { cause })
  }
}

/** A header that came exactly once. Node joins repeated ones, and a joined one does not have the form. */
const single = ({ headers }: FastifyRequest, name: string): string | undefined => {
  const value = headers[name]
  return typeof value === 'string' ? value : undefined
}
