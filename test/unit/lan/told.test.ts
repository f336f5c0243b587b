import { expect, test } from 'vitest'
import { Told } from '../../../src/lan/told.ts'

const ID = 'ab'.repeat(32)
const OTHER = 'cd'.repeat(32)
const AGAIN_MS = 30_000

const toldAt = () => {
  const clock = { ms: 5_000 }
  return { told: new Told(() => clock.ms), clock }
}

test('an address is told once, then again from time to time, and each of a node for itself', () => {
  const { told, clock } = toldAt()
  expect(told.isNew('10.0.0.1:5000', ID)).toBe(true)
  expect(told.isNew('10.0.0.1:5000', ID)).toBe(false)
  expect(told.isNew('10.0.0.2:5000', ID)).toBe(true)
  expect(told.isNew('10.0.0.1:5000', OTHER)).toBe(true)
  clock.ms += AGAIN_MS - 1
  expect(told.isNew('10.0.0.1:5000', ID)).toBe(false)
  clock.ms += 1
  expect(told.isNew('10.0.0.1:5000', ID)).toBe(true)
})

test('who left is told when it is back, and only who was told has left', () => {
  const { told } = toldAt()
  expect(told.forget(ID)).toBe(false)
  told.isNew('10.0.0.1:5000', ID)
  told.isNew('10.0.0.1:5000', OTHER)
  expect(told.forget(ID)).toBe(true)
  expect(told.forget(ID)).toBe(false)
  expect(told.isNew('10.0.0.1:5000', ID)).toBe(true)
  expect(told.isNew('10.0.0.1:5000', OTHER)).toBe(false)
})

test('a thousand inventions are told as a hundred, and then four a second', () => {
  const { told, clock } = toldAt()
  const invent = (count: number, from: number): number =>
    Array.from({ length: count }, (_, at) => told.isNew(`10.0.0.1:${from + at}`, ID)).filter(Boolean).length
  expect(invent(1_000, 1)).toBe(128)
  clock.ms += 10_000
  expect(invent(1_000, 2_000)).toBe(40)
  // Not more than at first, however long it was quiet.
  clock.ms += 3_600_000
  expect(invent(1_000, 4_000)).toBe(128)
})

test('five hundred are remembered; the longest unseen go first', () => {
  const { told, clock } = toldAt()
  const kept = 'ef'.repeat(32)
  told.isNew('10.0.0.1:1', ID)
  told.isNew('10.0.0.1:2', kept)
  for (let port = 10; port < 610; port += 1) {
    told.isNew(`10.0.0.1:${port}`, OTHER)
    told.isNew('10.0.0.1:2', kept)
    clock.ms += 1_000
  }
  expect(told.forget(ID)).toBe(false)
  expect(told.forget(kept)).toBe(true)
})
