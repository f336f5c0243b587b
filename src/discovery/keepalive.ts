/** Who is there: the loop over all addresses, and the prompt probe when something happens in between. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { PeerTable } from '../dht/table.ts'
import type { Alive, PeerClient } from '../peer/client.ts'
import { CLIENT_KEEP_ALIVE_MS } from '../protocol/constants.ts'
import type { Update } from '../protocol/messages.ts'
import { type Clock, GapWatch } from './gap.ts'
import { PACE, type Pace, type Proved, Pulls } from './pulls.ts'

const TELL_PAUSE_MS = 100
/** A leaving node waits so long for its goodbyes. */
const GOODBYE_MS = 500
/** The idle connection to a peer must be used before the pool gives it up. */
const MAX_PAUSE_MS = CLIENT_KEEP_ALIVE_MS * 0.75
/** A round takes no longer: the timeout of its looks, and some air. */
const ROUND_MS = 4_000

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
  readonly pace?: Partial<Pace>
  /** Who is not asked, whatever answers for him. */
  readonly refuses?: (id: string) => boolean
  /** What an address says of itself to anybody: a hint. */
  readonly onSaid?: (address: string, freshness: Alive['freshness']) => void
  /** What a node said of itself in a session. */
  readonly onProved?: (proved: Proved) => void
  /** The computer slept, or this process was stopped: connections from before may hang for ever. */
  readonly onGap?: () => void
  readonly clock?: Clock
}

export class KeepAlive {
  readonly #options: KeepAliveOptions
  readonly #pace: Pace
  readonly #end = new AbortController()
  readonly #pulls: Pulls
  readonly #looks = new Map<string, Promise<Finding | 'unproved'>>()
  readonly #prompts = new Map<string, Promise<void>>()
  readonly #promptAt = new Map<string, number>()
  readonly #telling = new Map<string, Promise<void>>()
  readonly #untold = new Set<string>()
  #loop: Promise<void> = Promise.resolve()

  constructor(options: KeepAliveOptions) {
    this.#options = options
    this.#pace = { ...PACE, ...options.pace }
    this.#pulls = new Pulls({ ...options, pace: this.#pace, signal: this.#end.signal })
  }

  /** The first round, then the loop. @returns what answers where, for the terminal. */
  async start(): Promise<ReadonlyMap<string, Finding>> {
    const found = new Map<string, Finding>()
    const round = this.#round(async (address) => {
      const finding = await this.#look(address)
      found.set(address, finding === 'unproved' ? 'node' : finding)
      if (finding !== 'unproved') return
      await this.#pulls.pull(address, this.#pace.pauseMs)
      found.set(address, this.#options.table.at(address)?.alive ? 'node' : 'other')
    })
    // A peer that never comes to the point must not keep the others waiting, nor our person.
    await Promise.race([round, sleep(this.#pace.firstRoundMs, undefined, { ref: false })])
    this.#loop = this.#rounds()
    return new Map(found)
  }

  async stop(): Promise<void> {
    this.#end.abort()
    await Promise.allSettled([this.#loop, ...this.#looks.values(), ...this.#prompts.values(), this.#pulls.settled()])
  }

  /**
   * A connection to an address broke: look at once, and let whoever answers prove himself again. Where connections break all
   * the time, one look a second is enough.
   */
  async probe(address: string): Promise<void> {
    const prompt = this.#prompts.get(address) ?? this.#promptly(address).finally(() => this.#prompts.delete(address))
    this.#prompts.set(address, prompt)
    await prompt
  }

  /** Resolves when nobody is being pulled. */
  async settled(): Promise<void> {
    await this.#pulls.settled()
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
    if (address !== undefined) void this.#pulls.pull(address, this.#pace.toldPauseMs)
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

  /** A round waits for looks, which end in time, and never for pulls: those are as slow as the peer likes. */
  async #rounds(): Promise<void> {
    const pauseMs = Math.min(this.#options.intervalMs, MAX_PAUSE_MS)
    const gap = new GapWatch(pauseMs, this.#options.clock)
    const round = async (): Promise<void> => await this.#round((address) => this.#lookAndPull(address))
    while (!this.#end.signal.aborted) {
      await sleep(pauseMs, undefined, { ref: false, signal: this.#end.signal }).catch(() => {})
      if (this.#end.signal.aborted) return
      if (gap.passed()) this.#afterGap()
      await round()
      if (this.#end.signal.aborted || !gap.passed(ROUND_MS)) continue
      // Slept in the middle of the round: its looks have timed out, and say nothing about anybody.
      this.#afterGap()
      await round()
    }
  }

  /** Nobody is known any more: the round that follows asks everybody, over new connections, to prove himself again. */
  #afterGap(): void {
    for (const address of this.#addresses()) this.#pulls.doubt(address)
    this.#options.onGap?.()
  }

  async #round(visit: (address: string) => Promise<unknown>): Promise<void> {
    await Promise.all(this.#addresses().map(visit))
  }

  #addresses(): readonly string[] {
    const { addresses, table } = this.#options
    return [...new Set([...addresses, ...table.all().flatMap(({ id }) => table.addressOf(id) ?? [])])]
  }

  async #promptly(address: string): Promise<void> {
    const { signal } = this.#end
    const waitMs =
      (this.#promptAt.get(address) ?? Number.NEGATIVE_INFINITY) + this.#pace.promptPauseMs - performance.now()
    if (waitMs > 0) await sleep(waitMs, undefined, { ref: false, signal }).catch(() => {})
    if (signal.aborted) return
    this.#promptAt.set(address, performance.now())
    this.#pulls.doubt(address)
    await this.#lookAndPull(address)
  }

  async #lookAndPull(address: string): Promise<void> {
    if ((await this.#look(address)) === 'unproved') void this.#pulls.pull(address, this.#pace.pauseMs)
  }

  /** Look at one address now; two looks at the same time are one. */
  async #look(address: string): Promise<Finding | 'unproved'> {
    const running = this.#looks.get(address)
    if (running) return await running
    const look = this.#lookNow(address).finally(() => this.#looks.delete(address))
    this.#looks.set(address, look)
    return await look
  }

  async #lookNow(address: string): Promise<Finding | 'unproved'> {
    const { client, table, ownId, refuses, onSaid } = this.#options
    const alive = await client.alive(address, this.#end.signal).catch(() => undefined)
    if (this.#end.signal.aborted) return 'nobody'
    onSaid?.(address, alive?.freshness)
    if (!alive) {
      table.gone(address)
      return 'nobody'
    }
    if (!alive.freshness || alive.freshness.id === ownId || refuses?.(alive.freshness.id)) {
      table.release(address)
      return alive.portmesh ? 'node' : 'other'
    }
    const known = table.at(address)
    // Anybody can repeat what somebody else's /alive says: coming to life takes a session, and so does staying alive.
    if (known?.id !== alive.freshness.id || !known.alive || !this.#pulls.proved(address)) return 'unproved'
    if (this.#isNews(address, alive.freshness)) void this.#pulls.pull(address, this.#pace.pauseMs)
    table.answered(address)
    return 'node'
  }

  /** True when what /alive shows is not the row we have. A lower version of the same epoch is an old answer. */
  #isNews(address: string, { epoch, version, headDigest }: NonNullable<Alive['freshness']>): boolean {
    const known = this.#options.table.at(address)
    if (known?.epoch !== epoch) return true
    return version > known.version || (version === known.version && headDigest !== known.headDigest)
  }
}
