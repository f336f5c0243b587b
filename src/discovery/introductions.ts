/** Nodes tell each other of nodes: what is said, and what is made of it (PROTOCOL.md, "Finding each other"). */
import { setTimeout as sleep } from 'node:timers/promises'
import { fromB64u, toB64u, toHex } from '../bytes.ts'
import { headOf } from '../dht/row.ts'
import type { PeerTable } from '../dht/table.ts'
import type { PeerClient } from '../peer/client.ts'
import { isForOthers, isOnThisComputer } from '../protocol/addresses.ts'
import { MAX_TOLD_ADDRESSES, MAX_TOLD_PEERS } from '../protocol/constants.ts'
import type { PeersAnswer } from '../protocol/messages.ts'
import type { HintBudget } from './hint-budget.ts'
import { addressOf } from './ports.ts'

/** Between two questions to one address. */
const PAUSE_MS = 60_000
/** Whoever has just been met may be meeting others just now: it is asked again so long after the first question. */
const AGAIN_AFTER_MS = [2_000, 6_000, 20_000]
/** Addresses of one answer that are looked at at the same time. */
const LOOKS = 16
/** Addresses that are remembered as asked. */
const MAX_ASKED = 2_048

export interface IntroductionsOptions {
  readonly client: Pick<PeerClient, 'peers'>
  readonly table: PeerTable
  /** 64 hex characters. */
  readonly ownId: string
  /** S_id("row", head). Both as raw bytes. */
  readonly verify: (id: Uint8Array, sig: Uint8Array, head: Uint8Array) => boolean
  /** There may be a node at an address. Resolves when that is clear. Never rejects. */
  readonly learn: (address: string) => Promise<void>
  /** How many addresses of one teller are looked at. */
  readonly hints?: Pick<HintBudget, 'take'>
  readonly signal: AbortSignal
  readonly now?: () => number
}

export class Introductions {
  readonly #options: IntroductionsOptions
  readonly #now: () => number
  readonly #askedAt = new Map<string, number>()

  constructor(options: IntroductionsOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
  }

  /** What is told: only rows that came over a network, and only where they came from. */
  tell(): PeersAnswer {
    const told = this.#options.table
      .all()
      .filter(({ alive }) => alive)
      .sort((a, b) => b.lastSeenMs - a.lastSeenMs)
      .flatMap(({ head, sig, addresses }) => {
        const all = [...addresses.keys()].reverse()
        const known = all.filter(isForOthers)
        // A row that came from this computer is not for the network.
        if (all.some(isOnThisComputer) || known.length === 0) return []
        return [{ head: toB64u(head), sig: toB64u(sig), addresses: known.slice(0, MAX_TOLD_ADDRESSES) }]
      })
    return { peers: told.slice(0, MAX_TOLD_PEERS) }
  }

  /** Ask a node whom it knows, unless it was asked a short while ago; a new one some more times. Resolves after the first answer. Never throws: it is a hint. */
  async ask(address: string): Promise<void> {
    const { signal } = this.#options
    const now = this.#now()
    const before = this.#askedAt.get(address)
    if (before !== undefined && now - before < PAUSE_MS) return
    this.#askedAt.delete(address)
    const [oldest] = this.#askedAt.keys()
    if (this.#askedAt.size >= MAX_ASKED && oldest !== undefined) this.#askedAt.delete(oldest)
    this.#askedAt.set(address, now)
    await this.#askNow(address)
    if (before !== undefined) return
    for (const ms of AGAIN_AFTER_MS) {
      const again = sleep(ms, undefined, { ref: false, signal })
      void again.then(async () => await this.#askNow(address)).catch(() => {})
    }
  }

  async #askNow(address: string): Promise<void> {
    const { client, table, signal } = this.#options
    const answer = await client.peers(address, signal).catch(() => undefined)
    const addresses = new Set((answer?.peers ?? []).flatMap((peer) => this.#heard(peer))).values()
    const teller = table.at(address)?.id ?? address
    // Whoever names what hangs holds up only what else it named.
    void Promise.all(Array.from({ length: LOOKS }, async () => await this.#look(addresses, teller)))
  }

  /** One after the other, of those that are left. */
  async #look(addresses: Iterable<string>, teller: string): Promise<void> {
    const { learn, hints, signal } = this.#options
    for (const address of addresses) {
      if (signal.aborted || hints?.take(teller) === false) return
      await learn(address)
    }
  }

  /** @returns where somebody may be whom we do not see. */
  #heard({ head, sig, addresses }: PeersAnswer['peers'][number]): readonly string[] {
    const { table, ownId, verify } = this.#options
    const bytes = new Uint8Array(Buffer.from(head, 'base64url'))
    const said = headOf({ head })
    const owner = said && fromB64u(said.id, 32)
    const signature = fromB64u(sig, 64)
    if (!owner || !signature) return []
    const id = toHex(owner)
    if (id === ownId || table.get(id)?.alive || !verify(owner, signature, bytes)) return []
    // One spelling, so that one address is not looked at twice.
    return addresses.filter((address) => addressOf(address) === address && isForOthers(address))
  }
}
