import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Gatherer } from '../../../src/crypto/gather.ts'

test('gives back what was put in, in full pieces and a rest', () => {
  const chunks = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 12 })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), chunks, (size, given) => {
      const gatherer = new Gatherer(size)
      const pieces: Uint8Array[] = []
      // A piece is good until the next call only, so it is copied here.
      for (const chunk of given) for (const piece of gatherer.push(chunk)) pieces.push(new Uint8Array(piece))
      expect(pieces.every((piece) => piece.length === size)).toBe(true)
      const whole = Buffer.concat(given)
      expect(Buffer.concat([...pieces, gatherer.rest()])).toEqual(whole)
      expect(pieces.length).toBe(Math.max(0, Math.ceil(whole.length / size) - 1))
    }),
  )
})

test('a piece that lies in one chunk is not copied', () => {
  const gatherer = new Gatherer(4)
  const chunk = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9)
  const pieces = [...gatherer.push(chunk)]
  expect(pieces).toEqual([Uint8Array.of(1, 2, 3, 4), Uint8Array.of(5, 6, 7, 8)])
  for (const piece of [...pieces, gatherer.rest()]) expect(piece.buffer).toBe(chunk.buffer)
})

test('pieces that span chunks share one buffer', () => {
  const gatherer = new Gatherer(4)
  const buffers = new Set<ArrayBufferLike>()
  for (let i = 0; i < 100; i++) for (const piece of gatherer.push(Uint8Array.of(i, i, i))) buffers.add(piece.buffer)
  expect(buffers.size).toBe(1)
})

test('fills up to one piece and returns what is left', () => {
  const gatherer = new Gatherer(3)
  expect(gatherer.fill(Uint8Array.of(1))).toEqual(new Uint8Array(0))
  expect(gatherer.full).toBe(false)
  expect(gatherer.fill(Uint8Array.of(2, 3, 4, 5))).toEqual(Uint8Array.of(4, 5))
  expect(gatherer.full).toBe(true)
  expect(gatherer.fill(Uint8Array.of(9))).toEqual(Uint8Array.of(9))
  expect(gatherer.rest()).toEqual(Uint8Array.of(1, 2, 3))
})
