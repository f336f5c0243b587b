/** One key on two computers: somebody copied a folder. Noticed by what two live nodes say of themselves at two addresses. */
import { partsOf } from '../protocol/addresses.ts'

/** What a node said of itself in a session. */
export interface Proof {
  /** 64 hex characters. */
  readonly id: string
  readonly address: string
  /** Of its row: the epoch grows with every start, the version with every change. */
  readonly epoch: number
  readonly version: number
  /** The signature of the row's head; another one for another head. */
  readonly sig: string
  /** When it was asked, and when it answered; monotonic milliseconds. */
  readonly askedAt: number
  readonly answeredAt: number
}

/** Two nodes with one key. */
export interface Double {
  readonly id: string
  readonly addresses: readonly [string, string]
}

export interface DoublesOptions {
  /** Own identity, 64 hex characters, and the epoch of this start. */
  readonly ownId: string
  readonly ownEpoch: number
  /** Whether an identity still answers at an address. */
  readonly isThere: (id: string, address: string) => boolean
  /** Something that pages show is different now. */
  readonly tell: () => void
  readonly clock?: () => number
}

/** Both are asked at least every 45 s; what nobody has proved for so long is over. */
const GOOD_FOR_MS = 180_000
/** As many as a table has rows. */
const MAX_KNOWN = 1024

export class Doubles {
  readonly #options: DoublesOptions
  readonly #clock: () => number
  /** The latest start of each identity that was proved. */
  readonly #latest = new Map<string, Proof>()
  readonly #doubles = new Map<string, { readonly addresses: readonly [string, string]; readonly at: number }>()
  /** Where somebody says that he is this node. */
  readonly #ours = new Map<string, number>()

  constructor(options: DoublesOptions) {
    this.#options = options
    this.#clock = options.clock ?? (() => performance.now())
  }

  /**
   * A node said in a session who it is. A start that was replaced by a later one, and still answers at another address, is another
   * process; so is one that says something else with the same epoch and version at another port of the same host. One node at several addresses has one epoch, one
   * that was started again or has moved has a later one, and its earlier self is silent.
   */
  proved(proof: Proof): void {
    const { id, address, epoch, version, sig, askedAt } = proof
    const latest = this.#latest.get(id)
    // A node may say another thing on each of its networks, but not at two ports of one host.
    const isNear = latest !== undefined && partsOf(latest.address).host === partsOf(address).host
    const isOther = isNear && latest.epoch === epoch && latest.version === version && latest.sig !== sig
    if (latest && (epoch < latest.epoch || isOther)) {
      const wasAfter = askedAt > latest.answeredAt && address !== latest.address
      if (wasAfter && this.#options.isThere(id, latest.address)) this.#found(id, [latest.address, address])
      return
    }
    this.#latest.delete(id)
    if (this.#latest.size >= MAX_KNOWN) this.#latest.delete(this.#latest.keys().next().value ?? '')
    this.#latest.set(id, proof)
  }

  /** What an address says of itself to anybody; undefined for one that says nothing. Only a hint, and shown as one. */
  said(address: string, hint: { readonly id: string; readonly epoch: number } | undefined): void {
    const { ownId, ownEpoch, tell } = this.#options
    const isOurs = hint?.id === ownId && hint.epoch !== ownEpoch
    const was = this.#ours.has(address)
    if (isOurs) this.#ours.set(address, this.#clock())
    else this.#ours.delete(address)
    if (isOurs !== was) tell()
  }

  /** Pairs that were seen not long ago. */
  all(): readonly Double[] {
    const since = this.#clock() - GOOD_FOR_MS
    for (const [id, { at }] of this.#doubles) if (at < since) this.#doubles.delete(id)
    return [...this.#doubles].map(([id, { addresses }]) => ({ id, addresses }))
  }

  of(id: string): Double | undefined {
    return this.all().find((double) => double.id === id)
  }

  /** Addresses at which somebody says that he is this node. */
  ofUs(): readonly string[] {
    const since = this.#clock() - GOOD_FOR_MS
    return [...this.#ours].filter(([, at]) => at >= since).map(([address]) => address)
  }

  #found(id: string, addresses: readonly [string, string]): void {
    const isNews = !this.#doubles.has(id)
    this.#doubles.set(id, { addresses, at: this.#clock() })
    if (isNews) this.#options.tell()
  }
}
