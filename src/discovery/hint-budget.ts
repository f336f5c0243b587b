/** Probes that others cause by telling of addresses: a few of each peer, some in all, so that nobody makes us knock at every door. */

export interface HintLimits {
  readonly ofPeer: { readonly burst: number; readonly perS: number }
  readonly all: { readonly burst: number; readonly perS: number }
}

/** A probe costs a connection; a mesh of 1,024 nodes that comes to know itself needs as many once. */
export const HINTS: HintLimits = { ofPeer: { burst: 64, perS: 1 }, all: { burst: 1024, perS: 16 } }

/** Peers whose hints are counted. */
const MAX_COUNTED = 1024

interface Bucket {
  tokens: number
  at: number
}

export class HintBudget {
  readonly #limits: HintLimits
  readonly #clock: () => number
  readonly #peers = new Map<string, Bucket>()
  readonly #all: Bucket

  /** @param clock - milliseconds, monotonic */
  constructor(limits: HintLimits = HINTS, clock: () => number = () => performance.now()) {
    this.#limits = limits
    this.#clock = clock
    this.#all = { tokens: limits.all.burst, at: clock() }
  }

  /** @returns whether what this peer told may be followed; if so, it is counted. */
  take(peerId: string): boolean {
    const now = this.#clock()
    const { ofPeer, all } = this.#limits
    const bucket = this.#peers.get(peerId) ?? { tokens: ofPeer.burst, at: now }
    this.#peers.delete(peerId)
    if (this.#peers.size >= MAX_COUNTED) this.#peers.delete(this.#peers.keys().next().value ?? '')
    this.#peers.set(peerId, bucket)
    fill(bucket, ofPeer, now)
    fill(this.#all, all, now)
    // A refusal costs nothing: else one peer would keep the budget of all empty.
    if (bucket.tokens < 1 || this.#all.tokens < 1) return false
    bucket.tokens -= 1
    this.#all.tokens -= 1
    return true
  }
}

const fill = (bucket: Bucket, { burst, perS }: HintLimits['all'], now: number): void => {
  bucket.tokens = Math.min(burst, bucket.tokens + (Math.max(0, now - bucket.at) * perS) / 1000)
  bucket.at = now
}
