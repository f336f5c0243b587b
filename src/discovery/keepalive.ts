/** Who is there: the loop over all addresses, and the prompt probe when something happens in between. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Peer, PeerTable } from '../dht/table.ts'
import type { Alive, PeerClient } from '../peer/client.ts'
import { addressAt, isOnThisComputer } from '../protocol/addresses.ts'
import { CLIENT_KEEP_ALIVE_MS } from '../protocol/constants.ts'
import type { Update } from '../protocol/messages.ts'
import { type Clock, GapWatch } from './gap.ts'
import { HintBudget } from './hint-budget.ts'
import { Learned } from './learned.ts'
import { PACE, type Pace, type Proved, Pulls } from './pulls.ts'
import { Telling } from './telling.ts'

/** The idle connection to a peer must be used before the pool gives it up. */
const MAX_PAUSE_MS = CLIENT_KEEP_ALIVE_MS * 0.75
/** A round takes no longer: the timeout of its looks, and some air. */
const ROUND_MS = 4_000

/** A lost node is looked for at all of its addresses once in so many rounds. */
const ROUNDS_BETWEEN = 3

/** What answers at an address. */
export type Finding = 'node' | 'nobody' | 'other'

export interface KeepAliveOptions {
  readonly client: PeerClient
  readonly table: PeerTable
  /** Own identity, 64 hex characters; and own port. */
  readonly ownId: string
  readonly ownPort: number
  /** The addresses of the list, ours not among them: each of them may have a node. */
  readonly addresses: readonly string[]
  /** The one address by which we ask a node of which we heard another; undefined for our own. As it is when left out. */
  readonly askedAt?: (address: string) => string | undefined
  readonly intervalMs: number
  /** What peers say of addresses that are not known as theirs is followed so often. */
  readonly hints?: Pick<HintBudget, 'take'>
  /** Something was not done for others, in a word or by its code. */
  readonly onRefused?: (code: string) => void
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
  readonly #learned: Learned
  readonly #hints: Pick<HintBudget, 'take'>
  readonly #looks = new Map<string, Promise<Finding | 'unproved'>>()
  readonly #prompts = new Map<string, Promise<void>>()
  readonly #promptAt = new Map<string, number>()
  readonly #telling: Telling
  #turn = 0
  #loop: Promise<void> = Promise.resolve()

  constructor(options: KeepAliveOptions) {
    this.#options = options
    this.#pace = { ...PACE, ...options.pace }
    this.#learned = new Learned(options.clock)
    this.#hints = options.hints ?? new HintBudget()
    this.#telling = new Telling({ ...options, signal: this.#end.signal })
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

  /**
   * There may be a node at an address: look, and take it into the table when it proves itself. Resolves when that is clear. Never throws.
   * @param typed - by the person: it is looked for until it is there
   */
  async learn(address: string, typed = false): Promise<void> {
    const at = this.#options.askedAt ? this.#options.askedAt(address) : address
    if (at === undefined || this.#end.signal.aborted) return
    const { table } = this.#options
    if (!typed && table.at(at)?.alive) return
    if (this.#learned.hear(at, typed) && (await this.#look(at)) === 'unproved')
      await this.#pulls.pull(at, this.#pace.pauseMs)
  }

  /** As if nobody had told of an address; a node of the table stays there. */
  unlearn(address: string): void {
    this.#learned.forget(address)
  }

  /** Resolves when nobody is being pulled. */
  async settled(): Promise<void> {
    await this.#pulls.settled()
  }

  /** A peer spoke in its session: it changed (or has just started), or it leaves. */
  heard(peerId: string, host: string, { kind, port }: Update): void {
    const { table, addresses, askedAt } = this.#options
    const known = table.addressOf(peerId)
    if (kind === 'leaving') {
      if (known !== undefined) table.gone(known)
      return
    }
    const said = addressAt(host, port)
    const hint = askedAt ? askedAt(said) : said
    const isOne = hint !== undefined && (addresses.includes(hint) || table.at(hint)?.id === peerId)
    const address = isOne ? hint : known
    // It listens at an address of which nobody had told us, or has moved there.
    const isNew = !isOne && hint !== undefined && !isOnThisComputer(hint)
    if ((isNew || address !== known) && !this.#hints.take(peerId)) {
      this.#options.onRefused?.('hint')
      return
    }
    if (address !== undefined) void this.#pulls.pull(address, this.#pace.toldPauseMs)
    if (isNew) void this.learn(hint)
  }

  /** See Telling. */
  tellChanged(where?: 'computer' | 'network'): void {
    this.#telling.changed(where)
  }

  /** See Telling. */
  async tellLeaving(): Promise<void> {
    await this.#telling.leaving()
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
    this.#turn += 1
    await Promise.all(this.#addresses().map(visit))
  }

  #addresses(): readonly string[] {
    const { addresses, table } = this.#options
    return [...new Set([...addresses, ...this.#learned.due(), ...table.all().flatMap(this.#addressesOf)])]
  }

  /** Who lives is asked where it answered last. Who was lost may be back at any of its addresses, which are tried more rarely. */
  readonly #addressesOf = (peer: Peer): readonly string[] => {
    const all = [...peer.addresses.keys()]
    const everywhere = !peer.alive && this.#turn % ROUNDS_BETWEEN === 0
    return everywhere ? all : all.slice(-1)
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
    const look = this.#lookNow(address)
      .then((finding) => {
        // Whoever says the word without a name is in no table, and would be heard of anew each time.
        this.#learned.looked(address, finding === 'node' && this.#options.table.at(address)?.alive === true)
        return finding
      })
      .finally(() => this.#looks.delete(address))
    this.#looks.set(address, look)
    return await look
  }

  async #lookNow(address: string): Promise<Finding | 'unproved'> {
    const { client, table, ownId, refuses, onSaid } = this.#options
    const alive = await client.alive(address, this.#end.signal).catch(() => undefined)
    if (this.#end.signal.aborted) return 'nobody'
    onSaid?.(address, alive?.freshness)
    if (!alive) {
      this.#lost(address)
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

  /** Nobody answers at an address any more: whoever was there may be at another of its addresses. */
  #lost(address: string): void {
    const { table } = this.#options
    const peer = table.at(address)
    const lived = peer?.alive
    table.gone(address)
    if (!peer || !lived || peer.alive) return
    for (const other of peer.addresses.keys()) if (other !== address) void this.#lookAndPull(other)
  }

  /** True when what /alive shows is not the row we have. A lower version of the same epoch is an old answer. */
  #isNews(address: string, { epoch, version, headDigest }: NonNullable<Alive['freshness']>): boolean {
    const known = this.#options.table.at(address)
    if (known?.epoch !== epoch) return true
    return version > known.version || (version === known.version && headDigest !== known.headDigest)
  }
}
