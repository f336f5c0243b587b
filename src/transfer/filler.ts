/** Puts the frames of one answer into units of whole pieces, and holds the answer up while there is no room. */
import { concat, free } from '../bytes.ts'
import type { Sink } from './sink.ts'

export interface FillerOptions {
  readonly sink: Sink
  /** Who sends them. */
  readonly from: string
  /** Called with each piece that came whole, before it is checked. */
  readonly onPiece: (piece: number) => void
}

/** Leaves that nobody has made: the thread makes them. */
const NONE: Uint8Array = new Uint8Array()

export class Filler {
  readonly #sink: Sink
  readonly #from: string
  readonly #onPiece: (piece: number) => void
  /** The next piece, and bytes of the answer that are still to come. */
  #piece = 0
  #left = 0
  #unit: number | undefined
  #filled = 0
  /** What is filled, and the leaves of it. */
  #parts: Uint8Array[] = []
  #leaves: Uint8Array[] = []
  /** Frames wait here for room, in order. */
  #chain: Promise<void> | undefined
  #ended = false

  constructor({ sink, from, onPiece }: FillerOptions) {
    this.#sink = sink
    this.#from = from
    this.#onPiece = onPiece
  }

  /** @param bytes - of all pieces of the answer */
  begin(first: number, bytes: number): void {
    this.#piece = first
    this.#left = bytes
  }

  /**
   * The parts are handed on: nobody else may look at them any more.
   * @returns a promise when the frame has to wait
   */
  frame(parts: readonly Uint8Array[], bytes: number, leaves?: Uint8Array): Promise<void> | undefined {
    if (!this.#chain && this.#put(parts, bytes, leaves)) return undefined
    const chain = (this.#chain ?? Promise.resolve()).then(async () => {
      while (!this.#put(parts, bytes, leaves)) await this.#sink.room()
      if (this.#chain === chain) this.#chain = undefined
    })
    this.#chain = chain
    return chain
  }

  /** The answer is over; a piece that did not come whole is given up. */
  async end(): Promise<void> {
    await this.#chain
    this.#ended = true
    if (this.#unit !== undefined) this.#sink.release(this.#unit)
    this.#unit = undefined
    for (const part of this.#parts.splice(0)) free(part)
  }

  #put(parts: readonly Uint8Array[], bytes: number, leaves = NONE): boolean {
    if (this.#ended || this.#sink.over) {
      for (const part of parts) free(part)
      return true
    }
    this.#unit ??= this.#sink.take()
    if (this.#unit === undefined) return false
    this.#filled += bytes
    this.#parts.push(...parts)
    this.#leaves.push(leaves)
    this.#left -= bytes
    // A frame holds whole pieces; a piece larger than a frame comes in several of them.
    if (this.#filled % this.#sink.pieceBytes !== 0 && this.#left > 0) return true
    const first = this.#piece
    const count = Math.ceil(this.#filled / this.#sink.pieceBytes)
    this.#piece += count
    for (let piece = first; piece < first + count; piece++) this.#onPiece(piece)
    const leafed = this.#leaves.length === 1 ? leaves : concat(...this.#leaves)
    this.#sink.commit(this.#unit, { first, parts: this.#parts, from: this.#from, leaves: leafed })
    this.#parts = []
    this.#leaves = []
    this.#unit = undefined
    this.#filled = 0
    return true
  }
}
