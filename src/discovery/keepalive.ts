/** Who is there: the loop over all addresses, and the prompt probe when something happens in between. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { PeerTable } from '../dht/table.ts'
import { PeerMisbehaved } from '../errors.ts'
import type { Alive, PeerClient } from '../peer/client.ts'
import { CLIENT_KEEP_ALIVE_MS } from '../protocol/constants.ts'
import type { Update } from '../protocol/messages.ts'
import { pullRow } from './pull.ts'

/** Pulls from one address: after an unauthenticated hint of /alive, and after a peer's own word. */
const PULL_PAUSE_MS = 2_000
const TOLD_PAUSE_MS = 250
const TELL_PAUSE_MS = 100
/** A leaving node waits so long for its goodbyes. */
const GOODBYE_MS = 500
/** The idle connection to a peer must be used before the pool gives it up. */
const MAX_PAUSE_MS = CLIENT_KEEP_ALIVE_MS * 0.75

/** What answers at an address. */
export type Finding = 'node' | 'nobody' | 'other'

export interface KeepAliveOptions {
  readonly client: PeerClient
  readonly table: PeerTable
  /** Own identity, 64 hex characters; and own port. */
  readonly ownId: string
  readonly ownPort: number
  /** Every address a node may have, ours not among them. */
  readonly addresses: readonly string[]
  readonly intervalMs: number
  /** Something went wrong with a peer; for the log. */
  readonly onTrouble: (address: string, error: unknown) => void
}

export class KeepAlive {
  readonly #options: KeepAliveOptions
  readonly #end = new AbortController()
  readonly #probes = new Map<string, Promise<Finding | 'stranger'>>()
  readonly #pulls = new Map<string, Promise<void>>()
  /** Addresses that spoke again while their pull was running. */
  readonly #again = new Set<string>()
  readonly #pulledAt = new Map<string, number>()
  #loop: Promise<void> = Promise.resolve()
  readonly #telling = new Map<string, Promise<void>>()
  readonly #untold = new Set<string>()

  constructor(options: KeepAliveOptions) {
    this.#options = options
  }

  /** The first round, then the loop. @returns what answers where, for the terminal. */
  async start(): Promise<ReadonlyMap<string, Finding>> {
    const findings = await this.#round()
    this.#loop = this.#rounds()
    return findings
  }

  async stop(): Promise<void> {
    this.#end.abort()
    await Promise.allSettled([this.#loop, ...this.#probes.values(), ...this.#pulls.values()])
  }

  /**
   * Look at one address now; two looks at the same time are one. Whoever is new there is pulled before it counts, but
   * outside of the look: a pull may have to wait its turn, and the next look must not wait with it.
   */
  async probe(address: string): Promise<Finding> {
    const running = this.#probes.get(address) ?? this.#look(address).finally(() => this.#probes.delete(address))
    this.#probes.set(address, running)
    const finding = await running
    if (finding !== 'stranger') return finding
    await this.#pull(address, PULL_PAUSE_MS)
    return this.#options.table.at(address)?.alive ? 'node' : 'other'
  }

  /** A peer spoke in its session: it changed (or has just started), or it leaves. */
  heard(peerId: string, host: string, { kind, port }: Update): void {
    const { table, addresses } = this.#options
    const known = table.addressOf(peerId)
    if (kind === 'leaving') {
      if (known !== undefined) table.gone(known)
      return
    }
    const hint = `${host}:${port}`
    const address = addresses.includes(hint) ? hint : known
    if (address !== undefined) void this.#pull(address, TOLD_PAUSE_MS)
  }

  /** Tell every live peer that our row changed; a burst of changes is told once and, if it goes on, ten times a second. */
  tellChanged(): void {
    for (const { id, alive } of this.#options.table.all()) if (alive) this.#tellUntilQuiet(id)
  }

  /** Each peer has its own pace: one that hangs keeps nobody else from the news. */
  #tellUntilQuiet(id: string): void {
    if (this.#telling.has(id)) {
      this.#untold.add(id)
      return
    }
    const { signal } = this.#end
    const telling = this.#tell(id, 'changed')
      .then(() => sleep(TELL_PAUSE_MS, undefined, { ref: false, signal }))
      .catch(() => {})
      .finally(() => {
        this.#telling.delete(id)
        if (this.#untold.delete(id) && !signal.aborted) this.#tellUntilQuiet(id)
      })
    this.#telling.set(id, telling)
  }

  /** Say goodbye; at most half a second. */
  async tellLeaving(): Promise<void> {
    const live = this.#options.table.all().filter(({ alive }) => alive)
    const told = Promise.allSettled(live.map(({ id }) => this.#tell(id, 'leaving')))
    await Promise.race([told, sleep(GOODBYE_MS, undefined, { ref: false })])
  }

  async #tell(id: string, kind: Update['kind']): Promise<void> {
    const { client, table, ownPort } = this.#options
    const address = table.addressOf(id)
    if (address !== undefined) await client.update(address, { kind, port: ownPort }, this.#end.signal)
  }

  async #rounds(): Promise<void> {
    const pauseMs = Math.min(this.#options.intervalMs, MAX_PAUSE_MS)
    while (!this.#end.signal.aborted) {
      await sleep(pauseMs, undefined, { ref: false, signal: this.#end.signal }).catch(() => {})
      if (!this.#end.signal.aborted) await this.#round()
    }
  }

  async #round(): Promise<ReadonlyMap<string, Finding>> {
    const { addresses, table } = this.#options
    const all = new Set([...addresses, ...table.all().flatMap(({ id }) => table.addressOf(id) ?? [])])
    const findings = await Promise.all(
      [...all].map(async (address): Promise<[string, Finding]> => [address, await this.probe(address)]),
    )
    return new Map(findings)
  }

  async #look(address: string): Promise<Finding | 'stranger'> {
    const { client, table } = this.#options
    const alive = await client.alive(address, this.#end.signal).catch(() => undefined)
    if (this.#end.signal.aborted) return 'nobody'
    if (!alive) {
      table.gone(address)
      return 'nobody'
    }
    if (!alive.freshness || alive.freshness.id === this.#options.ownId) {
      table.release(address)
      return alive.portmesh ? 'node' : 'other'
    }
    if (table.at(address)?.id !== alive.freshness.id) return 'stranger'
    if (this.#isNews(address, alive.freshness)) void this.#pull(address, PULL_PAUSE_MS)
    table.answered(address)
    return 'node'
  }

  /** True when what /alive shows is not the row we have. A lower version of the same epoch is an old answer. */
  #isNews(address: string, { epoch, version, headDigest }: NonNullable<Alive['freshness']>): boolean {
    const known = this.#options.table.at(address)
    if (known?.epoch !== epoch) return true
    return version > known.version || (version === known.version && headDigest !== known.headDigest)
  }

  /** Pull now, or once more after the pull that runs; never more often than the pause allows. */
  async #pull(address: string, pauseMs: number): Promise<void> {
    const running = this.#pulls.get(address)
    if (running) {
      this.#again.add(address)
      return await running
    }
    const pull = this.#pullUntilQuiet(address, pauseMs).finally(() => this.#pulls.delete(address))
    this.#pulls.set(address, pull)
    await pull
  }

  async #pullUntilQuiet(address: string, pauseMs: number): Promise<void> {
    const { client, table, onTrouble } = this.#options
    const { signal } = this.#end
    do {
      const waitMs = (this.#pulledAt.get(address) ?? Number.NEGATIVE_INFINITY) + pauseMs - performance.now()
      if (waitMs > 0) await sleep(waitMs, undefined, { ref: false, signal }).catch(() => {})
      if (signal.aborted) return
      this.#again.delete(address)
      this.#pulledAt.set(address, performance.now())
      const known = table.at(address)?.id
      try {
        const id = await pullRow(client, table, address, signal)
        if (id !== known) await client.update(address, { kind: 'changed', port: this.#options.ownPort }, signal)
      } catch (error) {
        if (signal.aborted) return
        if (error instanceof PeerMisbehaved) table.release(address)
        else table.gone(address)
        onTrouble(address, error)
      }
    } while (this.#again.delete(address))
  }
}
