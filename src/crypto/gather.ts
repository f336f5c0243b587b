/** Chunks of any size in, pieces of one size out, with as few copies as the chunks allow. */

const NOTHING = new Uint8Array(0)

/**
 * A piece that lies in one chunk is a view of it; one that spans chunks is copied once, into a buffer that is used again for the
 * next piece. So a piece is good until the next call, and many tiny chunks cost no more memory than one piece.
 */
export class Gatherer {
  readonly #size: number
  #buffer: Uint8Array = NOTHING
  /** The gathered bytes: a view of a chunk or of the buffer. */
  #held: Uint8Array = NOTHING

  constructor(size: number) {
    this.#size = size
  }

  get full(): boolean {
    return this.#held.length === this.#size
  }

  /** Yields a piece only when more follows: whoever waits for the last piece finds it in `rest`. */
  *push(chunk: Uint8Array): Generator<Uint8Array, void, undefined> {
    let left = chunk
    while (left.length > 0) {
      if (this.full) yield this.#take()
      left = this.fill(left)
    }
  }

  /** Gather up to one piece. Returns what was left of the chunk. */
  fill(chunk: Uint8Array): Uint8Array {
    const wanted = Math.min(this.#size - this.#held.length, chunk.length)
    if (this.#held.length === 0) this.#held = chunk.subarray(0, wanted)
    else if (wanted > 0) this.#append(chunk.subarray(0, wanted))
    return chunk.subarray(wanted)
  }

  /** What was gathered and not yielded, up to one full piece. */
  rest(): Uint8Array {
    return this.#held
  }

  #take(): Uint8Array {
    const piece = this.#held
    this.#held = NOTHING
    return piece
  }

  #append(part: Uint8Array): void {
    if (this.#buffer.length === 0) this.#buffer = new Uint8Array(this.#size)
    const filled = this.#held.length
    if (this.#held.buffer !== this.#buffer.buffer) this.#buffer.set(this.#held)
    this.#buffer.set(part, filled)
    this.#held = this.#buffer.subarray(0, filled + part.length)
  }
}
