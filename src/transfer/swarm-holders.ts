/** All holders of one content, and what each of them says it has. */
import type { PieceSet } from '../store/piece-set.ts'
import { PieceBits } from './piece-bits.ts'
import type { PieceLedger } from './piece-ledger.ts'
import { SwarmHolder } from './swarm-holder.ts'

export class SwarmHolders {
  readonly #pieces: PieceLedger
  readonly #random: () => number
  readonly #byName = new Map<string, SwarmHolder>()
  #ranked: readonly SwarmHolder[] = []

  constructor(pieces: PieceLedger, random: () => number) {
    this.#pieces = pieces
    this.#random = random
  }

  /** In the order in which equally busy ones are asked. */
  get ranked(): readonly SwarmHolder[] {
    return this.#ranked
  }

  /** How many have something still needed, or bring it just now. */
  get usable(): number {
    let usable = 0
    for (const { full, useful, flights } of this.#ranked) {
      if (flights.length > 0 || useful > 0 || (full && this.#pieces.missing > 0)) usable += 1
    }
    return usable
  }

  /** Orders in flight at those that are not silent. */
  get moving(): number {
    let moving = 0
    for (const { rate, flights } of this.#ranked) if (!rate.silent) moving += flights.length
    return moving
  }

  get(name: string): SwarmHolder | undefined {
    return this.#byName.get(name)
  }

  add(name: string): void {
    if (this.#byName.has(name)) return
    this.#byName.set(name, new SwarmHolder(name, this.#random()))
    this.#rank()
  }

  /** Nothing may be in flight there any more. */
  delete(holder: SwarmHolder): void {
    this.#forget(holder)
    this.#byName.delete(holder.name)
    this.#rank()
  }

  hasAll(holder: SwarmHolder): void {
    this.#forget(holder)
    holder.becomes('full')
  }

  /** It has these, and nothing else. */
  hasBits(holder: SwarmHolder, pieces: PieceSet): void {
    this.#forget(holder)
    holder.becomes(new PieceBits(this.#pieces.length))
    this.hasNew(holder, PieceBits.of(pieces, this.#pieces.length))
  }

  hasNew(holder: SwarmHolder, pieces: Iterable<number>): void {
    if (holder.full) return
    if (!holder.pieces) holder.becomes(new PieceBits(this.#pieces.length))
    for (const piece of pieces) {
      if (!holder.pieces?.add(piece)) continue
      this.#pieces.free.copies(piece, 1)
      if (this.#pieces.isMissing(piece)) holder.useful += 1
    }
    holder.dryAt = undefined
  }

  /** A piece is missing no more, or again. */
  missing(piece: number, change: 1 | -1): void {
    for (const holder of this.#ranked) if (!holder.full && holder.has(piece)) holder.useful += change
  }

  /** Another one that could bring it now. */
  other(piece: number, than: readonly SwarmHolder[]): boolean {
    return this.#ranked.some((holder) => !holder.rate.silent && holder.has(piece) && !than.includes(holder))
  }

  #forget(holder: SwarmHolder): void {
    for (const piece of holder.pieces ?? []) this.#pieces.free.copies(piece, -1)
    holder.useful = 0
    holder.dryAt = undefined
  }

  #rank(): void {
    this.#ranked = [...this.#byName.values()].sort((a, b) => a.rank - b.rank)
  }
}
