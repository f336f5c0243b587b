/** Address -> undici pools, and the lane for pieces. One idle connection to a peer tells at once when its process has gone. */
import type { Dispatcher } from 'undici'
import { CLIENT_KEEP_ALIVE_MS } from '../protocol/constants.ts'
import { Lane } from './lane.ts'
import { readShort, type ShortAnswer, type ShortLimits } from './short.ts'
import { Pool } from './undici.ts'

/** Connections to one peer for calls: an idle one, and those of what runs. */
const CONNECTIONS = 6
/** Connections for the news of pieces, which stay open: a call never waits behind them. */
const BULK_CONNECTIONS = 24
const CONNECT_TIMEOUT_MS = 2_000
/** A peer that sends its head or goes on with its body later than this is given up. */
const HEADERS_TIMEOUT_MS = 10_000
const BODY_IDLE_TIMEOUT_MS = 30_000
const MAX_HEADER_BYTES = 8 * 1024
/** Ends of connections that say nothing about the peer: among them those that we ended ourselves. */
const HARMLESS = new Set(['UND_ERR_INFO', 'UND_ERR_DESTROYED', 'UND_ERR_ABORTED', 'ABORT_ERR'])

export class Reach {
  /** Pieces come through it. */
  readonly lane: Lane
  readonly #pools = new Map<string, Pool>()
  readonly #bulk = new Map<string, Pool>()
  readonly #onBroken: (address: string) => void

  /** @param onBroken - told when a connection to an address broke. */
  constructor(onBroken: (address: string) => void) {
    this.#onBroken = onBroken
    this.lane = new Lane(onBroken)
  }

  async request(address: string, options: Omit<Dispatcher.RequestOptions, 'origin'>): Promise<Dispatcher.ResponseData> {
    return await this.#pool(this.#pools, address, CONNECTIONS).request(options)
  }

  /** A GET whose answer is short, over the same connections. */
  async short(address: string, path: string, limits: ShortLimits): Promise<ShortAnswer> {
    const headers = { 'accept-encoding': 'identity' }
    return await readShort(this.#pool(this.#pools, address, CONNECTIONS), { method: 'GET', path, headers }, limits)
  }

  /** A request whose answer may stay open for long. */
  async stream(address: string, options: Omit<Dispatcher.RequestOptions, 'origin'>): Promise<Dispatcher.ResponseData> {
    return await this.#pool(this.#bulk, address, BULK_CONNECTIONS).request(options)
  }

  /** Break every connection to one address, and whatever runs there. */
  async leave(address: string): Promise<void> {
    const pools = [this.#pools, this.#bulk].flatMap((all) => all.get(address) ?? [])
    this.#pools.delete(address)
    this.#bulk.delete(address)
    this.lane.leave(address)
    await Promise.allSettled(pools.map((pool) => pool.destroy()))
  }

  /** Break every connection; the next request to an address opens a new one. */
  async drop(): Promise<void> {
    const pools = [...this.#pools.values(), ...this.#bulk.values()]
    this.#pools.clear()
    this.#bulk.clear()
    await Promise.allSettled([this.lane.drop(), ...pools.map((pool) => pool.destroy())])
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
