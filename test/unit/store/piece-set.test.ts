import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PieceSet } from '../../../src/store/piece-set.ts'

test('the highest bit of the first byte is piece 0', () => {
  const set = new PieceSet(10)
  expect([set.add(0), set.add(9), set.add(0)]).toEqual([true, true, false])
  expect([...set.toBytes()]).toEqual([0x80, 0x40])
  expect([set.size, set.length, set.complete]).toEqual([2, 10, false])
})

test('holds what was added and nothing else', () => {
  const property = fc.property(
    fc.integer({ min: 0, max: 70 }),
    fc.array(fc.integer({ min: -3, max: 80 }), { maxLength: 100 }),
    (length, pieces) => {
      const set = new PieceSet(length)
      const known = new Set<number>()
      for (const piece of pieces) {
        const isNew = piece >= 0 && piece < length && !known.has(piece)
        expect(set.add(piece)).toBe(isNew)
        if (isNew) known.add(piece)
      }
      expect(set.size).toBe(known.size)
      expect(set.complete).toBe(known.size === length)
      for (let piece = 0; piece < length; piece++) expect(set.has(piece)).toBe(known.has(piece))
      const again = PieceSet.from(set.toBytes(), length)
      expect(again?.size).toBe(known.size)
      expect(again?.toBytes()).toEqual(set.toBytes())
    },
  )
  fc.assert(property, { numRuns: 300 })
})

test('bytes of another length, or with bits beyond the last piece, are no set', () => {
  for (const length of [0, 1, 7, 8, 9, 16, 17]) {
    const bytes = Math.ceil(length / 8)
    expect(PieceSet.from(new Uint8Array(bytes), length)?.size).toBe(0)
    expect(PieceSet.from(new Uint8Array(bytes + 1), length)).toBeUndefined()
    if (bytes > 0) expect(PieceSet.from(new Uint8Array(bytes - 1), length)).toBeUndefined()
    for (let bit = length; bit < bytes * 8; bit++) {
      const beyond = new Uint8Array(bytes)
      beyond[bit >> 3] = 0x80 >> (bit & 7)
      expect(PieceSet.from(beyond, length), `${length} pieces, bit ${bit}`).toBeUndefined()
    }
  }
})

test('what it is made from, and what it gives away, is a copy', () => {
  const bytes = Uint8Array.of(0x80)
  const set = PieceSet.from(bytes, 8)
  bytes[0] = 0
  const given = set?.toBytes()
  given?.fill(0xff)
  expect([set?.has(0), set?.has(1)]).toEqual([true, false])
})

test('a full one is complete, also of nothing', () => {
  for (const length of [0, 1, 8, 9, 16_384]) {
    const set = PieceSet.full(length)
    expect([set.complete, set.size, set.has(length)]).toEqual([true, length, false])
    expect(PieceSet.from(set.toBytes(), length)?.complete).toBe(true)
  }
})
