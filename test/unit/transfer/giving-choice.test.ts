import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PieceSet } from '../../../src/store/piece-set.ts'
import { chooseRun, herePart, lastWanted, PieceCounts, type Want } from '../../../src/transfer/giving-choice.ts'

const PIECES = 64

const want = (...pieces: readonly number[]): Want => {
  const bits = new Uint8Array(PIECES / 8)
  for (const piece of pieces) bits[piece >> 3] = (bits[piece >> 3] ?? 0) | (0x80 >> (piece & 7))
  return { first: 0, bits }
}

/** A holder that gave some pieces so many times. */
const given = (times: Readonly<Record<number, number>>): PieceCounts => {
  const counts = new PieceCounts(PIECES)
  for (const [piece, count] of Object.entries(times)) {
    for (let i = 0; i < count; i++) {
      counts.begin('earlier', { first: Number(piece), count: 1 })
      counts.end('earlier', { first: Number(piece), count: 1 }, true)
    }
  }
  return counts
}

const one = (first: number) => ({ first, count: 1 })

test('takes the proposal when nothing that is wanted was given fewer times', () => {
  expect(chooseRun(given({}), 'a', one(7), want(1, 2))).toEqual(one(7))
  expect(chooseRun(given({ 1: 3, 2: 2, 7: 2 }), 'a', one(7), want(1, 2))).toEqual(one(7))
})

test('takes the least given of the wanted, then the lowest', () => {
  expect(chooseRun(given({ 1: 2, 2: 1, 3: 1, 7: 3 }), 'a', one(7), want(1, 2, 3))).toEqual(one(2))
  expect(chooseRun(given({ 7: 1 }), 'a', one(7), want(9, 30, 4))).toEqual(one(4))
  // 0 was given least of all, but nobody wants it.
  expect(chooseRun(given({ 1: 2, 7: 3 }), 'a', one(7), want(1))).toEqual(one(1))
})

test('takes nothing that is on its way to this asker, and what is on its way to another one', () => {
  const counts = given({ 7: 5 })
  counts.begin('a', one(2))
  expect(chooseRun(counts, 'a', one(7), want(2, 3))).toEqual(one(3))
  counts.begin('a', one(3))
  expect(chooseRun(counts, 'a', one(7), want(2, 3))).toEqual(one(7))
  expect(chooseRun(counts, 'b', one(7), want(2, 3))).toEqual(one(2))
})

test('does not bring the proposal twice when something else will do', () => {
  const counts = given({ 3: 9 })
  counts.begin('a', one(7))
  expect(chooseRun(counts, 'a', one(7), want(3))).toEqual(one(3))
  expect(chooseRun(counts, 'a', one(7), want(7))).toEqual(one(7))
  counts.end('a', one(7), true)
  expect(chooseRun(counts, 'a', one(7), want(3))).toEqual(one(7))
})

test('ends a run before what is on its way, is not wanted, or was given more often', () => {
  const run = { first: 10, count: 4 }
  expect(chooseRun(given({}), 'a', run, want(0))).toEqual(run)
  const counts = given({ 10: 1 })
  expect(chooseRun(counts, 'a', run, want(20, 21, 22, 23, 24))).toEqual({ first: 20, count: 4 })
  expect(chooseRun(counts, 'a', run, want(20, 21, 23))).toEqual({ first: 20, count: 2 })
  counts.begin('a', one(21))
  expect(chooseRun(counts, 'a', run, want(20, 21, 22))).toEqual({ first: 20, count: 1 })
  expect(chooseRun(given({ 10: 2, 22: 1 }), 'a', run, want(20, 21, 22))).toEqual({ first: 20, count: 2 })
  const bringing = new PieceCounts(PIECES)
  bringing.begin('a', one(12))
  expect(chooseRun(bringing, 'a', run, want(10, 11))).toEqual({ first: 10, count: 2 })
})

test('gives back the counts of an answer that broke off, and keeps those of the others', () => {
  const counts = new PieceCounts(PIECES)
  counts.begin('a', { first: 3, count: 3 })
  counts.begin('b', { first: 5, count: 1 })
  counts.end('a', { first: 3, count: 3 }, false)
  expect([3, 4, 5].map((piece) => counts.given(piece))).toEqual([0, 0, 1])
  expect(counts.isOnTheWay('a', 5)).toBe(false)
  expect(counts.isOnTheWay('b', 5)).toBe(true)
  counts.end('b', { first: 5, count: 1 }, true)
  expect([counts.given(5), counts.idle]).toEqual([1, true])
})

test('a piece that two answers bring to one asker is on its way until both have ended', () => {
  const counts = new PieceCounts(PIECES)
  counts.begin('a', one(5))
  counts.begin('a', { first: 4, count: 2 })
  counts.end('a', one(5), true)
  expect(counts.isOnTheWay('a', 5)).toBe(true)
  counts.end('a', { first: 4, count: 2 }, false)
  expect([counts.isOnTheWay('a', 5), counts.given(5), counts.given(4)]).toEqual([false, 1, 0])
})

test('spreads a content: nothing leaves twice before everything has left once', () => {
  const counts = new PieceCounts(PIECES)
  const missing = new Map(['a', 'b', 'c', 'd'].map((asker) => [asker, new Set(Array(PIECES).keys())]))
  for (let round = 0; round < PIECES / 4; round++) {
    for (const [asker, pieces] of missing) {
      // All of them ask for what comes first, as somebody who plays the file would.
      const [first = 0] = pieces
      const run = chooseRun(counts, asker, one(first), want(...pieces))
      counts.begin(asker, run)
      counts.end(asker, run, true)
      pieces.delete(run.first)
    }
  }
  expect(Array.from({ length: PIECES }, (_, piece) => counts.given(piece))).toEqual(Array(PIECES).fill(1))
})

test('gives of a part what is here in a row from the first one on', () => {
  const here = new PieceSet(10)
  for (const piece of [2, 3, 9]) here.add(piece)
  expect(herePart({ first: 2, count: 5 }, 10, here)).toEqual({ first: 2, count: 2 })
  expect(herePart({ first: 9, count: 5 }, 10, here)).toEqual({ first: 9, count: 1 })
  expect(herePart({ first: 1, count: 5 }, 10, here)).toBeUndefined()
  expect(herePart({ first: 10, count: 5 }, 10, undefined)).toBeUndefined()
  expect(herePart({ first: 2 ** 50, count: 5 }, 10, undefined)).toBeUndefined()
  expect(herePart({ first: 8, count: 5 }, 10, undefined)).toEqual({ first: 8, count: 2 })
})

test('knows the last piece that is wanted', () => {
  expect(lastWanted({ first: 5, bits: Uint8Array.of(0b0010_0100, 0) })).toBe(10)
  expect(lastWanted({ first: 5, bits: new Uint8Array(4) })).toBe(-1)
  expect(lastWanted({ first: 5, bits: new Uint8Array() })).toBe(-1)
})

test('whatever was given and is on its way: the choice is one that the asker may be given', () => {
  const piece = fc.nat(PIECES - 1)
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom('a', 'b'), piece, fc.boolean()), { maxLength: 60 }),
      fc.tuple(piece, fc.integer({ min: 1, max: 8 })),
      fc.array(piece),
      (answers, [first, count], wanted) => {
        const counts = new PieceCounts(PIECES)
        for (const [asker, at, ended] of answers) {
          counts.begin(asker, one(at))
          if (ended) counts.end(asker, one(at), true)
        }
        const proposed = { first, count: Math.min(count, PIECES - first) }
        const run = chooseRun(counts, 'a', proposed, want(...wanted))
        const pieces = Array.from({ length: run.count }, (_, i) => run.first + i)
        const within = run.first === first && run.count <= proposed.count
        const all = pieces.every((at) => wanted.includes(at) && !counts.isOnTheWay('a', at))
        expect(run.count).toBeGreaterThan(0)
        expect(run.count).toBeLessThanOrEqual(proposed.count)
        expect(within || all).toBe(true)
        const least = Math.min(
          ...wanted.filter((at) => !counts.isOnTheWay('a', at)).map((at) => counts.given(at)),
          counts.isOnTheWay('a', first) ? Number.POSITIVE_INFINITY : counts.given(first),
        )
        if (least < Number.POSITIVE_INFINITY) expect(counts.given(run.first)).toBe(least)
      },
    ),
  )
})
