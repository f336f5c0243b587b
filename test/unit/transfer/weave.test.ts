import { expect, test } from 'vitest'
import { UNKNOWN_GIVER, Weave } from '../../../src/transfer/weave.ts'
import { membersOf, setOf } from './content-fixture.ts'

const giver = (number: number) => ({ id: number.toString(16).padStart(64, '0'), name: `giver ${number}` })
const PIECES = 8
const SIZE = PIECES * 128 * 1024

test('remembers who gave what, and tells of a giver that is new', () => {
  const weave = new Weave(PIECES)
  expect([weave.put(0, giver(1)), weave.put(1, giver(2)), weave.put(2, giver(1))]).toEqual([true, true, false])
  expect(weave.givers).toEqual([giver(1), giver(2)])
  expect(weave.counts()).toEqual([2, 1])
  expect(membersOf(weave.pieces())).toEqual([0, 1, 2])
  expect([...weave.map]).toEqual([1, 2, 1, 0, 0, 0, 0, 0])
})

test('goes on with what was kept of it', () => {
  const first = new Weave(PIECES)
  first.put(3, giver(1))
  first.put(4, giver(2))
  const again = new Weave(PIECES, first.givers, first.map)
  expect(again.put(5, giver(2))).toBe(false)
  expect(again.counts()).toEqual([1, 2])
  // A copy: nobody else's map changes.
  expect(first.map[5]).toBe(0)
})

test('a map of another length is none, and one that speaks of unknown givers says that nobody knows them', () => {
  expect(membersOf(new Weave(PIECES, [], new Uint8Array(7).fill(1)).pieces())).toEqual([])
  const weave = new Weave(PIECES, [giver(1)], Uint8Array.from([1, 2, 3, 0, 254, 255, 0, 1]))
  expect([...weave.map]).toEqual([1, 255, 255, 0, 255, 255, 0, 1])
  expect(weave.counts()).toEqual([2])
  expect(weave.stretches(PIECES).every(({ giver: one }) => one < 1 || one === UNKNOWN_GIVER)).toBe(true)
  // Who comes next is a giver of its own.
  weave.put(3, giver(2))
  expect(weave.counts()).toEqual([2, 1])
})

test('says what was found: what is not there is taken out, what nobody told of has no giver', () => {
  const weave = new Weave(PIECES)
  for (const piece of [0, 1, 2]) weave.put(piece, giver(1))
  weave.keep(setOf(SIZE, [1, 2, 6]))
  expect(membersOf(weave.pieces())).toEqual([1, 2, 6])
  expect(weave.counts()).toEqual([2])
  expect(weave.stretches(PIECES)).toEqual([
    { giver: -1, cells: 1 },
    { giver: 0, cells: 2 },
    { giver: -1, cells: 3 },
    { giver: UNKNOWN_GIVER, cells: 1 },
    { giver: -1, cells: 1 },
  ])
})

test('of more givers than a byte can number the last ones are not told apart', () => {
  const pieces = 300
  const weave = new Weave(pieces)
  for (let piece = 0; piece < pieces; piece++) weave.put(piece, giver(piece))
  expect(weave.givers).toHaveLength(254)
  expect(weave.counts().every((count) => count === 1)).toBe(true)
  expect(weave.map.filter((one) => one === UNKNOWN_GIVER)).toHaveLength(46)
  expect(weave.pieces().complete).toBe(true)
  const again = new Weave(pieces, [...weave.givers, giver(999)], weave.map)
  expect(again.givers).toHaveLength(254)
})

test('a bar shows in each cell who gave most of it, and nothing where more than half is missing', () => {
  const weave = new Weave(PIECES)
  for (const piece of [0, 1, 2]) weave.put(piece, giver(1))
  for (const piece of [3, 4]) weave.put(piece, giver(2))
  expect(weave.stretches(2)).toEqual([
    { giver: 0, cells: 1 },
    { giver: -1, cells: 1 },
  ])
  expect(weave.stretches(4)).toEqual([
    { giver: 0, cells: 2 },
    { giver: 1, cells: 1 },
    { giver: -1, cells: 1 },
  ])
  for (const cells of [1, 3, 5, 7, 8, 100]) {
    const drawn = weave.stretches(cells).reduce((sum, one) => sum + one.cells, 0)
    expect(drawn).toBe(Math.min(cells, PIECES))
  }
  expect(new Weave(0).stretches(10)).toEqual([])
})

test('whoever gave a third of everything has a third of the bar, however mixed its pieces are', () => {
  const pieces = 960
  const weave = new Weave(pieces)
  for (let piece = 0; piece < pieces; piece++) weave.put(piece, giver(piece % 3 === 1 ? 2 : 1))
  const cells = [0, 0]
  for (const { giver: one, cells: wide } of weave.stretches(48)) cells[one] = (cells[one] ?? 0) + wide
  expect(cells).toEqual([32, 16])
  expect(weave.stretches(48).length).toBeGreaterThan(20)
})
