/** The scope of this computer's own person: pages, JSON for programs, downloads. On 127.0.0.1 only. */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import formbody from '@fastify/formbody'
import staticFiles, { type FastifyStaticOptions } from '@fastify/static'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { acquaintRoutes } from './acquaint.ts'
import { availableRoute } from './available.ts'
import type { UserDeps } from './deps.ts'
import { deskOf } from './desk.ts'
import { doctorRoute } from './doctor.ts'
import { eventsRoute } from './events.ts'
import { getfileRoutes } from './getfile.ts'
import { admit } from './guard.ts'
import { helpRoute } from './help.ts'
import { lanRoutes } from './lan.ts'
import { answerError } from './mishaps.ts'
import { myFilesRoutes } from './myfiles.ts'
import { nodesRoutes } from './nodes.ts'
import { pageRoutes } from './pages.ts'
import { publishRoutes } from './publish.ts'
import { VIEWS_FOLDER } from './render.ts'
import { settingsRoutes } from './settings.ts'
import { transferRoutes } from './transfers.ts'
import { uploadRoute } from './upload.ts'
import { STALL_MS, watchBody } from './watchdog.ts'

const HTMX_FOLDER = dirname(createRequire(import.meta.url).resolve('htmx.org'))
const HTMX_FILES: ReadonlySet<string> = new Set(['/htmx.min.js', '/ext/hx-sse.min.js'])

/** Kept by the browser, and asked for again by their etag: a new version is seen with the next page. */
const ASSETS: Partial<FastifyStaticOptions> = {
  decorateReply: false,
  cacheControl: false,
  index: false,
  setHeaders: (reply) => void reply.header('cache-control', 'no-cache'),
}

export const userRoutes: FastifyPluginAsyncTypebox<UserDeps> = async (app, deps) => {
  const desk = deskOf(deps)
  app.setErrorHandler<FastifyError>((error, request, reply) => answerError(desk, error, request, reply))
  app.addHook('onRequest', async (request, reply) => {
    if (!admit(desk.self, request, reply)) return reply
    // An upload has its own, which answers in words.
    const { method, raw, routeOptions } = request
    if (method !== 'GET' && method !== 'HEAD' && !routeOptions.config?.upload) {
      watchBody(raw, desk.stallMs ?? STALL_MS, () => raw.destroy())
    }
  })
  await app.register(formbody)
  await app.register(staticFiles, { ...ASSETS, root: join(VIEWS_FOLDER, 'assets'), prefix: '/assets/' })
  await app.register(staticFiles, {
    ...ASSETS,
    root: HTMX_FOLDER,
    prefix: '/assets/htmx/',
    allowedPath: (path) => HTMX_FILES.has(path),
  })
  await app.register(pageRoutes, desk)
  await app.register(myFilesRoutes, desk)
  await app.register(publishRoutes, desk)
  await app.register(uploadRoute, desk)
  await app.register(nodesRoutes, desk)
  await app.register(lanRoutes, desk)
  await app.register(doctorRoute, desk)
  await app.register(acquaintRoutes, desk)
  await app.register(availableRoute, desk)
  await app.register(getfileRoutes, desk)
  await app.register(transferRoutes, desk)
  await app.register(settingsRoutes, desk)
  await app.register(eventsRoute, desk)
  await app.register(helpRoute, desk)
}

/** As the scope answers errors, for those outside of its routes: no such address, an address that cannot be read. The same guard. */
export const answerUserError =
  (deps: UserDeps) =>
  (error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const desk = deskOf(deps)
    try {
      return admit(desk.self, request, reply) ? answerError(desk, error, request, reply) : reply
    } catch (refused) {
      return answerError(desk, refused instanceof Error ? refused : error, request, reply)
    }
  }
