/** Who gave which piece of one transfer: for the bar, for the page's figures and for the map that is kept on disk. */
import { PieceSet } from '../store/piece-set.ts'
import type { Giver, PieceMap } from '../store/transfers.ts'

/** A piece that was found in the file, and nobody knows any more who gave it. */
export const UNKNOWN_GIVER = 255
const MAX_GIVERS = 254

/** One stretch of the bar. `giver` is the index in `givers`; UNKNOWN_GIVER, or -1 where nothing is. */
export interface Stretch {
  readonly giver: number
  /** Cells. */
  readonly cells: number
}

export class Weave {
  readonly map: PieceMap
  readonly givers: Giver[]

  constructor(pieces: number, givers: readonly Giver[] = [], map?: PieceMap) {
    this.givers = givers.slice(0, MAX_GIVERS)
    this.map = map?.length === pieces ? map.slice() : new Uint8Array(pieces)
    // Numbers of givers that are not known any more.
    for (const [piece, one] of this.map.entries()) if (one > this.givers.length) this.map[piece] = UNKNOWN_GIVER
  }

  /** @returns true for a giver that is new. */
  put(piece: number, { id, name }: Giver): boolean {
    const known = this.givers.findIndex((giver) => giver.id === id)
    const isNew = known < 0 && this.givers.length < MAX_GIVERS
    if (isNew) this.givers.push({ id, name })
    const index = isNew ? this.givers.length - 1 : known
    this.map[piece] = index < 0 ? UNKNOWN_GIVER : index + 1
    return isNew
  }

  /** Make it say what was found. */
  keep(found: PieceSet): void {
    for (let piece = 0; piece < this.map.length; piece++) {
      if (!found.has(piece)) this.map[piece] = 0
      else if (this.map[piece] === 0) this.map[piece] = UNKNOWN_GIVER
    }
  }

  pieces(): PieceSet {
    const set = new PieceSet(this.map.length)
    for (let piece = 0; piece < this.map.length; piece++) if (this.map[piece] !== 0) set.add(piece)
    return set
  }

  /** How many pieces each giver gave, by its index. */
  counts(): readonly number[] {
    const counts = this.givers.map(() => 0)
    for (const one of this.map) if (one !== 0 && one !== UNKNOWN_GIVER) counts[one - 1] = (counts[one - 1] ?? 0) + 1
    return counts
  }

  /** The bar in at most so many cells: each shows one who gave of it, nothing where more than half is missing. */
  stretches(cells: number): readonly Stretch[] {
    const stretches: { giver: number; cells: number }[] = []
    const count = Math.min(cells, this.map.length)
    const owed = new Map<number, number>()
    for (let cell = 0; cell < count; cell++) {
      const giver = this.#cell(
        Math.floor((cell * this.map.length) / count),
        Math.floor(((cell + 1) * this.map.length) / count),
        owed,
      )
      const last = stretches.at(-1)
      if (last?.giver === giver) last.cells += 1
      else stretches.push({ giver, cells: 1 })
    }
    return stretches
  }

  /** @param owed - pieces of each giver that no cell has shown so far: who gives a third of everything has a third of the bar. */
  #cell(from: number, to: number, owed: Map<number, number>): number {
    const votes = new Map<number, number>()
    for (let piece = from; piece < to; piece++) {
      const one = this.map[piece] ?? 0
      votes.set(one, (votes.get(one) ?? 0) + 1)
    }
    const missing = votes.get(0) ?? 0
    votes.delete(0)
    for (const [one, pieces] of votes) owed.set(one, (owed.get(one) ?? 0) + pieces)
    if (missing * 2 > to - from) return -1
    const [most = 0] = [...votes.keys()].sort((a, b) => (owed.get(b) ?? 0) - (owed.get(a) ?? 0))
    if (most === 0) return -1
    owed.set(most, (owed.get(most) ?? 0) - (to - from - missing))
    return most === UNKNOWN_GIVER ? UNKNOWN_GIVER : most - 1
  }
}
