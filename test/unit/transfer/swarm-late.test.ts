import { describe, expect, test } from 'vitest'
import { pieceBytesOf } from '../../../src/store/pieces.ts'
import type { Order, Swarm } from '../../../src/transfer/swarm.ts'
import {
  almost,
  bitsOf,
  byHolder,
  first,
  give,
  MIB,
  PIECE,
  piecesOf,
  range,
  rated,
  setOf,
  swarmOf,
} from './swarm-fixture.ts'

describe('a late piece', () => {
  /** `slow` and `fast` have everything; slow has everything in flight, fast has brought one piece and has room. */
  const situation = (
    slowBytesPerMs: number,
    fastBytesPerMs: number,
  ): { swarm: Swarm; slow: Order[]; nowMs: number } => {
    const swarm = swarmOf(5)
    swarm.join('slow')
    swarm.hasBits('slow', setOf(5, [0, 1, 2, 3]))
    swarm.join('fast')
    swarm.hasBits('fast', setOf(5, [4]))
    const orders = swarm.orders(0)
    const slow = byHolder(orders, 'slow')
    const fast = first(byHolder(orders, 'fast'))
    for (const order of orders) swarm.began(order, order.run)
    for (let ms = 10; ms <= 100; ms += 10) {
      swarm.received(first(slow), slowBytesPerMs * 10, ms)
      swarm.received(fast, fastBytesPerMs * 10, ms)
    }
    swarm.arrived(fast, 4)
    swarm.verified(4)
    swarm.ended(fast)
    swarm.hasAll('fast')
    return { swarm, slow, nowMs: 100 }
  }

  test('is asked from a faster one as well, the latest first, once each', () => {
    const { swarm, slow, nowMs } = situation(100, 10_000)
    expect(slow.length).toBe(4)
    const taken = swarm.orders(nowMs)
    expect(taken.map(({ holder }) => holder)).toEqual(['fast', 'fast', 'fast', 'fast'])
    expect(taken.map(({ run }) => run)).toEqual([...slow].reverse().map(({ run }) => run))
    expect(swarm.orders(nowMs)).toEqual([])
    // Whoever is first wins: the others are told.
    const [latest] = taken
    const loser = slow.at(-1)
    if (!latest || !loser) throw new Error('there are four')
    swarm.began(latest, latest.run)
    swarm.received(latest, PIECE, nowMs + 10)
    expect(swarm.arrived(latest, latest.run.first)).toBe(true)
    swarm.ended(latest)
    expect(swarm.verified(latest.run.first)).toEqual([loser])
    expect(swarm.spare(loser)).toBe(PIECE)
    expect(swarm.arrived(loser, latest.run.first)).toBe(false)
  })

  test('is left to a holder that is more than half as fast', () => {
    const { swarm, nowMs } = situation(600, 1_000)
    expect(swarm.orders(nowMs)).toEqual([])
    expect(situation(500, 1_000).swarm.orders(nowMs).length).toBeGreaterThan(0)
  })

  test('is left to its holder when it comes soon enough', () => {
    // Of slow the pieces come in 26, 79, 131 and 184 ms; fast needs 25 ms for the first one that it takes, 50 for the next, and so on.
    const { swarm, slow, nowMs } = situation(2_500, 5_200)
    const taken = swarm.orders(nowMs)
    expect(taken.map(({ run }) => run)).toEqual(
      [...slow]
        .reverse()
        .slice(0, 2)
        .map(({ run }) => run),
    )
  })

  test('is not asked by one of whom no rate is known', () => {
    const { swarm, nowMs } = situation(10, 10_000)
    swarm.leave('fast')
    swarm.join('new')
    swarm.hasAll('new')
    expect(swarm.orders(nowMs)).toEqual([])
  })

  test('is asked only from who has it, and not while anything else is free there', () => {
    const { swarm, slow, nowMs } = situation(100, 10_000)
    swarm.hasBits('fast', setOf(5, [4, first(slow).run.first]))
    expect(swarm.orders(nowMs).map(({ run }) => run)).toEqual([first(slow).run])
    const other = situation(100, 10_000)
    const [freed] = other.slow
    if (!freed) throw new Error('there are four')
    other.swarm.began(freed, freed.run)
    other.swarm.ended(freed)
    expect(other.swarm.orders(nowMs).find(({ holder }) => holder === 'fast')?.run).toEqual(freed.run)
  })

  test('is taken out of the end of a run, one at a time', () => {
    // Slow was fast once: its runs are long. Fast has brought one piece, and has nothing else to ask.
    const swarm = swarmOf(101)
    swarm.join('slow')
    swarm.hasBits('slow', setOf(101, range(0, 100)))
    swarm.join('fast')
    swarm.hasBits('fast', setOf(101, [100]))
    const orders = swarm.orders(0)
    for (const order of orders) {
      swarm.began(order, order.run)
      rated(swarm, order, 100_000, 0, 100)
    }
    give(swarm, first(byHolder(orders, 'fast')), 100)
    for (const order of byHolder(orders, 'slow')) swarm.ended(order)
    const [long] = swarm.orders(100)
    if (!long) throw new Error('there is room')
    expect(long.run.count).toBe(8)
    swarm.began(long, long.run)
    for (let ms = 10; ms <= 2_000; ms += 10) swarm.received(long, 1_000, 100 + ms)
    for (const piece of piecesOf(long.run).slice(0, 1)) swarm.arrived(long, piece)
    for (let piece = 0; piece < 100; piece++) if (!piecesOf(long.run).includes(piece)) swarm.verified(piece)
    swarm.hasAll('fast')
    const taken = swarm.orders(2_100)
    expect(taken.map(({ run }) => run)).toEqual([7, 6, 5, 4].map((at) => ({ first: long.run.first + at, count: 1 })))
    // Its run carries what is needed until every piece of it is here.
    const ended = taken.flatMap((order) => {
      swarm.began(order, order.run)
      swarm.arrived(order, order.run.first)
      swarm.ended(order)
      return swarm.verified(order.run.first)
    })
    expect(ended).toEqual([])
    const rest = swarm.orders(2_150).flatMap((order) => {
      swarm.arrived(order, order.run.first)
      return swarm.verified(order.run.first)
    })
    expect(rest).toEqual([long])
  })

  test('that was not answered yet is still good for another one, as long as another one is wanted', () => {
    const swarm = swarmOf(20, ['a', 'b'])
    const [order] = swarm.orders(0)
    if (!order) throw new Error('there is room')
    expect(order.want).toBeDefined()
    expect(swarm.verified(order.run.first)).toEqual([])
    const ended = range(0, 20).flatMap((piece) => [...swarm.verified(piece)])
    expect(swarm.done).toBe(true)
    expect(ended.length).toBeGreaterThan(0)
  })
})

describe('a rate', () => {
  test('is a moving average of 100 ms, of the time in which something was in flight', () => {
    const swarm = swarmOf(10_000, ['a', 'b'])
    const [one, ...others] = byHolder(swarm.orders(0), 'a')
    if (!one) throw new Error('there is room')
    swarm.began(one, one.run)
    rated(swarm, one, 1_000, 0, 220)
    expect(swarm.rateOf('a')).toBeCloseTo(1_000_000)
    rated(swarm, one, 2_000, 220, 100)
    expect(swarm.rateOf('a')).toBeCloseTo(1_300_000)
    for (const order of [one, ...others]) {
      swarm.began(order, order.run)
      swarm.ended(order)
    }
    // Nothing is asked there for a minute: that is no slowness.
    const again = first(byHolder(swarm.orders(60_000), 'a'))
    expect(swarm.rateOf('a')).toBeCloseTo(1_300_000)
    swarm.began(again, again.run)
    rated(swarm, again, 1_300, 60_000, 100)
    expect(swarm.rateOf('a')).toBeCloseTo(1_300_000)
    expect(swarm.rateOf('nobody')).toBe(0)
  })
})

describe('a silent holder', () => {
  test('is one that gives no byte for 700 ms though it was asked', () => {
    const swarm = swarmOf(100, ['a', 'b'])
    const orders = swarm.orders(0)
    const order = first(byHolder(orders, 'a'))
    swarm.began(order, order.run)
    swarm.received(order, 1, 300)
    expect(swarm.silent(699)).toEqual([])
    expect(swarm.silent(700)).toEqual(['b'])
    expect(swarm.silent(999)).toEqual(['b'])
    expect(new Set(swarm.silent(1_000))).toEqual(new Set(['a', 'b']))
    const idle = swarmOf(1, ['a'])
    give(idle, first(idle.orders(0)), 1)
    expect(idle.silent(10_000)).toEqual([])
  })

  test('loses its pieces at once; what it sends still counts', () => {
    const swarm = swarmOf(3)
    for (const name of ['a', 'b']) swarm.join(name)
    swarm.hasBits('a', setOf(3, [0, 1, 2]))
    const orders = swarm.orders(0)
    expect(orders.length).toBe(3)
    swarm.hasBits('b', setOf(3, [0, 1, 2]))
    expect(swarm.orders(699)).toEqual([])
    const taken = swarm.orders(700)
    expect(taken.map(({ holder }) => holder)).toEqual(['b', 'b', 'b'])
    expect(swarm.abandoned()).toEqual([])
    // It wakes: two are on their way to bring each piece, nobody is asked a third time.
    const [order] = orders
    if (!order) throw new Error('there are three')
    swarm.began(order, order.run)
    swarm.received(order, PIECE, 900)
    expect(swarm.silent(900)).toEqual([])
    swarm.join('c')
    swarm.hasAll('c')
    expect(swarm.orders(900)).toEqual([])
    expect(swarm.arrived(order, order.run.first)).toBe(true)
    expect(swarm.verified(order.run.first).map(({ holder }) => holder)).toEqual(['b'])
  })

  test('has its pieces back when it wakes before anybody took them', () => {
    const swarm = swarmOf(3)
    for (const name of ['a', 'b']) swarm.join(name)
    swarm.hasBits('a', setOf(3, [0, 1, 2]))
    const orders = swarm.orders(0)
    expect(swarm.orders(700)).toEqual([])
    const [order] = orders
    if (!order) throw new Error('there are three')
    swarm.began(order, order.run)
    swarm.received(order, 1, 800)
    swarm.hasAll('b')
    expect(swarm.orders(800)).toEqual([])
    expect(swarm.orders(1_500).length).toBe(3)
  })

  test('gets one order of one piece at a time until it moves', () => {
    const swarm = swarmOf(1_000, ['a', 'b'])
    let orders = swarm.orders(0)
    const warm = first(byHolder(orders, 'a'))
    swarm.began(warm, warm.run)
    rated(swarm, warm, 1_000_000, 0, 100)
    const told = swarm.orders(900)
    expect(byHolder(told, 'a')).toEqual([])
    for (const order of byHolder(orders, 'a')) {
      swarm.began(order, order.run)
      swarm.ended(order)
    }
    orders = byHolder(swarm.orders(950), 'a')
    expect(orders.map(({ run }) => run.count)).toEqual([1])
    expect(swarm.orders(1_000)).toEqual([])
    expect(swarm.silent(1_000)).toContain('a')
    const [probe] = orders
    if (!probe) throw new Error('it is asked for one')
    swarm.began(probe, probe.run)
    swarm.received(probe, 1, 1_050)
    expect(byHolder(swarm.orders(1_050), 'a').length).toBe(3)
  })

  test('is tried after the others, so that it does not take what they could bring', () => {
    const swarm = swarmOf(2, ['a', 'b'])
    const orders = swarm.orders(0)
    const [mute, moving] = orders
    if (!mute || !moving) throw new Error('there are two')
    swarm.began(moving, moving.run)
    swarm.received(moving, 1_000, 600)
    swarm.orders(701)
    expect(swarm.silent(701)).toEqual([mute.holder])
    swarm.began(mute, mute.run)
    swarm.ended(mute)
    swarm.leave('nobody')
    const again = swarm.orders(702)
    expect(again.every(({ holder }) => holder === moving.holder)).toBe(true)
  })

  test('does not keep a piece from a third one when the second is silent too', () => {
    const swarm = swarmOf(1)
    for (const name of ['a', 'b', 'c']) swarm.join(name)
    swarm.hasAll('a')
    const [one] = swarm.orders(0)
    swarm.hasAll('b')
    const [two] = swarm.orders(700)
    expect([one?.holder, two?.holder]).toEqual(['a', 'b'])
    swarm.orders(1_400)
    expect(swarm.abandoned()).toEqual([]) // nobody else has it
    swarm.hasAll('c')
    expect(swarm.orders(1_500)).toEqual([])
    expect(swarm.abandoned()).toEqual([one])
    expect(swarm.abandoned()).toEqual([])
    if (one) swarm.ended(one)
    expect(swarm.orders(1_501).map(({ holder }) => holder)).toEqual(['c'])
  })
})

describe('a piece of more than 1 MiB', () => {
  const SIZE = 32 * 1024 * MIB
  const BIG = 2 * MIB
  /** The relays have these pieces, all of them the same. */
  const relays = (missing: readonly number[], ...names: string[]): Swarm => {
    expect(pieceBytesOf(SIZE)).toBe(BIG)
    const swarm = almost(SIZE, missing, [])
    for (const name of names) swarm.join(name)
    return swarm
  }

  test('is in flight once: nobody takes it from a slow holder', () => {
    const swarm = relays([0, 1], 'slow', 'fast')
    swarm.hasNew('slow', [0])
    swarm.hasNew('fast', [1])
    const orders = swarm.orders(0)
    for (const order of orders) {
      swarm.began(order, order.run)
      rated(swarm, order, order.holder === 'slow' ? 10 : 10_000, 0, 100)
    }
    give(swarm, first(byHolder(orders, 'fast')), 100, BIG)
    swarm.hasAll('fast')
    expect(swarm.orders(100)).toEqual([])
    expect(swarm.abandoned()).toEqual([])
    swarm.leave('slow')
    expect(swarm.orders(101).map(({ run }) => run)).toEqual([{ first: 0, count: 1 }])
  })

  test('is asked elsewhere only when the order of its silent holder is over', () => {
    const swarm = relays([5], 'a', 'b')
    swarm.hasAll('a')
    const [order] = swarm.orders(0)
    if (!order) throw new Error('it is asked')
    swarm.orders(700)
    expect(swarm.abandoned()).toEqual([]) // nobody else has it: it may wake yet
    swarm.hasAll('b')
    expect(swarm.orders(701)).toEqual([])
    expect(swarm.abandoned()).toEqual([order])
    expect(swarm.orders(702)).toEqual([])
    expect(swarm.abandoned()).toEqual([])
    swarm.ended(order)
    expect(swarm.orders(703).map(({ holder }) => holder)).toEqual(['b'])
  })

  test('is not written by two when a holder chooses what was asked elsewhere meanwhile', () => {
    const swarm = relays([5, 6, 7, 8, 9], 'a', 'b')
    swarm.hasAll('a')
    const orders = swarm.orders(0)
    const order = first(orders)
    const last = orders.at(-1)
    if (!last) throw new Error('there are several')
    const meanwhile = last.run.first
    expect(bitsOf(order)).toContain(meanwhile)
    expect(swarm.began(order, { first: meanwhile, count: 1 })).toBe(true)
    expect(swarm.abandoned()).toEqual([order])
    swarm.ended(order)
    expect(swarm.began(last, last.run)).toBe(true)
    expect(swarm.abandoned()).toEqual([])
    const small = swarmOf(10, ['a', 'b'])
    const [early, next] = small.orders(0)
    if (!early || !next) throw new Error('there are several')
    expect(small.began(early, next.run)).toBe(true)
    expect(small.abandoned()).toEqual([])
  })
})
