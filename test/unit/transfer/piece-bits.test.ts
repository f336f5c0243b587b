import { expect, test } from 'vitest'
import { PieceSet } from '../../../src/store/piece-set.ts'
import { FreePieces } from '../../../src/transfer/free-pieces.ts'
import { PieceBits } from '../../../src/transfer/piece-bits.ts'
import { fuzz } from '../../helpers/random.ts'
import { range, setOf } from './swarm-fixture.ts'

const bitsOf = (length: number, pieces: Iterable<number>): PieceBits => PieceBits.of(setOf(length, pieces), length)

test('bits are those of the set, whatever they begin and end with', () => {
  for (const pieces of [[], [0], [31], [32], [99], [0, 7, 8, 31, 32, 63, 64, 98, 99], range(0, 100)]) {
    const bits = bitsOf(100, pieces)
    expect([...bits]).toEqual(pieces)
    expect(bits.size).toBe(pieces.length)
    expect(bits.lowest(undefined, 1_000)).toEqual(pieces)
    expect(range(-2, 140).filter((piece) => bits.has(piece))).toEqual(pieces)
  }
})

test('bits of a longer set are cut, and pieces that do not exist are never in it', () => {
  const bits = PieceBits.of(PieceSet.full(64), 33)
  expect(bits.size).toBe(33)
  for (const piece of [-1, 33, 63, 1e9, Number.NaN]) expect(bits.add(piece)).toBe(false)
  expect(bits.size).toBe(33)
})

test('the lowest ones in common with another set', () => {
  const bits = bitsOf(200, [3, 40, 41, 150, 199])
  expect(bits.lowest(bitsOf(200, [1, 41, 150, 199]), 2)).toEqual([41, 150])
  expect(bits.lowest(bitsOf(200, []), 2)).toEqual([])
  bits.delete(3)
  expect(bits.lowest(undefined, 1)).toEqual([40])
  bits.add(2)
  expect(bits.lowest(undefined, 1)).toEqual([2])
})

test('bytes are written as on the wire', () => {
  expect(bitsOf(200, [0, 7, 9]).bytes(4_096)).toEqual({ first: 0, bits: Uint8Array.of(0x81, 0x40) })
  expect(bitsOf(200, [33, 199]).bytes(64)).toEqual({ first: 32, bits: Uint8Array.of(0x40) })
  expect(bitsOf(200, []).bytes(64).bits.length).toBe(0)
})

test('adding and deleting at random is what a plain set does', async () => {
  await fuzz({ rounds: 20 }, (random) => {
    const length = 1 + random.int(150)
    const bits = new PieceBits(length)
    const plain = new Set<number>()
    for (let step = 0; step < 300; step++) {
      const piece = random.int(length)
      if (random.chance(0.5)) {
        expect(bits.add(piece)).toBe(!plain.has(piece))
        plain.add(piece)
      } else {
        expect(bits.delete(piece)).toBe(plain.delete(piece))
      }
      const sorted = [...plain].sort((a, b) => a - b)
      expect(bits.lowest(undefined, 3)).toEqual(sorted.slice(0, 3))
      expect(bits.size).toBe(sorted.length)
    }
    expect([...bits]).toEqual([...plain].sort((a, b) => a - b))
  })
})

test('the rarest free piece is the one that a walk over all finds', async () => {
  await fuzz({ rounds: 20 }, (random) => {
    const length = 1 + random.int(150)
    const free = new FreePieces(length)
    const copies = range(0, length).map(() => 0)
    const plain = new Set<number>()
    for (let step = 0; step < 400; step++) {
      const piece = random.int(length)
      const kind = random.int(4)
      if (kind === 0) {
        free.delete(piece)
        plain.delete(piece)
      } else if (kind === 1) {
        expect(free.add(piece)).toBe(!plain.has(piece))
        plain.add(piece)
      } else {
        const change = (copies[piece] ?? 0) > 0 && random.chance(0.5) ? -1 : 1
        free.copies(piece, change)
        copies[piece] = (copies[piece] ?? 0) + change
      }
      const at = random.chance(0.3) ? undefined : range(0, length).filter(() => random.chance(0.3))
      const known = at && bitsOf(length, at)
      const candidates = [...plain].filter((one) => at?.includes(one) ?? true).sort((a, b) => a - b)
      const least = Math.min(...candidates.map((one) => copies[one] ?? 0))
      const rarest = candidates.filter((one) => copies[one] === least).slice(0, 32)
      expect(free.lowest(known)).toBe(candidates[0])
      expect(free.rarest(known, () => 0)).toBe(rarest[0])
      expect(free.rarest(known, () => 0.999)).toBe(rarest.at(-1))
      expect(free.size).toBe(plain.size)
    }
  })
})

test('adjacent free pieces, forwards and backwards', () => {
  const free = new FreePieces(20)
  for (const piece of [0, 1, 2, 3, 5, 6, 7, 19]) free.add(piece)
  expect(free.adjacent(0, undefined, 10)).toBe(4)
  expect(free.adjacent(0, undefined, 3)).toBe(3)
  expect(free.adjacent(0, bitsOf(20, [0, 1]), 10)).toBe(2)
  expect(free.adjacent(19, undefined, 10)).toBe(1)
  expect(free.back(7, undefined, 10)).toBe(5)
  expect(free.back(7, undefined, 1)).toBe(6)
  expect(free.back(3, undefined, 10)).toBe(0)
  expect(free.back(3, bitsOf(20, [2, 3]), 10)).toBe(2)
})
