/** Who may ask for what: the person's own pages and programs of this computer, nobody else. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { ForeignOrigin } from '../../errors.ts'
import type { Self } from './deps.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The GET form of something that changes state. */
    changes?: boolean
    /** A body that may take as long as it needs, as long as it keeps coming. */
    upload?: boolean
  }
}

export const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

const HEADERS = {
  'content-security-policy': PAGE_POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'x-frame-options': 'DENY',
  vary: 'Accept, HX-Request-Type',
  'cache-control': 'no-store',
} as const

/** What a link from somewhere else may open, another node's page above all. */
const OPEN_TO_LINKS: ReadonlySet<string> = new Set(['/', '/nodes', '/lan', '/doctor', '/transfers', '/help'])

/**
 * Put the headers of every answer, then let pass or refuse.
 * @returns false when the request was answered already: 421, for a name this node does not have.
 * @throws ForeignOrigin
 */
export const admit = (self: Self, request: FastifyRequest, reply: FastifyReply): boolean => {
  reply.headers(HEADERS)
  if (!ownHosts(self).has(request.headers.host ?? '')) {
    reply.code(421).send()
    return false
  }
  if (!mayAsk(request)) throw new ForeignOrigin()
  if (changesState(request) && !mayChange(request)) throw new ForeignOrigin()
  return true
}

const ownHosts = ({ port }: Self): ReadonlySet<string> => {
  const hosts = ['127.0.0.1', 'localhost']
  // A browser leaves port 80 out.
  return new Set([...hosts.map((host) => `${host}:${port}`), ...(port === 80 ? hosts : [])])
}

/** What another site may ask: nothing but a visit to a page that only shows. */
const mayAsk = ({ headers, method, url }: FastifyRequest): boolean => {
  const site = headers['sec-fetch-site']
  if (site === undefined || site === 'same-origin' || site === 'none') return true
  const dest = headers['sec-fetch-dest']
  const visit =
    method === 'GET' && headers['sec-fetch-mode'] === 'navigate' && (dest === undefined || dest === 'document')
  return visit && OPEN_TO_LINKS.has(url.split('?', 1)[0] ?? '')
}

const changesState = ({ method, routeOptions }: FastifyRequest): boolean =>
  (method !== 'GET' && method !== 'HEAD') || routeOptions.config?.changes === true

/**
 * POST is what our own pages use. GET acts for programs, which send no Sec-Fetch-Mode, and asks a person once more;
 * an image, a script or a prefetch is neither.
 */
const mayChange = ({ headers, method }: FastifyRequest): boolean => {
  const own = `http://${headers.host}`
  const site = headers['sec-fetch-site']
  const mode = headers['sec-fetch-mode']
  if (headers['sec-purpose'] !== undefined) return false
  if (headers.origin !== undefined && headers.origin !== own) return false
  if (headers.referer !== undefined && URL.parse(headers.referer)?.origin !== own) return false
  return method === 'GET' ? mode === undefined || mode === 'navigate' : site === undefined || site === 'same-origin'
}
