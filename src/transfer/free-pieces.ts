/** The pieces that may be asked now, by how many are known to have them: no question costs a walk over all pieces. */
import { PieceBits } from './piece-bits.ts'

/** Of pieces that are equally rare one of so many lowest is drawn: the front of the file stays together, and askers differ. */
const TIE_WINDOW = 32
/** Bits of one `want`: so that it stays under 700 characters in a request. */
export const WANT_BITS = 4_096

export class FreePieces {
  readonly #length: number
  readonly #all: PieceBits
  /** Of each piece, how many relays are known to have it. Full holders have every piece and change no order. */
  readonly #copies: Uint16Array
  /** At index n the free pieces that n relays have. */
  readonly #levels: PieceBits[] = []

  constructor(length: number) {
    this.#length = length
    this.#all = new PieceBits(length)
    this.#copies = new Uint16Array(length)
  }

  get size(): number {
    return this.#all.size
  }

  has(piece: number): boolean {
    return this.#all.has(piece)
  }

  /** @returns whether that is new. */
  add(piece: number): boolean {
    return this.#all.add(piece) && this.#level(piece).add(piece)
  }

  delete(piece: number): void {
    if (this.#all.delete(piece)) this.#level(piece).delete(piece)
  }

  /** One relay more, or one less, has this piece. */
  copies(piece: number, change: 1 | -1): void {
    const free = this.#all.has(piece)
    if (free) this.#level(piece).delete(piece)
    this.#copies[piece] = (this.#copies[piece] ?? 0) + change
    if (free) this.#level(piece).add(piece)
  }

  /** The lowest one of those in `at`; undefined means everything. */
  lowest(at: PieceBits | undefined): number | undefined {
    return this.#all.lowest(at, 1)[0]
  }

  /** One of those in `at` that fewest relays have. */
  rarest(at: PieceBits | undefined, random: () => number): number | undefined {
    for (const level of this.#levels) {
      if (level.size === 0) continue
      const lowest = level.lowest(at, TIE_WINDOW)
      if (lowest.length > 0) return lowest[Math.floor(random() * lowest.length)]
    }
    return undefined
  }

  /** How many adjacent ones from `first` on are free and in `at`, at most so many. */
  adjacent(first: number, at: PieceBits | undefined, most: number): number {
    const end = Math.min(this.#length, first + most)
    let piece = first
    while (piece < end && this.#all.has(piece) && (at?.has(piece) ?? true)) piece++
    return piece - first
  }

  /** The first of the adjacent ones up to `last` that are free and in `at`, at most so many before it. */
  back(last: number, at: PieceBits | undefined, most: number): number {
    let piece = last
    while (piece > last - most && this.#all.has(piece - 1) && (at?.has(piece - 1) ?? true)) piece--
    return piece
  }

  /** The free ones near the front, as a `want` names them. */
  want(): { readonly first: number; readonly bits: Uint8Array } {
    return this.#all.bytes(WANT_BITS)
  }

  #level(piece: number): PieceBits {
    const copies = this.#copies[piece] ?? 0
    while (this.#levels.length <= copies) this.#levels.push(new PieceBits(this.#length))
    return this.#levels[copies] ?? this.#all
  }
}
