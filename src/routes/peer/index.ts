/** The routes for other nodes: three open ones, and the sealed ones behind them. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { BadRequest } from '../../errors.ts'
import { isRowName, RowPage, TableQuery, Update } from '../../protocol/messages.ts'
import type { PeerDeps } from './deps.ts'
import { aliveRoute, handshakeRoutes } from './open.ts'
import { sealScope, sendSealedFile } from './sealing.ts'

export const peerRoutes: FastifyPluginAsyncTypebox<PeerDeps> = async (app, deps) => {
  await app.register(aliveRoute, deps)
  await app.register(handshakeRoutes, deps)
  await app.register(sealedRoutes, deps)
}

/** What nodes ask each other in a session (PROTOCOL.md: "Rows", "News", "Files"). */
const sealedRoutes: FastifyPluginAsyncTypebox<PeerDeps> = async (app, { sessions, row, onUpdate, serve }) => {
  sealScope(app, sessions)

  app.get('/table', { schema: { querystring: TableQuery, response: { 200: RowPage } } }, async ({ query }) =>
    row.page(query),
  )

  app.post('/update', { schema: { body: Update, response: { 200: Type.Object({}) } } }, async (request) => {
    if (request.exchange) onUpdate(request.exchange.peerId, request.ip ?? '', request.body)
    return {}
  })

  app.get('/myfiles/:name', { schema: { params: Type.Object({ name: Type.String() }) } }, async (request, reply) => {
    const { name } = request.params
    if (!isRowName(name)) throw new BadRequest('that is no name of a file')
    const { size, body, close } = await serve(name)
    reply.raw.once('close', () => void close())
    return sendSealedFile(request, reply, size, body)
  })
}
