/** Which pieces an asker gets, and how often each was given: what spreads a content among many who ask at once. */
import type { PieceSet } from '../store/piece-set.ts'
import type { Run } from '../store/pieces.ts'

/** Bit j of `bits`, the highest bit of a byte first, is piece first + j. */
export interface Want {
  readonly first: number
  readonly bits: Uint8Array
}

/** The pieces of one root, since this node began to give it. */
export class PieceCounts {
  readonly #given: Uint32Array
  /** Asker -> piece -> answers that are bringing it. */
  readonly #onTheWay = new Map<string, Map<number, number>>()

  constructor(pieces: number) {
    this.#given = new Uint32Array(pieces)
  }

  /** Nothing is on its way to anybody. */
  get idle(): boolean {
    return this.#onTheWay.size === 0
  }

  given(piece: number): number {
    return this.#given[piece] ?? 0
  }

  isOnTheWay(asker: string, piece: number): boolean {
    return this.#onTheWay.get(asker)?.has(piece) === true
  }

  /** An answer with these pieces begins. */
  begin(asker: string, { first, count }: Run): void {
    const pieces = this.#onTheWay.get(asker) ?? new Map<number, number>()
    this.#onTheWay.set(asker, pieces)
    for (let piece = first; piece < first + count; piece++) {
      this.#given[piece] = this.given(piece) + 1
      pieces.set(piece, (pieces.get(piece) ?? 0) + 1)
    }
  }

  /** It ended; when it broke off, its pieces do not count as given. */
  end(asker: string, { first, count }: Run, whole: boolean): void {
    const pieces = this.#onTheWay.get(asker)
    for (let piece = first; piece < first + count; piece++) {
      if (!whole) this.#given[piece] = this.given(piece) - 1
      const answers = pieces?.get(piece) ?? 0
      if (answers > 1) pieces?.set(piece, answers - 1)
      else pieces?.delete(piece)
    }
    if (pieces?.size === 0) this.#onTheWay.delete(asker)
  }
}

/** As many of the proposed pieces as are here, from the first on. Undefined when that one is not here. */
export const herePart = (proposed: Run, pieces: number, here: PieceSet | undefined): Run | undefined => {
  const { first } = proposed
  const end = Math.min(first + proposed.count, pieces)
  let after = first
  while (after < end && (here?.has(after) ?? true)) after++
  return after > first ? { first, count: after - first } : undefined
}

/**
 * What a full holder gives: the proposal, unless a wanted piece that is not on its way to this asker was given fewer times; of
 * several the least given one, then the lowest. What follows it goes along while it is as welcome and was given no more often.
 * @param proposed - all of it here
 */
export const chooseRun = (counts: PieceCounts, asker: string, proposed: Run, want: Want): Run => {
  const wanted = (piece: number): boolean => isWanted(want, piece) && !counts.isOnTheWay(asker, piece)
  let taken = proposed.first
  let least = counts.isOnTheWay(asker, taken) ? Number.POSITIVE_INFINITY : counts.given(taken)
  for (let piece = want.first; piece < want.first + want.bits.length * 8 && least > 0; piece++) {
    if (counts.given(piece) >= least || !wanted(piece)) continue
    taken = piece
    least = counts.given(piece)
  }
  const welcome =
    taken === proposed.first
      ? (piece: number) => !counts.isOnTheWay(asker, piece)
      : (piece: number) => wanted(piece) && counts.given(piece) <= least
  let after = taken + 1
  while (after < taken + proposed.count && welcome(after)) after++
  return { first: taken, count: after - taken }
}

const isWanted = ({ first, bits }: Want, piece: number): boolean => {
  const at = piece - first
  return at >= 0 && ((bits[at >> 3] ?? 0) & (0x80 >> (at & 7))) !== 0
}

/** The last piece that is wanted; -1 when none is. */
export const lastWanted = ({ first, bits }: Want): number => {
  for (let at = bits.length * 8 - 1; at >= 0; at--) {
    if (((bits[at >> 3] ?? 0) & (0x80 >> (at & 7))) !== 0) return first + at
  }
  return -1
}
