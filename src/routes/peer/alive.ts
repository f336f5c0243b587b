/** Alive or not: the one word anybody may ask (PROTOCOL.md, "Alive"), and everybody asks often. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { toB64u } from '../../bytes.ts'
import { ALIVE_TEXT } from '../../protocol/constants.ts'
import type { PeerDeps } from './deps.ts'
import { endWhenSlow, LIMITS } from './limits.ts'

type Row = PeerDeps['row']

const PATH = '/alive'
const BODY_HEADER = /^(content-length|transfer-encoding)$/i

/** However it is asked. */
export const aliveRoute: FastifyPluginAsyncTypebox<PeerDeps> = async (app, { row }) => {
  const headers = headersOf(row)
  app.get(PATH, async (_request, reply) => await reply.headers(headers()).send(ALIVE_TEXT))
}

/**
 * Answers the plain question by itself, in half of the time that the whole of the routing takes, and hands everything else on.
 * @param closing - whether the node is stopping: then nothing is answered here
 */
export const aliveFirst = (
  others: RequestListener,
  { row, limits = LIMITS }: Pick<PeerDeps, 'row' | 'limits'>,
  closing: () => boolean,
): RequestListener => {
  const headers = headersOf(row)
  return (request, response) => {
    if (request.url !== PATH || request.method !== 'GET' || hasBody(request) || closing()) {
      others(request, response)
      return
    }
    response.writeHead(200, headers())
    response.end(ALIVE_TEXT)
    // What the system took at once needs no watching; an answer behind another one, or behind a full connection, does.
    if (!wasTaken(response)) endWhenSlow(request, response, limits)
  }
}

const wasTaken = ({ socket, writableLength }: ServerResponse): boolean =>
  socket !== null && socket.writableLength === 0 && writableLength === 0

const hasBody = ({ rawHeaders }: IncomingMessage): boolean => {
  for (let at = 0; at < rawHeaders.length; at += 2) if (BODY_HEADER.test(rawHeaders[at] ?? '')) return true
  return false
}

/** They change only with the row. */
const headersOf = (row: Row): (() => Record<string, string>) => {
  let of: ReturnType<Row['head']> | undefined
  let headers: Record<string, string> = {}
  return () => {
    const signed = row.head()
    if (signed === of) return headers
    of = signed
    headers = {
      'portmesh-id': signed.head.id,
      'portmesh-epoch': String(signed.head.epoch),
      'portmesh-table': `${signed.head.version};${toB64u(signed.digest)}`,
      'cache-control': 'no-store',
      'content-type': 'text/plain; charset=utf-8',
      'content-length': String(Buffer.byteLength(ALIVE_TEXT)),
    }
    return headers
  }
}
