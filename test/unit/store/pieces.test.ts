import { expect, test } from 'vitest'
import { MAX_PIECES, pieceBytesOf, pieceCountOf, pieceHeightOf, runBytes } from '../../../src/store/pieces.ts'

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB

test.each([
  [0, 128 * KIB, 0],
  [1, 128 * KIB, 1],
  [128 * KIB - 1, 128 * KIB, 1],
  [128 * KIB, 128 * KIB, 1],
  [128 * KIB + 1, 128 * KIB, 2],
  [2 * GIB, 128 * KIB, 16_384],
  [2 * GIB + 1, 256 * KIB, 8_193],
  [16 * GIB, MIB, 16_384],
  [16 * GIB + 1, 2 * MIB, 8_193],
  [1024 * GIB, 64 * MIB, 16_384],
])('%d bytes are cut into pieces of %d: %d of them', (size, bytes, count) => {
  expect([pieceBytesOf(size), pieceCountOf(size)]).toEqual([bytes, count])
  expect(pieceHeightOf(size)).toBe(Math.log2(bytes / 16_384))
})

test('no content has more pieces than are allowed, however large', () => {
  for (let log2 = 0; log2 <= 53; log2++) {
    for (const size of [2 ** log2 - 1, 2 ** log2, 2 ** log2 + 1]) {
      if (!Number.isSafeInteger(size)) continue
      expect(pieceCountOf(size)).toBeLessThanOrEqual(MAX_PIECES)
      expect(Math.log2(pieceBytesOf(size)) % 1).toBe(0)
    }
  }
})

test('runs lie one behind the other, the last one as short as it is', () => {
  const size = 5 * 128 * KIB + 7
  expect(runBytes(size, { first: 0, count: 2 })).toEqual({ from: 0, bytes: 256 * KIB })
  expect(runBytes(size, { first: 4, count: 2 })).toEqual({ from: 512 * KIB, bytes: 128 * KIB + 7 })
  expect(runBytes(size, { first: 5, count: 1 })).toEqual({ from: 640 * KIB, bytes: 7 })
  const all = Array.from({ length: pieceCountOf(size) }, (_, first) => runBytes(size, { first, count: 1 }).bytes)
  expect(all.reduce((sum, bytes) => sum + bytes, 0)).toBe(size)
})
