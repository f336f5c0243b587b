/** The routes for other nodes: three open ones, and the sealed ones behind them. */
import { finished } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifySchemaCompiler } from 'fastify'
import { type TSchema, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { BadRequest } from '../../errors.ts'
import { isRowName, RowPage, TableQuery, Update } from '../../protocol/messages.ts'
import type { PeerDeps } from './deps.ts'
import { endWhenSlow, LIMITS, Turnstile } from './limits.ts'
import { aliveRoute, handshakeRoutes } from './open.ts'
import { sealScope, sendSealedFile } from './sealing.ts'

export const peerRoutes: FastifyPluginAsyncTypebox<PeerDeps> = async (app, deps) => {
  app.addHook('onRequest', async (request, reply) => {
    void endWhenSlow(request.raw, reply.raw, deps.limits ?? LIMITS)
  })
  await app.register(aliveRoute, deps)
  await app.register(handshakeRoutes, deps)
  await app.register(sealedRoutes, deps)
}

/** What nodes ask each other in a session (PROTOCOL.md: "Rows", "News", "Files"). */
const sealedRoutes: FastifyPluginAsyncTypebox<PeerDeps> = async (app, deps) => {
  const { sessions, row, onUpdate, serve, limits = LIMITS } = deps
  const turnstile = new Turnstile(limits)
  sealScope(app, sessions)
  app.setValidatorCompiler(exactly)

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
    const leave = turnstile.enter(request.exchange?.peerId ?? '')
    // A peer may have gone before its file is open, and then nobody tells us any more: whatever was taken is given back here.
    const gone = new Promise<void>((resolve) => finished(reply.raw, () => resolve()))
    void gone.then(leave)
    const { size, body, close } = await serve(name)
    void gone.then(close)
    return sendSealedFile(request, reply, size, body)
  })
}

/** Just what the schema says, nothing is made to fit. Only a query is text, so its numbers are read, in the one spelling that dec(n) has. */
const exactly: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const compiled = Compile(schema)
  return (given: unknown) => {
    const value = httpPart === 'querystring' ? withNumbers(given) : given
    return compiled.Check(value) ? { value } : { error: new BadRequest('that does not fit the schema') }
  }
}

const NUMBER = /^(0|[1-9]\d{0,15})$/

const withNumbers = (query: unknown): unknown =>
  Object.fromEntries(
    Object.entries(query ?? {}).map(([name, value]) => [name, NUMBER.test(String(value)) ? Number(value) : value]),
  )
