import { expect, test } from 'vitest'
import type { OrderLimits } from '../../../src/transfer/order-choice.ts'
import { byHolder, first, give, PIECE, swarmOf } from './swarm-fixture.ts'

const NONE = Number.POSITIVE_INFINITY
const limited = (limits: Partial<OrderLimits>) => () => ({ all: NONE, each: NONE, bytes: NONE, ...limits })

test('where little may come in, few orders run, and they are short', () => {
  const swarm = swarmOf(1_000, ['ann', 'ben', 'cho'])
  expect(swarm.orders(0, limited({ all: 2 }))).toHaveLength(2)
  expect(swarmOf(1_000, ['ann', 'ben']).orders(0, limited({ each: 1 }))).toHaveLength(2)
  const alone = swarmOf(1_000, ['ann'])
  for (let ms = 1; ms < 20; ms++) {
    const orders = alone.orders(ms, limited({ bytes: 2 * PIECE }))
    for (const order of orders) {
      expect(order.run.count).toBeLessThanOrEqual(2)
      give(alone, order, ms)
    }
  }
})

test('a limit of one holder leaves the others as they are', () => {
  const swarm = swarmOf(1_000, ['ann', 'ben'])
  const orders = swarm.orders(0, (holder) => limited(holder === 'ann' ? { each: 1 } : {})())
  expect([byHolder(orders, 'ann').length, byHolder(orders, 'ben').length]).toEqual([1, 4])
})

test('a holder that is silent takes no place of another one', () => {
  const swarm = swarmOf(1_000, ['ann', 'ben'])
  const one = limited({ all: 1 })
  const silent = first(swarm.orders(0, one)).holder
  expect(swarm.orders(600, one)).toEqual([])
  const next = swarm.orders(800, one)
  expect(first(next).holder).not.toBe(silent)
})

test('whoever is held up by us is not silent, and keeps its pieces', () => {
  const swarm = swarmOf(3, ['ann'])
  const order = first(swarm.orders(0))
  swarm.began(order, order.run)
  swarm.join('ben')
  swarm.hasAll('ben')
  for (let ms = 100; ms <= 5_000; ms += 100) {
    // What gather.ts tells of an order whose bytes wait.
    swarm.received(order, 0, ms)
    swarm.orders(ms, limited({ all: 1 }))
    expect(swarm.silent(ms)).toEqual([])
    expect(swarm.abandoned()).toEqual([])
  }
})
