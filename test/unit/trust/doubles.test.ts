import { expect, test } from 'vitest'
import { Doubles } from '../../../src/trust/doubles.ts'

const US = 'f'.repeat(64)
const BEN = 'b'.repeat(64)
const A = '127.0.0.1:5001'
const B = '127.0.0.1:5002'

const setUp = () => {
  const clock = { now: 0 }
  const there = new Set([A, B])
  let told = 0
  const doubles = new Doubles({
    ownId: US,
    ownEpoch: 100,
    isThere: (id, address) => id === BEN && there.has(address),
    tell: () => {
      told += 1
    },
    clock: () => clock.now,
  })
  /** It is asked and answers, a moment after the last one did. */
  const proved = (address: string, epoch: number, version = 1, sig = `${address} ${epoch}`): void => {
    const askedAt = clock.now + 1
    clock.now += 2
    doubles.proved({ id: BEN, address, epoch, version, sig, askedAt, answeredAt: clock.now })
  }
  return { doubles, clock, there, proved, told: () => told }
}

test('an earlier start that still answers beside a later one is another computer', () => {
  const { doubles, proved, told } = setUp()
  proved(A, 10)
  proved(B, 20)
  expect(doubles.all()).toEqual([])
  proved(A, 10)
  expect(doubles.all()).toEqual([{ id: BEN, addresses: [B, A] }])
  expect([doubles.of(BEN)?.addresses, told()]).toEqual([[B, A], 1])
})

test('two that began in the same second are known by saying different things with the same version', () => {
  const { doubles, proved } = setUp()
  proved(A, 10, 3, 'one')
  proved(B, 10, 3, 'other')
  expect(doubles.of(BEN)?.addresses).toEqual([A, B])
})

test('one node at several addresses is one', () => {
  const { doubles, proved } = setUp()
  for (let round = 1; round < 5; round++) {
    proved(A, 10, round, `${round}`)
    proved(B, 10, round, `${round}`)
  }
  expect(doubles.all()).toEqual([])
})

test('one node that says another thing on each of its networks is one', () => {
  const { doubles, proved, there } = setUp()
  there.add('192.168.1.2:5001')
  for (let version = 1; version < 5; version++) {
    proved(A, 10, version, `here ${version}`)
    proved('192.168.1.2:5001', 10, version, `there ${version}`)
  }
  expect(doubles.all()).toEqual([])
})

test('a restart is none, nor is a move to another address', () => {
  const { doubles, proved, there } = setUp()
  proved(A, 10)
  proved(A, 20)
  there.delete(A)
  proved(B, 30)
  proved(B, 30, 2)
  expect(doubles.all()).toEqual([])
})

test('what was asked before the later start was known says nothing', () => {
  const { doubles, proved, clock } = setUp()
  proved(A, 10)
  const askedAt = clock.now + 1
  proved(B, 20)
  doubles.proved({ id: BEN, address: A, epoch: 10, version: 1, sig: 'late', askedAt, answeredAt: clock.now + 1 })
  expect(doubles.all()).toEqual([])
})

test('one that went back in time at its own address is alone', () => {
  const { doubles, proved } = setUp()
  proved(A, 20)
  proved(A, 10)
  expect(doubles.all()).toEqual([])
})

test('a later start that has gone is no second computer', () => {
  const { doubles, proved, there } = setUp()
  proved(B, 20)
  there.delete(B)
  proved(A, 10)
  expect(doubles.all()).toEqual([])
})

test('a pair that is not seen any more is over after three minutes', () => {
  const { doubles, proved, clock } = setUp()
  proved(A, 10)
  proved(B, 20)
  proved(A, 10)
  clock.now += 179_000
  expect(doubles.all()).toHaveLength(1)
  clock.now += 2_000
  expect(doubles.all()).toEqual([])
})

test('whoever says that he is this node is named by his address, as long as he says so', () => {
  const { doubles, told } = setUp()
  doubles.said(A, { id: US, epoch: 99 })
  doubles.said(A, { id: US, epoch: 99 })
  doubles.said(B, { id: BEN, epoch: 99 })
  expect([doubles.ofUs(), told()]).toEqual([[A], 1])
  doubles.said(A, undefined)
  expect([doubles.ofUs(), told()]).toEqual([[], 2])
})

test('this node itself, seen by another address, is no other', () => {
  const { doubles } = setUp()
  doubles.said(A, { id: US, epoch: 100 })
  expect(doubles.ofUs()).toEqual([])
})
