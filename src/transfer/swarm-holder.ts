/** What the swarm knows of one holder, and what is in flight there. */
import type { Run } from '../store/pieces.ts'
import { HolderRate } from './holder-rate.ts'
import type { PieceBits } from './piece-bits.ts'
import type { Order } from './swarm.ts'

/** An order on its way. */
export interface Flight {
  readonly order: Order
  readonly holder: SwarmHolder
  /** The proposal; what really comes once that is known. */
  run: Run
  began: boolean
  /** Bytes of the run that are here. */
  received: number
  /** Those of the run that did not come whole yet. */
  readonly open: Set<number>
  /** Its holder is silent: others may have its pieces. */
  stalled: boolean
  /** The caller was told to close it. */
  abandoned: boolean
}

export class SwarmHolder {
  readonly name: string
  /** Drawn once: among holders that are equally busy the lower one is asked first. */
  readonly rank: number
  readonly rate = new HolderRate()
  /** In the order in which they were asked, which is that of the answers. */
  readonly flights: Flight[] = []
  /** Pieces that came whole from it. */
  given = 0
  /** It refused an order, or broke off before its answer began: until then it is not asked. */
  restsUntilMs = 0
  /** Missing pieces that a relay has. */
  useful = 0
  /** The ledger's state at which it had nothing free. */
  dryAt: number | undefined
  #full = false
  #pieces: PieceBits | undefined

  constructor(name: string, rank: number) {
    this.name = name
    this.rank = rank
  }

  get full(): boolean {
    return this.#full
  }

  /** Of a relay; undefined for a full holder, and as long as nothing is known. */
  get pieces(): PieceBits | undefined {
    return this.#pieces
  }

  /** It said what it has. */
  get known(): boolean {
    return this.#full || this.#pieces !== undefined
  }

  has(piece: number): boolean {
    return this.#full || (this.#pieces?.has(piece) ?? false)
  }

  becomes(pieces: PieceBits | 'full'): void {
    this.#full = pieces === 'full'
    this.#pieces = pieces === 'full' ? undefined : pieces
  }
}
