/** Address -> undici pools. One idle connection to a peer tells at once when its process has gone. */
import type { Dispatcher } from 'undici'
import { CLIENT_KEEP_ALIVE_MS } from '../protocol/constants.ts'
import { Pool } from './undici.ts'

/** Connections to one peer for calls: an idle one, and those of what runs. */
const CONNECTIONS = 6
/** Connections for pieces and for the news of them: a call never waits behind them. */
const BULK_CONNECTIONS = 24
const CONNECT_TIMEOUT_MS = 2_000
/** A peer that sends its head or goes on with its body later than this is given up. */
const HEADERS_TIMEOUT_MS = 10_000
const BODY_IDLE_TIMEOUT_MS = 30_000
const MAX_HEADER_BYTES = 8 * 1024
/** Ends of connections that say nothing about the peer: among them those that we ended ourselves. */
const HARMLESS = new Set(['UND_ERR_INFO', 'UND_ERR_DESTROYED', 'UND_ERR_ABORTED', 'ABORT_ERR'])

export class Reach {
  readonly #pools = new Map<string, Pool>()
  readonly #bulk = new Map<string, Pool>()
  readonly #onBroken: (address: string) => void

  /** @param onBroken - told when a connection to an address broke. */
  constructor(onBroken: (address: string) => void) {
    this.#onBroken = onBroken
  }

  async request(address: string, options: Omit<Dispatcher.RequestOptions, 'origin'>): Promise<Dispatcher.ResponseData> {
    return await this.#pool(this.#pools, address, CONNECTIONS).request(options)
  }

  /** A request whose answer may stay open for long. */
  async stream(address: string, options: Omit<Dispatcher.RequestOptions, 'origin'>): Promise<Dispatcher.ResponseData> {
    return await this.#pool(this.#bulk, address, BULK_CONNECTIONS).request(options)
  }

  /** A request whose answer goes to a handler as it comes off the socket, without a stream between them. */
  dispatch(
    address: string,
    options: Omit<Dispatcher.DispatchOptions, 'origin'>,
    handler: Dispatcher.DispatchHandler,
  ): void {
    this.#pool(this.#bulk, address, BULK_CONNECTIONS).dispatch(options, handler)
  }

  /** Break every connection; the next request to an address opens a new one. */
  async drop(): Promise<void> {
    const pools = [...this.#pools.values(), ...this.#bulk.values()]
    this.#pools.clear()
    this.#bulk.clear()
    await Promise.allSettled(pools.map((pool) => pool.destroy()))
  }

  #pool(pools: Map<string, Pool>, address: string, connections: number): Pool {
    const known = pools.get(address)
    if (known) return known
    const pool = new Pool(`http://${address}`, {
      connections,
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
    pools.set(address, pool)
    return pool
  }
}
