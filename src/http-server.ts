/** A server of Node's for one address, with the limits that hold on every address alike. */
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { SERVER_KEEP_ALIVE_MS } from './protocol/constants.ts'

const HEADERS_TIMEOUT_MS = 10_000
/** How often Node looks for slow heads; its default of 30 s would let them stay that much longer. */
const CHECK_EVERY_MS = 1_000
const MAX_CONNECTIONS = 512
const MAX_HEADER_BYTES = 16 * 1024

/** A server that does not listen yet. */
export const limitedServer = (handler: RequestListener): Server => {
  const options = {
    keepAliveTimeout: SERVER_KEEP_ALIVE_MS,
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: 0,
    connectionsCheckingInterval: CHECK_EVERY_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
  }
  const server = createServer(options, handler)
  server.maxConnections = MAX_CONNECTIONS
  // When all places are taken, those who only wait make room: idle visitors must not lock everybody out.
  server.on('drop', () => server.closeIdleConnections())
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
