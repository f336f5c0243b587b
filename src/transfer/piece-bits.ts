/** A set of pieces in words of 32, for questions that must cost little: the lowest few, those in common with another set. */
import type { PieceSet } from '../store/piece-set.ts'

const WORD_BITS = 32
const TOP_BIT = 0x8000_0000

export class PieceBits {
  readonly #length: number
  /** The highest bit of the first word is piece 0, so that words written big-endian are the bits of the wire. */
  readonly #words: Uint32Array
  /** No word before this one has a bit. */
  #front = 0
  #size = 0

  constructor(length: number) {
    this.#length = length
    this.#words = new Uint32Array(Math.ceil(length / WORD_BITS))
  }

  /** A copy, cut or padded to `length` pieces. */
  static of(pieces: PieceSet, length: number): PieceBits {
    const bits = new PieceBits(length)
    const bytes = pieces.toBytes()
    for (const [at, byte] of bytes.entries()) {
      for (let bit = 0, left = byte; left !== 0; bit++, left = (left << 1) & 0xff) {
        if ((left & 0x80) !== 0) bits.add(at * 8 + bit)
      }
    }
    return bits
  }

  get size(): number {
    return this.#size
  }

  has(piece: number): boolean {
    return ((this.#words[piece >>> 5] ?? 0) & (TOP_BIT >>> (piece & 31))) !== 0
  }

  /** @returns whether it is new; a piece that does not exist never is. */
  add(piece: number): boolean {
    if (!(piece >= 0 && piece < this.#length) || this.has(piece)) return false
    const word = piece >>> 5
    this.#words[word] = (this.#words[word] ?? 0) | (TOP_BIT >>> (piece & 31))
    this.#front = Math.min(this.#front, word)
    this.#size += 1
    return true
  }

  /** @returns whether it was in it. */
  delete(piece: number): boolean {
    if (!this.has(piece)) return false
    const word = piece >>> 5
    this.#words[word] = (this.#words[word] ?? 0) & ~(TOP_BIT >>> (piece & 31))
    this.#size -= 1
    return true
  }

  /** The lowest pieces, at most so many; only those that are in `at` too, where that is given. */
  lowest(at: PieceBits | undefined, most: number): number[] {
    const found: number[] = []
    for (let word = this.#first(); word < this.#words.length; word++) {
      let bits = this.#words[word] ?? 0
      if (at) bits &= at.#words[word] ?? 0
      while (bits !== 0) {
        const bit = Math.clz32(bits)
        found.push(word * WORD_BITS + bit)
        if (found.length === most) return found
        bits &= ~(TOP_BIT >>> bit)
      }
    }
    return found
  }

  /** Up to so many bits from near the lowest piece on, the highest bit of the first byte being piece `first`; no zero bytes at the end. */
  bytes(most: number): { readonly first: number; readonly bits: Uint8Array } {
    const start = this.#first()
    const words = this.#words.subarray(start, start + most / WORD_BITS)
    const bytes = new Uint8Array(words.length * 4)
    const view = new DataView(bytes.buffer)
    for (let word = 0; word < words.length; word++) view.setUint32(word * 4, words[word] ?? 0)
    let end = bytes.length
    while (end > 0 && bytes[end - 1] === 0) end--
    return { first: start * WORD_BITS, bits: bytes.subarray(0, end) }
  }

  *[Symbol.iterator](): Generator<number> {
    for (let word = 0; word < this.#words.length; word++) {
      for (let bits = this.#words[word] ?? 0; bits !== 0; ) {
        const bit = Math.clz32(bits)
        yield word * WORD_BITS + bit
        bits &= ~(TOP_BIT >>> bit)
      }
    }
  }

  #first(): number {
    if (this.#size === 0) this.#front = this.#words.length
    while (this.#front < this.#words.length && this.#words[this.#front] === 0) this.#front++
    return this.#front
  }
}
