/** One Fastify instance per listener: limits, the peer scope, on loopback the person's scope too, and what every failure becomes. */
import { createServer, type RequestListener, type Server, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import { utf8 } from './bytes.ts'
import { BadRequest, NoSession, NotFound, publicError } from './errors.ts'
import type { Log } from './log.ts'
import { AUTH_HEADER } from './protocol/constants.ts'
import { aliveFirst } from './routes/peer/alive.ts'
import type { PeerDeps } from './routes/peer/deps.ts'
import { peerRoutes } from './routes/peer/index.ts'
import { answerSealed, authenticate } from './routes/peer/sealing.ts'
import type { UserDeps } from './routes/user/deps.ts'
import { answerUserError, userRoutes } from './routes/user/index.ts'

/** Bodies of routes that say nothing else; uploads and sealed bodies have their own limits. */
const BODY_LIMIT_BYTES = 8 * 1024
/** A name of 1,000 bytes, every byte percent-encoded; names have their own exact check. */
const MAX_PARAM_CHARACTERS = 3 * 1024

export interface AppServices {
  /** The listening server; it is closed elsewhere. */
  readonly server: Server
  /** Hand over its requests, once there is somebody to answer them. */
  readonly handleWith: (handler: RequestListener) => void
  readonly log: Log
  readonly peer: PeerDeps
  /** Undefined on every listener that is not loopback: the person's routes do not exist there. */
  readonly user: UserDeps | undefined
}

export const buildApp = async ({ server, handleWith, log, peer, user }: AppServices): Promise<FastifyInstance> => {
  let handle: RequestListener | undefined
  const forThePerson = user && answerUserError(user)
  const app = Fastify({
    serverFactory: (handler) => {
      handle = handler
      return server
    },
    bodyLimit: BODY_LIMIT_BYTES,
    routerOptions: { maxParamLength: MAX_PARAM_CHARACTERS },
    exposeHeadRoutes: false,
    trustProxy: false,
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    return503OnClosing: true,
    clientErrorHandler: answerNoRequest,
    frameworkErrors: (error, request, reply) => {
      const { statusCode, code, message } = publicError(error)
      const text = JSON.stringify({ error: { code, message } })
      const exchange = authenticate(request, peer.sessions)
      if (exchange) return void answerSealed(reply, exchange, statusCode, utf8(text))
      if (forThePerson && request.headers[AUTH_HEADER] === undefined) return void forThePerson(error, request, reply)
      reply.hijack()
      reply.raw.writeHead(statusCode, {
        'content-type': 'application/json; charset=utf-8',
        'cache-control': 'no-store',
      })
      reply.raw.end(text)
    },
    ajv: { customOptions: { removeAdditional: false } },
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string' }, app.getDefaultJsonParser('error', 'error'))
  app.decorateRequest('exchange', null)
  app.addHook('onError', async (request, _reply, error) => {
    const { statusCode, code } = publicError(error)
    const fields = { method: request.method, route: request.routeOptions.url }
    // Nobody who has a file, a peer that has gone, a full disk: told to whoever asked, and no fault of this program.
    if (statusCode >= 500 && code === 'PM_INTERNAL') log.error({ ...fields, error }, 'a request failed')
    else log.debug({ ...fields, code }, 'a request was refused')
  })
  app.setErrorHandler(async (error, _request, reply) => {
    const { statusCode, code, message } = publicError(error)
    return await reply.code(statusCode).send({ error: { code, message } })
  })

  await app.register(peerRoutes, peer)
  if (user) await app.register(userRoutes, user)

  app.setNotFoundHandler(async (request, reply) => {
    if (forThePerson && request.headers[AUTH_HEADER] === undefined)
      return await forThePerson(new NotFound(), request, reply)
    const exchange = authenticate(request, peer.sessions)
    const { statusCode, code, message } = publicError(exchange ? new NotFound() : new NoSession())
    const body = JSON.stringify({ error: { code, message } })
    if (exchange) return await answerSealed(reply, exchange, statusCode, utf8(body))
    return await reply.code(statusCode).type('application/json; charset=utf-8').send(body)
  })
  let closing = false
  app.addHook('preClose', async () => {
    closing = true
  })
  await app.ready()
  if (handle) handleWith(aliveFirst(handle, peer, () => closing))
  return app
}

/** What the computers of a network get to see: the routes for nodes, and nothing else. It has no server of its own. */
export const networkApp = async (
  services: Pick<AppServices, 'log' | 'peer'>,
): Promise<{ readonly handler: RequestListener; readonly close: () => Promise<void> }> => {
  const handing = Promise.withResolvers<RequestListener>()
  const app = await buildApp({ ...services, server: createServer(), handleWith: handing.resolve, user: undefined })
  return { handler: await handing.promise, close: async () => await app.close() }
}

/** Statuses of what Node could not read; all else that is no request is a 400. */
const UNREAD: Readonly<Record<string, number>> = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 }

/** What is no request is answered in the form of every other error, as long as somebody can be told, and its connection ends. */
export const answerNoRequest = (error: NodeJS.ErrnoException, socket: Socket): void => {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  const status = UNREAD[error.code ?? ''] ?? 400
  const { code, message } = publicError(new BadRequest('it is no request of HTTP/1.1'))
  const text = JSON.stringify({ error: { code, message } })
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(text)}`,
    'Cache-Control: no-store',
    'Connection: close',
  ]
  if (socket.writable) socket.write(`${head.join('\r\n')}\r\n\r\n${text}`)
  socket.destroy(error)
}
