/** Which pieces of a content are meant: one bit a piece, the highest bit of the first byte is piece 0. */

export class PieceSet {
  /** Pieces of the content. */
  readonly length: number
  readonly #bits: Uint8Array
  #size = 0

  constructor(length: number) {
    this.length = length
    this.#bits = new Uint8Array(Math.ceil(length / 8))
  }

  /** @returns undefined for bytes of another length, or with bits beyond the last piece. */
  static from(bytes: Uint8Array, length: number): PieceSet | undefined {
    const set = new PieceSet(length)
    if (bytes.length !== set.#bits.length) return undefined
    if (length % 8 !== 0 && ((bytes.at(-1) ?? 0) & (0xff >> (length % 8))) !== 0) return undefined
    set.#bits.set(bytes)
    for (let piece = 0; piece < length; piece++) if (set.has(piece)) set.#size += 1
    return set
  }

  static full(length: number): PieceSet {
    const set = new PieceSet(length)
    for (let piece = 0; piece < length; piece++) set.add(piece)
    return set
  }

  /** How many are in it. */
  get size(): number {
    return this.#size
  }

  get complete(): boolean {
    return this.#size === this.length
  }

  has(piece: number): boolean {
    return ((this.#bits[piece >> 3] ?? 0) & (0x80 >> (piece & 7))) !== 0
  }

  /** @returns whether it was new. */
  add(piece: number): boolean {
    if (piece < 0 || piece >= this.length || this.has(piece)) return false
    this.#bits[piece >> 3] = (this.#bits[piece >> 3] ?? 0) | (0x80 >> (piece & 7))
    this.#size += 1
    return true
  }

  /** A copy of the bits. */
  toBytes(): Uint8Array {
    return this.#bits.slice()
  }
}
