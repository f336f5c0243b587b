/** A server of Node's for one address, with the limits that hold on every address alike. */
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Doorkeeper, limitConnections } from './connections.ts'
import { SERVER_KEEP_ALIVE_MS } from './protocol/constants.ts'

const HEADERS_TIMEOUT_MS = 10_000
/** How often Node looks for slow heads; its default of 30 s would let them stay that much longer. */
const CHECK_EVERY_MS = 1_000
const MAX_HEADER_BYTES = 16 * 1024
/** Answers that run may end in this time when a server stops. */
const DRAIN_MS = 2_000

/** A server that does not listen yet. */
export const limitedServer = (handler: RequestListener, door: Doorkeeper): Server => {
  const options = {
    keepAliveTimeout: SERVER_KEEP_ALIVE_MS,
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: 0,
    connectionsCheckingInterval: CHECK_EVERY_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
  }
  const server = createServer(options, handler)
  limitConnections(server, door)
  return server
}

/**
 * Listen on exactly one address.
 * @param host - IPv4 or IPv6, without brackets.
 * @throws what the system says, with its code: EADDRINUSE, EADDRNOTAVAIL, EACCES.
 */
export const listenAt = async (server: Server, host: string, port: number): Promise<void> => {
  server.listen({ port, host, exclusive: true, ipv6Only: true })
  await once(server, 'listening')
  // Without a free descriptor a connection cannot be taken: that ends the connection, not the node.
  server.on('error', () => {})
}

/** No new requests, a moment for those that run, then the end of every connection. */
export const closeServer = async (server: Server, drainMs = DRAIN_MS): Promise<void> => {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  if (drainMs > 0) await Promise.race([closed, sleep(drainMs, undefined, { ref: false })])
  server.closeAllConnections()
  await closed
}
