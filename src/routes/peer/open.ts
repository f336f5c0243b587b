/** What anybody may ask without a session, besides whether we are there: our key, a handshake. Nothing else is said to a stranger. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { isLoopback, sourceOf } from '../../connections.ts'
import { BadHandshake, isOurs, publicError, TooLarge } from '../../errors.ts'
import { MAX_HANDSHAKE_BYTES } from '../../protocol/constants.ts'
import type { PeerDeps } from './deps.ts'

const Field = Type.String({ maxLength: 512 })
const KeyReply = Type.Object({ v: Field, group: Field, dh: Field, kid: Field, id: Field, bbs: Field, sig: Field })
const BeginReply = Type.Object({ sid: Field, nB: Field, sig: Field, mac: Field })
const ConfirmReply = Type.Object({ fin: Field })

/** The key of this minute, and the two messages of a handshake (PROTOCOL.md, "Handshake"). */
export const handshakeRoutes: FastifyPluginAsyncTypebox<PeerDeps> = async (
  app,
  { responder, isOwnAddress = isLoopback },
) => {
  app.addHook('onSend', async (_request, reply) => void reply.header('cache-control', 'no-store'))
  app.setErrorHandler(async (error, _request, reply) => {
    const { statusCode, code, message } = publicError(handshakeError(error))
    if (statusCode === 429) reply.header('retry-after', '1')
    return await reply.code(statusCode).send({ error: { code, message } })
  })

  app.get('/getkey', { schema: { response: { 200: KeyReply } } }, async () => await responder.keyAnswer())

  app.post(
    '/session',
    { bodyLimit: MAX_HANDSHAKE_BYTES, schema: { response: { 200: BeginReply } } },
    async ({ body, ip = '' }) => await responder.begin(body, sourceOf(ip), isOwnAddress(ip)),
  )

  app.post(
    '/session/:sid',
    {
      bodyLimit: MAX_HANDSHAKE_BYTES,
      schema: { params: Type.Object({ sid: Type.String() }), response: { 200: ConfirmReply } },
    },
    async (request) => await responder.confirm(request.params.sid, request.body),
  )
}

/** A body that is no JSON, or of another type, is a malformed handshake; which check failed is never said. */
const handshakeError = (error: unknown): unknown => {
  if (isOurs(error)) return error
  const known = publicError(error)
  if (known.statusCode === 413) return new TooLarge()
  return known.statusCode < 500 ? new BadHandshake() : error
}
