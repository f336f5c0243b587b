/** Address -> undici pool. One pool a peer; one idle connection tells at once when its process has gone. */
import { type Dispatcher, Pool } from 'undici'
import { CLIENT_KEEP_ALIVE_MS } from '../protocol/constants.ts'

/** Connections to one peer: an idle one, and those of what runs. */
const CONNECTIONS = 6
const CONNECT_TIMEOUT_MS = 2_000
/** A peer that sends its head or goes on with its body later than this is given up. */
const HEADERS_TIMEOUT_MS = 10_000
const BODY_IDLE_TIMEOUT_MS = 30_000
const MAX_HEADER_BYTES = 8 * 1024
/** Ends of connections that say nothing about the peer. */
const HARMLESS = new Set(['UND_ERR_INFO', 'UND_ERR_DESTROYED'])

export class Reach {
  readonly #pools = new Map<string, Pool>()
  readonly #onBroken: (address: string) => void

  /** @param onBroken - told when a connection to an address broke. */
  constructor(onBroken: (address: string) => void) {
    this.#onBroken = onBroken
  }

  async request(address: string, options: Omit<Dispatcher.RequestOptions, 'origin'>): Promise<Dispatcher.ResponseData> {
    return await this.#pool(address).request(options)
  }

  /** Break every connection; the next request to an address opens a new one. */
  async drop(): Promise<void> {
    const pools = [...this.#pools.values()]
    this.#pools.clear()
    await Promise.allSettled(pools.map((pool) => pool.destroy()))
  }

  #pool(address: string): Pool {
    const known = this.#pools.get(address)
    if (known) return known
    const pool = new Pool(`http://${address}`, {
      connections: CONNECTIONS,
      pipelining: 1,
      keepAliveTimeout: CLIENT_KEEP_ALIVE_MS,
      keepAliveMaxTimeout: CLIENT_KEEP_ALIVE_MS,
      headersTimeout: HEADERS_TIMEOUT_MS,
      bodyTimeout: BODY_IDLE_TIMEOUT_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      connect: { timeout: CONNECT_TIMEOUT_MS },
    })
    pool.on('disconnect', (_origin, _targets, error) => {
      if (!HARMLESS.has(error.code)) this.#onBroken(address)
    })
    this.#pools.set(address, pool)
    return pool
  }
}
