import { describe, expect, test } from 'vitest'
import { PieceSet } from '../../../src/store/piece-set.ts'
import { pieceBytesOf } from '../../../src/store/pieces.ts'
import { type Order, Swarm } from '../../../src/transfer/swarm.ts'
import { seeded } from '../../helpers/faults.ts'
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

describe('who is asked', () => {
  test('nobody of whom nothing is known', () => {
    const swarm = swarmOf(10)
    swarm.join('ann')
    expect(swarm.orders(0)).toEqual([])
    expect(swarm.usable()).toBe(0)
    swarm.hasAll('ann')
    expect(swarm.usable()).toBe(1)
    expect(swarm.orders(0).length).toBe(2)
    swarm.hasAll('stranger')
    swarm.hasNew('stranger', [1])
    swarm.hasBits('stranger', setOf(10, [1]))
    expect(swarm.orders(0)).toEqual([])
  })

  test('a relay, as soon as it tells of a piece that is needed', () => {
    const swarm = swarmOf(10)
    swarm.join('ann')
    swarm.hasBits('ann', new PieceSet(10))
    expect(swarm.orders(0)).toEqual([])
    swarm.hasNew('ann', [7, -1, 10, 1_000_000])
    expect(swarm.usable()).toBe(1)
    expect(swarm.orders(1).map(({ run }) => run)).toEqual([{ first: 7, count: 1 }])
    expect(swarm.orders(2)).toEqual([])
  })

  test('with about eight orders in flight in all, at least one and at most four a holder', () => {
    for (const [holders, each] of [
      [2, 4],
      [3, 3],
      [4, 2],
      [7, 2],
      [8, 1],
      [20, 1],
    ] as const) {
      const names = range(0, holders).map(String)
      const swarm = swarmOf(1_000, names)
      swarm.orders(0)
      expect(
        names.map((name) => swarm.inFlight(name)),
        `${holders}`,
      ).toEqual(names.map(() => each))
      expect(swarm.orders(1)).toEqual([])
    }
  })

  test('holders that have nothing needed do not count', () => {
    const swarm = swarmOf(1_000, ['full'])
    for (const name of range(0, 10)) {
      swarm.join(`${name}`)
      swarm.hasBits(`${name}`, new PieceSet(1_000))
    }
    expect(swarm.usable()).toBe(1)
    expect(swarm.orders(0).length).toBe(4)
  })

  test('first who has the fewest in flight; of equals always in the same drawn order', () => {
    const swarm = swarmOf(3, ['a', 'b', 'c', 'd', 'e'], seeded(7))
    const once = swarm.orders(0)
    expect(new Set(once.map(({ holder }) => holder)).size).toBe(3)
    for (const order of once) {
      swarm.began(order, order.run)
      swarm.ended(order)
    }
    const again = swarm.orders(1)
    expect(again.map(({ holder }) => holder)).toEqual(once.map(({ holder }) => holder))
    const [one, two, three] = again
    if (!one || !two || !three) throw new Error('there are three')
    // One of them is free again: those that have none in flight come before those that have one.
    swarm.began(one, one.run)
    swarm.ended(one)
    const next = swarm.orders(2)
    expect(next.length).toBe(1)
    expect([two.holder, three.holder]).not.toContain(first(next).holder)
    const others = range(0, 12).map((seed) => swarmOf(3, ['a', 'b', 'c', 'd', 'e'], seeded(seed)).orders(0)[0]?.holder)
    expect(new Set(others).size).toBeGreaterThan(2)
  })

  test('who refuses is asked again after 100 ms, not at once', () => {
    const swarm = swarmOf(100, ['a'])
    for (const order of swarm.orders(1_000)) swarm.ended(order)
    expect(swarm.orders(1_000)).toEqual([])
    expect(swarm.orders(1_099)).toEqual([])
    expect(swarm.orders(1_100).length).toBe(2)
  })
})

describe('which pieces', () => {
  test('those that fewest relays have', () => {
    const swarm = swarmOf(4, ['full'])
    swarm.join('a')
    swarm.hasBits('a', setOf(4, [0, 1, 3]))
    swarm.join('b')
    swarm.hasBits('b', setOf(4, [0]))
    swarm.hasNew('b', [3])
    const asked = swarm.orders(0)
    expect(first(byHolder(asked, 'full')).run.first).toBe(2)
    swarm.leave('b')
    for (const order of asked) swarm.ended(order)
    // Without b piece 0 is no more frequent than the others.
    expect(first(byHolder(swarm.orders(200), 'a')).run.first).toBe(0)
  })

  test('of equally rare ones one of the 32 lowest', () => {
    const firsts = range(0, 400).map((seed) => {
      const random = seeded(seed)
      random() // neighbouring seeds begin alike
      return first(swarmOf(100, ['a', 'b'], random).orders(0)).run.first
    })
    expect(Math.min(...firsts)).toBe(0)
    expect(Math.max(...firsts)).toBe(31)
    expect(new Set(firsts).size).toBeGreaterThan(24)
  })

  test('one at a time from several, more from a fast one, eight at most, and whole runs of that length', () => {
    for (const [bytesPerMs, count] of [
      [1_000, 1],
      [12_500, 2],
      [30_000, 5],
      [1_000_000, 8],
    ] as const) {
      let chance = 0.99
      const swarm = swarmOf(1_000, ['a', 'b'], () => chance)
      const order = first(byHolder(swarm.orders(0), 'a'))
      expect(order.run.count).toBe(1)
      swarm.began(order, order.run)
      rated(swarm, order, bytesPerMs, 0, 100)
      swarm.ended(order)
      // Piece 13 is drawn: it is asked with its neighbours.
      chance = 13.5 / 32
      const run = { first: Math.floor(13 / count) * count, count }
      expect(first(byHolder(swarm.orders(100), 'a')).run, `${bytesPerMs}`).toEqual(run)
    }
  })

  test('a run ends before a piece that is here, in flight, or not at that holder', () => {
    const swarm = new Swarm({ size: 200 * PIECE, have: setOf(200, [3]), random: () => 0 })
    swarm.join('a')
    swarm.hasBits('a', setOf(200, [...range(0, 7), ...range(8, 192)]))
    swarm.join('b')
    swarm.hasBits('b', setOf(200, [199]))
    const orders = swarm.orders(0)
    const order = first(byHolder(orders, 'a'))
    swarm.began(order, order.run)
    rated(swarm, order, 1_000_000, 0, 100)
    for (const each of byHolder(orders, 'a')) swarm.ended(each)
    const runs = swarm.orders(300).map(({ run }) => run)
    expect(runs).toEqual([
      { first: 0, count: 3 },
      { first: 4, count: 3 },
      { first: 8, count: 8 },
      { first: 16, count: 8 },
    ])
  })

  test('shorter runs at the end, so that all end at about the same time', () => {
    const swarm = swarmOf(16, ['a', 'b'])
    const orders = swarm.orders(0)
    for (const holder of ['a', 'b']) {
      const order = first(byHolder(orders, holder))
      swarm.began(order, order.run)
      rated(swarm, order, 1_000_000, 0, 100)
    }
    for (const order of orders) {
      swarm.began(order, order.run)
      swarm.ended(order)
    }
    expect(swarm.orders(100).map(({ run }) => run.count)).toEqual([4, 3, 3, 2, 1, 1, 1, 1])
  })

  test('from one alone in their order, two orders in flight, in runs that grow to what it gives in 20 ms', () => {
    const swarm = swarmOf(10_000, ['a'], seeded(3))
    let nowMs = 0
    let next = 0
    const lengths: number[] = []
    const waiting = [...swarm.orders(nowMs)]
    for (let round = 0; round < 60; round++) {
      expect(waiting.length).toBe(2)
      const order = waiting.shift()
      if (!order) break
      expect(order.run.first).toBe(next)
      next += order.run.count
      lengths.push(order.run.count)
      nowMs += order.run.count / 4 // 500 MiB/s
      give(swarm, order, nowMs)
      waiting.push(...swarm.orders(nowMs))
    }
    expect(lengths.slice(0, 6)).toEqual([1, 1, 2, 3, 5, 8])
    expect(Math.max(...lengths)).toBe(64)
    expect(lengths.at(-1)).toBe(64)
  })

  test('from a slow one alone in runs of eight', () => {
    const swarm = swarmOf(1_000, ['a'])
    const lengths = range(1, 30).map((round) => {
      const order = first(swarm.orders(round * 1_000))
      give(swarm, order, round * 1_000 + 500)
      return order.run.count
    })
    expect(Math.max(...lengths)).toBe(8)
    expect(lengths.at(-1)).toBe(8)
  })

  test('never more than 64 MiB in a run, but always one piece', () => {
    for (const [pieceBytes, most] of [
      [4 * MIB, 16],
      [64 * MIB, 1],
      [128 * MIB, 1],
    ] as const) {
      const size = pieceBytes * 16_384
      expect(pieceBytesOf(size)).toBe(pieceBytes)
      const swarm = almost(size, range(0, 400), ['a'])
      let nowMs = 0
      let longest = 0
      for (let round = 0; round < 14 && !swarm.done; round++) {
        const order = first(swarm.orders(nowMs))
        nowMs += order.run.count
        give(swarm, order, nowMs, pieceBytes)
        longest = Math.max(longest, order.run.count)
      }
      expect(longest).toBe(most)
    }
  })

  test('whoever joins the one alone makes them several', () => {
    const swarm = swarmOf(1_000, ['a'])
    expect(swarm.orders(0).length).toBe(2)
    swarm.join('b')
    expect(swarm.orders(1).length).toBe(2)
    expect(swarm.inFlight('a')).toBe(4)
  })
})

describe('what is as welcome', () => {
  test('is told to full holders, when there is anybody else', () => {
    expect(
      swarmOf(100, ['a'])
        .orders(0)
        .every(({ want }) => want === undefined),
    ).toBe(true)
    const swarm = swarmOf(100, ['a'])
    swarm.join('b')
    swarm.hasBits('b', setOf(100, range(0, 100)))
    const orders = swarm.orders(0)
    expect(byHolder(orders, 'a').every(({ want }) => want !== undefined)).toBe(true)
    expect(byHolder(orders, 'b').every(({ want }) => want === undefined)).toBe(true)
  })

  test('is what is neither here, nor in flight, nor arrived', () => {
    const swarm = new Swarm({ size: 100 * PIECE, have: setOf(100, [0, 1, 50]), random: seeded(1) })
    for (const holder of ['a', 'b']) {
      swarm.join(holder)
      swarm.hasAll(holder)
    }
    const [order, ...others] = swarm.orders(0)
    if (!order) throw new Error('there are eight')
    swarm.began(order, order.run)
    swarm.arrived(order, order.run.first)
    swarm.ended(order)
    const asked = new Set([0, 1, 50, ...[order, ...others].flatMap(({ run }) => piecesOf(run))])
    const next = first(swarm.orders(1))
    expect(bitsOf(next)).toEqual(range(0, 100).filter((piece) => !asked.has(piece)))
    expect(next.want?.bits.at(-1)).not.toBe(0)
  })

  test('is at most 4,096 pieces from about the first missing one on', () => {
    const swarm = new Swarm({ size: 10_000 * PIECE, have: setOf(10_000, range(0, 1_003)) })
    for (const holder of ['a', 'b']) {
      swarm.join(holder)
      swarm.hasAll(holder)
    }
    const order = first(swarm.orders(0))
    const bits = bitsOf(order)
    expect(bits[0]).toBe(1_003)
    expect(order.want?.bits.length).toBeLessThanOrEqual(512)
    expect(bits.length).toBeGreaterThan(4_096 - 32)
  })

  test('is not told when nothing else is free', () => {
    const swarm = swarmOf(1, ['a', 'b'])
    expect(swarm.orders(0).map(({ want }) => want)).toEqual([undefined])
  })
})

describe('the answer', () => {
  const two = (): { swarm: Swarm; order: Order; orders: readonly Order[] } => {
    const swarm = swarmOf(100, ['a', 'b'])
    const orders = swarm.orders(0)
    return { swarm, order: first(byHolder(orders, 'a')), orders }
  }

  test('may be other pieces that are wanted: the proposal is free again, these are in flight', () => {
    const { swarm, order, orders } = two()
    const { first: proposed } = order.run
    const other = first(bitsOf(order).filter((piece) => piece > 90))
    expect(swarm.began(order, { first: other, count: 1 })).toBe(true)
    expect(swarm.orders(0)).toEqual([])
    const makesRoom = first(orders.filter(({ id }) => id !== order.id))
    swarm.began(makesRoom, makesRoom.run)
    swarm.arrived(makesRoom, makesRoom.run.first)
    swarm.ended(makesRoom)
    // The lowest free one is what was proposed.
    const next = first(swarm.orders(0))
    expect(next.run.first).toBe(proposed)
    expect(bitsOf(next)).not.toContain(other)
  })

  test('may not be what was neither proposed nor wanted, nor more than was proposed', () => {
    const { swarm, order } = two()
    const { first: proposed } = order.run
    for (const run of [
      { first: proposed, count: 2 },
      { first: proposed, count: 0 },
      { first: 101, count: 1 },
      { first: -1, count: 1 },
      { first: 1, count: 1_000 },
    ]) {
      expect(swarm.began(order, run), JSON.stringify(run)).toBe(false)
    }
    const relay = swarmOf(100)
    for (const name of ['a', 'b']) {
      relay.join(name)
      relay.hasBits(name, setOf(100, range(0, 100)))
    }
    const plain = first(relay.orders(0))
    expect(relay.began(plain, { first: 90, count: 1 })).toBe(false)
    expect(relay.began(plain, plain.run)).toBe(true)
  })

  test('may be the beginning of the proposal: the rest is free again', () => {
    const swarm = swarmOf(100, ['a'])
    for (let nowMs = 0; nowMs < 8; nowMs++) give(swarm, first(swarm.orders(nowMs)), nowMs)
    const order = swarm.orders(10).find(({ run }) => run.count >= 4)
    if (!order) throw new Error('runs have grown')
    expect(swarm.began(order, { first: order.run.first, count: 2 })).toBe(true)
    expect(swarm.spare(order)).toBe(2 * PIECE)
    swarm.ended(first(swarm.orders(10).concat(order)))
    expect(swarm.began(order, order.run)).toBe(true) // over: nothing follows from it
    expect(first(swarm.orders(200)).run.first).toBeLessThanOrEqual(order.run.first)
  })

  test('says how much of it is still to come', () => {
    const size = 2 * PIECE + 1_000
    const swarm = new Swarm({ size, have: setOf(3, [0, 1]) })
    swarm.join('a')
    swarm.hasAll('a')
    const order = first(swarm.orders(0))
    expect(order.run).toEqual({ first: 2, count: 1 })
    expect(swarm.spare(order)).toBe(1_000)
    swarm.began(order, order.run)
    swarm.received(order, 400, 1)
    expect(swarm.spare(order)).toBe(600)
    swarm.ended(order)
    expect(swarm.spare(order)).toBe(0)
  })

  test('that breaks off leaves its pieces free', () => {
    const swarm = swarmOf(2, ['a', 'b'])
    const [order] = swarm.orders(0)
    if (!order) throw new Error('there are two')
    swarm.began(order, order.run)
    swarm.received(order, 1_000, 1)
    swarm.ended(order)
    swarm.ended(order)
    expect(swarm.orders(2).map(({ run }) => run)).toEqual([order.run])
  })

  test('of a holder that leaves is over, and its pieces are free at once', () => {
    const swarm = swarmOf(4, ['a'])
    swarm.join('b')
    swarm.hasBits('b', setOf(4, [0, 1, 2, 3]))
    const orders = swarm.orders(0)
    expect(orders.length).toBe(4)
    swarm.leave('a')
    swarm.leave('a')
    for (const order of byHolder(orders, 'a')) {
      expect(swarm.began(order, order.run)).toBe(true)
      swarm.received(order, PIECE, 1)
      swarm.ended(order)
    }
    swarm.orders(1)
    expect(swarm.inFlight('a')).toBe(0)
    expect(swarm.inFlight('b')).toBe(2) // alone now
    expect(swarm.usable()).toBe(1)
  })
})

describe('a piece', () => {
  test('that arrived is not asked again, unless it was wrong', () => {
    const swarm = swarmOf(1, ['a', 'b'])
    const order = first(swarm.orders(0))
    swarm.began(order, order.run)
    swarm.received(order, PIECE, 1)
    expect(swarm.arrived(order, 0)).toBe(true)
    swarm.ended(order)
    expect(swarm.remaining).toBe(0)
    expect(swarm.done).toBe(false)
    expect(swarm.orders(1)).toEqual([])
    swarm.rejected(0)
    swarm.leave(order.holder)
    expect(swarm.remaining).toBe(1)
    const again = first(swarm.orders(2))
    expect(again.holder).not.toBe(order.holder)
    give(swarm, again, 3)
    expect(swarm.done).toBe(true)
    expect(swarm.orders(4)).toEqual([])
  })

  test('of a relay counts as useful while it is missing', () => {
    const swarm = swarmOf(2)
    swarm.join('a')
    swarm.hasNew('a', [0])
    expect(swarm.usable()).toBe(1)
    const order = first(swarm.orders(0))
    swarm.began(order, order.run)
    swarm.arrived(order, 0)
    swarm.ended(order)
    expect(swarm.usable()).toBe(0)
    swarm.rejected(0)
    expect(swarm.usable()).toBe(1)
    swarm.hasBits('a', setOf(2, [1]))
    expect(swarm.usable()).toBe(1)
    expect(first(swarm.orders(1)).run.first).toBe(1)
  })

  test('is none of an empty content, and of a whole one nothing is asked', () => {
    for (const swarm of [
      new Swarm({ size: 0, have: new PieceSet(0) }),
      new Swarm({ size: 5, have: PieceSet.full(1) }),
    ]) {
      expect(swarm.done).toBe(true)
      swarm.join('a')
      swarm.hasAll('a')
      swarm.hasNew('a', [0])
      expect(swarm.orders(0)).toEqual([])
      expect(swarm.remaining).toBe(0)
    }
  })
})
