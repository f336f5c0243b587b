/** The routes for other nodes: three open ones, and the sealed ones behind them. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifySchemaCompiler } from 'fastify'
import { type TSchema, Type } from 'typebox'
import { Compile } from 'typebox/schema'
import { FREE } from '../../allowance.ts'
import { BadRequest, publicError } from '../../errors.ts'
import { isRowName, PeersAnswer, Probe, ProbeAnswer, RowPage, TableQuery, Update } from '../../protocol/messages.ts'
import { aliveRoute } from './alive.ts'
import { onGone } from './answers.ts'
import { contentRoutes } from './content.ts'
import type { PeerDeps } from './deps.ts'
import { endWhenSlow, LIMITS, Questions, Turnstile } from './limits.ts'
import { handshakeRoutes } from './open.ts'
import { paceFor, sealScope, sendSealedFile } from './sealing.ts'

export const peerRoutes: FastifyPluginAsyncTypebox<PeerDeps> = async (app, deps) => {
  app.addHook('onRequest', async (request, reply) => {
    endWhenSlow(request.raw, reply.raw, deps.limits ?? LIMITS, request.routeOptions.config.live)
  })
  app.addHook('onError', async (_request, _reply, error) => {
    const { statusCode, code } = publicError(error)
    if (statusCode < 500) deps.refused?.(code)
  })
  await app.register(aliveRoute, deps)
  await app.register(handshakeRoutes, deps)
  await app.register(sealedRoutes, deps)
}

/** No parameters. */
const Nothing = Type.Object({}, { additionalProperties: false })

/** What nodes ask each other in a session (PROTOCOL.md: "Rows", "News", "Files", "Contents and pieces"). */
const sealedRoutes: FastifyPluginAsyncTypebox<PeerDeps> = async (app, deps) => {
  const { sessions, row, onUpdate, onGiven, serve, limits = LIMITS } = deps
  const turnstile = new Turnstile(limits.filesOfPeer, limits.files)
  sealScope(app, sessions)
  const questions = new Questions(limits.asking)
  app.addHook('onRequest', async ({ exchange, routeOptions }) => {
    if (exchange && !routeOptions.config.bulk) questions.count(exchange.peerId)
  })
  app.setValidatorCompiler(exactly)

  app.get('/table', { schema: { querystring: TableQuery, response: { 200: RowPage } } }, async ({ query }) =>
    row.page(query),
  )

  app.post('/update', { schema: { body: Update, response: { 200: Type.Object({}) } } }, async (request) => {
    if (request.exchange) onUpdate(request.exchange.peerId, request.ip ?? '', request.body)
    return {}
  })

  app.post('/probe', { schema: { body: Probe, response: { 200: ProbeAnswer } } }, async (request) => {
    const reached = await deps.probe(request.exchange?.peerId ?? '', request.ip ?? '', request.body.port)
    return { reached }
  })

  app.get('/peers', { schema: { querystring: Nothing, response: { 200: PeersAnswer } } }, async () => deps.peers())

  const file = { schema: { params: Type.Object({ name: Type.String() }) }, config: { bulk: true } }
  app.get('/myfiles/:name', file, async (request, reply) => {
    const { name } = request.params
    if (!isRowName(name)) throw new BadRequest('that is no name of a file')
    // A peer may have gone before its file is open: whatever was taken is given back in any case.
    const pace = paceFor(deps, request)
    const atMost = pace === FREE ? undefined : deps.peersAtOnce?.()
    onGone(request, reply, turnstile.enter(request.exchange?.peerId ?? '', atMost))
    const { size, body, close } = await serve(name)
    onGone(request, reply, close)
    onGiven?.(request.exchange?.peerId ?? '')
    return sendSealedFile(request, reply, { size, source: body, pace })
  })

  await app.register(contentRoutes, deps)
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
