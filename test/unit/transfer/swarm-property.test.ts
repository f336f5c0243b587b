/** Whatever holders do, and whenever: no piece is lost, none is asked too often, and the end comes. */
import { expect, test } from 'vitest'
import { pieceBytesOf, pieceCountOf, type Run, runBytes } from '../../../src/store/pieces.ts'
import { type Order, Swarm } from '../../../src/transfer/swarm.ts'
import { fuzz, PATIENT, type Random } from '../../helpers/random.ts'
import { bitsOf, piecesOf, range, setOf } from './swarm-fixture.ts'

const MIB = 1024 * 1024

/** An order on its way, as the caller sees it. */
interface Way {
  readonly order: Order
  began: boolean
  run: Run
  /** Its pieces that did not come whole yet. */
  left: number[]
}

/** A caller and its holders, both of whom do what chance has them do, and a reckoning of their own beside the swarm's. */
class Driver {
  readonly #random: Random
  readonly #size: number
  readonly #count: number
  readonly #swarm: Swarm
  readonly #here: Set<number>
  /** Came whole, and is being verified; from whom. */
  readonly #arrived = new Map<number, string>()
  readonly #ways = new Map<number, Way>()
  readonly #holders = new Map<string, { readonly full: boolean; readonly has: Set<number>; mute: boolean }>()
  #nowMs = 0
  #names = 0

  constructor(random: Random, size: number, missing: number) {
    this.#random = random
    this.#size = size
    this.#count = pieceCountOf(size)
    const start = random.int(this.#count - missing + 1)
    const absent = new Set(range(start, missing))
    this.#here = new Set(range(0, this.#count).filter((piece) => !absent.has(piece)))
    this.#swarm = new Swarm({
      size,
      have: setOf(this.#count, this.#here),
      random: () => random.int(1_000_000) / 1_000_000,
    })
  }

  run(steps: number): void {
    for (let step = 0; step < steps && !this.#swarm.done; step++) {
      this.#act()
      this.#look()
    }
    // One honest full holder among them is enough, even if nobody else ever does anything again.
    const honest = this.#join(true)
    for (const [name, holder] of this.#holders) if (name !== honest && this.#random.chance(0.5)) holder.mute = true
    for (let round = 0; !this.#swarm.done; round++) {
      if (round > 3_000) throw new Error(`no end: ${this.#swarm.remaining} missing, ${this.#ways.size} on their way`)
      this.#nowMs += this.#random.int(60)
      for (const way of [...this.#ways.values()]) if (!this.#holders.get(way.order.holder)?.mute) this.#whole(way)
      for (const piece of [...this.#arrived.keys()]) this.#verify(piece)
      this.#look()
    }
    expect(this.#here.size).toBe(this.#count)
    expect(this.#swarm.remaining).toBe(0)
    expect(this.#swarm.orders(this.#nowMs)).toEqual([])
  }

  #act(): void {
    const random = this.#random
    const ways = [...this.#ways.values()].filter(({ order }) => !this.#holders.get(order.holder)?.mute)
    const names = [...this.#holders.keys()]
    const kind = random.int(100)
    if (kind < 4 && names.length < 10) this.#join(random.chance(0.4))
    else if (kind < 6 && names.length > 0) this.#leave(random.pick(names))
    else if (kind < 12 && names.length > 0) this.#tell(random.pick(names))
    else if (kind < 15 && names.length > 0) this.#mute(random.pick(names))
    else if (kind < 25) this.#nowMs += random.int(random.chance(0.1) ? 1_500 : 100)
    else if (kind < 30 && this.#arrived.size > 0) this.#judge(random.pick([...this.#arrived.keys()]))
    else if (kind < 32 && ways.length > 0) this.#end(random.pick(ways))
    else if (ways.length > 0) this.#move(random.pick(ways))
  }

  #join(full: boolean): string {
    const name = `${++this.#names}`
    this.#swarm.join(name)
    if (full) this.#swarm.hasAll(name)
    this.#holders.set(name, { full, has: new Set(full ? range(0, this.#count) : []), mute: false })
    return name
  }

  #leave(name: string): void {
    this.#swarm.leave(name)
    this.#holders.delete(name)
    for (const [id, { order }] of this.#ways) if (order.holder === name) this.#ways.delete(id)
  }

  #tell(name: string): void {
    const holder = this.#holders.get(name)
    if (!holder || holder.full) return
    const from = this.#random.int(this.#count)
    const news = range(from - 2, this.#random.int(20)).concat(this.#random.chance(0.1) ? this.#count + 5 : [])
    const add = (pieces: number[]) => {
      for (const piece of pieces) if (piece >= 0 && piece < this.#count) holder.has.add(piece)
    }
    if (this.#random.chance(0.3)) {
      holder.has.clear()
      add(news)
      this.#swarm.hasBits(name, setOf(this.#count, holder.has))
    } else {
      add(news)
      this.#swarm.hasNew(name, news)
    }
  }

  #mute(name: string): void {
    const holder = this.#holders.get(name)
    if (holder) holder.mute = this.#random.chance(0.5)
  }

  /** The next thing that happens to an answer. */
  #move(way: Way): void {
    const { order } = way
    if (!way.began) {
      this.#begin(way)
      return
    }
    if (way.left.length === 0 || this.#random.chance(0.2)) {
      this.#swarm.received(order, this.#random.int(100_000), this.#nowMs)
      if (way.left.length === 0) this.#end(way)
      return
    }
    this.#arrive(way)
  }

  #begin(way: Way): void {
    const { order } = way
    const wants = bitsOf(order)
    let run = order.run
    const kind = this.#random.int(10)
    if (kind < 2) run = { first: run.first, count: 1 + this.#random.int(run.count) }
    else if (kind < 5 && wants.length > 0) run = { first: this.#random.pick(wants), count: 1 }
    else if (kind === 5) run = { first: this.#random.int(this.#count), count: 1 + this.#random.int(3) }
    const within = run.first === order.run.first && run.count <= order.run.count
    const wanted = run.count <= order.run.count && piecesOf(run).every((piece) => wants.includes(piece))
    expect(this.#swarm.began(order, run)).toBe(within || wanted)
    if (!within && !wanted) {
      this.#leave(order.holder)
      return
    }
    way.began = true
    way.run = run
    way.left = piecesOf(run)
    this.#close()
  }

  #arrive(way: Way): void {
    const piece = way.left.shift()
    if (piece === undefined) return
    this.#swarm.received(way.order, runBytes(this.#size, { first: piece, count: 1 }).bytes, this.#nowMs)
    const needed = !this.#here.has(piece) && !this.#arrived.has(piece)
    expect(this.#swarm.arrived(way.order, piece)).toBe(needed)
    if (needed) this.#arrived.set(piece, way.order.holder)
  }

  #whole(way: Way): void {
    if (!way.began) {
      expect(this.#swarm.began(way.order, way.order.run)).toBe(true)
      way.began = true
      this.#close()
    }
    if (!this.#ways.has(way.order.id)) return
    while (way.left.length > 0) this.#arrive(way)
    this.#end(way)
  }

  #end(way: Way): void {
    this.#swarm.ended(way.order)
    this.#ways.delete(way.order.id)
  }

  #judge(piece: number): void {
    if (this.#random.chance(0.9)) {
      this.#verify(piece)
      return
    }
    const from = this.#arrived.get(piece)
    this.#arrived.delete(piece)
    this.#swarm.rejected(piece)
    if (from) this.#leave(from)
  }

  #verify(piece: number): void {
    this.#arrived.delete(piece)
    this.#here.add(piece)
    for (const order of this.#swarm.verified(piece)) {
      const way = this.#ways.get(order.id)
      expect(way).toBeDefined()
      if (way?.began) expect(way.left.every((left) => this.#here.has(left))).toBe(true)
      if (way && this.#random.chance(0.5)) this.#end(way)
    }
  }

  #close(): void {
    for (const { id } of this.#swarm.abandoned()) {
      const way = this.#ways.get(id)
      if (way) this.#end(way)
    }
  }

  /** What the caller does after every event, and what must be true then. */
  #look(): void {
    const swarm = this.#swarm
    const silent = new Set(swarm.silent(this.#nowMs))
    const usable = swarm.usable()
    const alone = this.#holders.size === 1
    const most = alone ? 2 : Math.max(1, Math.min(4, Math.ceil(8 / usable)))
    const orders = swarm.orders(this.#nowMs)
    const asked = new Map<number, number>()
    const counts = () => {
      asked.clear()
      for (const { left } of this.#ways.values())
        for (const piece of left) asked.set(piece, (asked.get(piece) ?? 0) + 1)
    }
    const times = pieceBytesOf(this.#size) > MIB ? 1 : 2
    counts()
    for (const order of orders) {
      const holder = this.#holders.get(order.holder)
      if (!holder) throw new Error('nobody of that name')
      const pieces = piecesOf(order.run)
      expect(pieces.filter((piece) => !holder.has.has(piece))).toEqual([])
      expect(pieces.filter((piece) => this.#here.has(piece) || this.#arrived.has(piece))).toEqual([])
      expect(Math.max(...pieces.map((piece) => asked.get(piece) ?? 0))).toBeLessThan(times)
      if (order.want) this.#checkWant(order, holder.full && !alone, asked, silent)
      this.#ways.set(order.id, { order, began: false, run: order.run, left: pieces })
      counts()
    }
    for (const name of new Set(orders.map(({ holder }) => holder))) {
      const inFlight = [...this.#ways.values()].filter(({ order }) => order.holder === name).length
      expect(swarm.inFlight(name)).toBe(inFlight)
      expect(inFlight).toBeLessThanOrEqual(silent.has(name) ? 1 : most)
    }
    this.#close()
    expect(swarm.remaining).toBe(this.#count - this.#here.size - this.#arrived.size)
    expect(swarm.done).toBe(this.#here.size === this.#count)
  }

  /** It shows which pieces the swarm holds for free: every missing one that nobody brings, and none that a moving holder brings. */
  #checkWant(order: Order, may: boolean, asked: ReadonlyMap<number, number>, silent: ReadonlySet<string>): void {
    expect(may).toBe(true)
    const wants = new Set(bitsOf(order))
    const moving = new Set(
      [...this.#ways.values()].filter((way) => !silent.has(way.order.holder)).flatMap(({ left }) => left),
    )
    const missing = range(0, this.#count).filter((piece) => !this.#here.has(piece) && !this.#arrived.has(piece))
    const possible = new Set(missing.filter((piece) => !moving.has(piece)))
    expect([...wants].filter((piece) => !possible.has(piece))).toEqual([])
    expect(missing.filter((piece) => !asked.has(piece) && !wants.has(piece))).toEqual([])
  }
}

test('every piece comes, whatever holders do, as long as one of them has everything', PATIENT, async () => {
  await fuzz({ rounds: 60 }, (random) => {
    const size = (1 + random.int(120)) * 128 * 1024 - random.int(128 * 1024)
    const count = pieceCountOf(size)
    new Driver(random, size, random.chance(0.7) ? count : 1 + random.int(count)).run(random.int(1_500))
  })
})

test('so does every large one, and it is never in flight twice', PATIENT, async () => {
  await fuzz({ rounds: 10 }, (random) => {
    const size = (16 * 1024 + 1 + random.int(1_000)) * MIB
    new Driver(random, size, 1 + random.int(60)).run(random.int(800))
  })
})
