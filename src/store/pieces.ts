/** How a content is cut into pieces: the unit of asking, of proof and of sharing on (PROTOCOL.md, "Contents and pieces"). */
import { BLOCK_BYTES } from './merkle.ts'

const MIN_PIECE_BYTES = 128 * 1024
/** Pieces of one content at most. */
export const MAX_PIECES = 16_384

/** Bytes of every piece but the last, a power of two: a function of the content's size alone. */
export const pieceBytesOf = (size: number): number => {
  let bytes = MIN_PIECE_BYTES
  while (bytes * MAX_PIECES < size) bytes *= 2
  return bytes
}

/** Height of a whole piece in the tree: it covers 2^height blocks. */
export const pieceHeightOf = (size: number): number => Math.log2(pieceBytesOf(size) / BLOCK_BYTES)

export const pieceCountOf = (size: number): number => Math.ceil(size / pieceBytesOf(size))

/** Adjacent pieces. */
export interface Run {
  readonly first: number
  readonly count: number
}

/** Where a run lies in the content; it must lie within it. */
export const runBytes = (size: number, { first, count }: Run): { readonly from: number; readonly bytes: number } => {
  const piece = pieceBytesOf(size)
  const from = first * piece
  return { from, bytes: Math.min(size, from + count * piece) - from }
}
