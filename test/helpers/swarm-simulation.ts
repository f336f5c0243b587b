/**
 * A network in simulated time, for the decisions of a swarm: fluid links that are shared max-min, nothing else costs anything but the
 * latency and a little for each request. The same seed gives the same run.
 */
import { PieceSet } from '../../src/store/piece-set.ts'
import { pieceCountOf, type Run, runBytes } from '../../src/store/pieces.ts'
import { chooseRun, PieceCounts } from '../../src/transfer/giving-choice.ts'
import { type Order, Swarm } from '../../src/transfer/swarm.ts'
import { seeded } from './faults.ts'

/** What Ethernet, IP and TCP leave of a line for the payload. */
export const WIRE_SHARE = 0.956
const BYTES_PER_MS_OF_MBIT = 125
const REQUEST_MS = 0.3
const VERIFY_MS = 0.3
const GATHER_MS = 10
/** What arrived of a piece is told this often. */
const PROGRESS_MS = 10
const TICK_MS = 100
/** Less than this is read to its end rather than closed. */
const WORTH_CLOSING_BYTES = 64 * 1024

export interface SimulatedNode {
  readonly full: boolean
  /** Both ways, unless said otherwise. */
  readonly mbit?: number
  readonly upMbit?: number
  readonly downMbit?: number
  /** When it begins to ask. */
  readonly fromMs?: number
  readonly diesMs?: number
  /** While it gives nothing. */
  readonly stalls?: { readonly fromMs: number; readonly toMs: number }
}

export interface SimulationOptions {
  readonly size: number
  readonly nodes: readonly SimulatedNode[]
  readonly seed: number
  /** One way. */
  readonly latencyMs?: number
  readonly limitMs?: number
}

export interface Simulated {
  /** Of each node, when it had everything; undefined for the others. */
  readonly doneMs: readonly (number | undefined)[]
  /** Of each node. */
  readonly sentBytes: readonly number[]
  /** Bytes that came to those who had them already. */
  readonly spareBytes: number
  readonly orders: number
}

/** What one node asks another over one connection: answered in order, one at a time. */
interface Line {
  readonly from: Node
  readonly to: Node
  waiting: Order[]
  current: Answer | undefined
  /** Answers of earlier ones are not for it. */
  closed: boolean
  bytesPerMs: number
}

interface Answer {
  readonly order: Order
  readonly run: Run
  /** Piece that flows now. */
  piece: number
  leftBytes: number
  /** Sent of the run, and told of it to who asked. */
  sentBytes: number
  toldBytes: number
}

interface Node {
  readonly index: number
  readonly name: string
  readonly is: SimulatedNode
  readonly swarm: Swarm
  readonly here: PieceSet
  readonly given: PieceCounts
  /** To whom it gives, by index. */
  readonly lines: Map<number, Line>
  readonly followers: Set<Node>
  news: number[]
  alive: boolean
  doneMs: number | undefined
  sentBytes: number
}

export const simulateSwarm = (options: SimulationOptions): Simulated => new Simulation(options).run()

class Simulation {
  readonly #options: Required<SimulationOptions>
  readonly #nodes: Node[]
  readonly #lines = new Set<Line>()
  readonly #events = new Events()
  #nowMs = 0
  /** Who shares the links changed. */
  #changed = true
  #spareBytes = 0
  #orders = 0

  constructor(options: SimulationOptions) {
    this.#options = { latencyMs: 1, limitMs: 120_000, ...options }
    const count = pieceCountOf(options.size)
    const random = seeded(options.seed)
    this.#nodes = options.nodes.map((is, index) => {
      const here = is.full ? PieceSet.full(count) : new PieceSet(count)
      const swarm = new Swarm({ size: options.size, have: here, random })
      const given = new PieceCounts(count)
      const known = {
        lines: new Map(),
        followers: new Set<Node>(),
        news: [],
        alive: true,
        doneMs: undefined,
        sentBytes: 0,
      }
      return { index, name: `${index}`, is, swarm, here, given, ...known }
    })
  }

  run(): Simulated {
    for (const node of this.#nodes) {
      const { full, fromMs = 0, diesMs, stalls } = node.is
      if (!full) this.#events.add(fromMs, () => this.#start(node))
      if (diesMs !== undefined) this.#events.add(diesMs, () => this.#die(node))
      if (stalls) for (const at of [stalls.fromMs, stalls.toMs]) this.#events.add(at, () => this.#share())
    }
    while (this.#nodes.some(({ alive, is, doneMs }) => alive && !is.full && doneMs === undefined)) {
      if (this.#changed) this.#share()
      const flow = this.#firstEnd()
      const next = Math.min(flow?.atMs ?? Number.POSITIVE_INFINITY, this.#events.nextMs)
      if (next > this.#options.limitMs) break
      this.#flow(next)
      if (flow && flow.atMs <= next) this.#pieceSent(flow.line)
      else this.#events.take()()
    }
    return {
      doneMs: this.#nodes.map(({ doneMs }) => doneMs),
      sentBytes: this.#nodes.map(({ sentBytes }) => sentBytes),
      spareBytes: this.#spareBytes,
      orders: this.#orders,
    }
  }

  #later(ms: number, what: () => void): void {
    this.#events.add(this.#nowMs + ms, what)
  }

  // Who knows whom

  #start(node: Node): void {
    for (const holder of this.#nodes) if (holder.is.full) this.#follow(node, holder)
    const tick = (every: number, what: () => void) => {
      if (!node.alive || node.doneMs !== undefined) return
      what()
      this.#later(every, () => tick(every, what))
    }
    tick(TICK_MS, () => this.#ask(node))
    tick(PROGRESS_MS, () => this.#progress(node))
  }

  #follow(node: Node, holder: Node): void {
    if (node === holder || node.is.full || !node.alive || !holder.alive || holder.followers.has(node)) return
    const { latencyMs } = this.#options
    node.swarm.join(holder.name)
    this.#later(latencyMs, () => {
      for (const other of holder.followers) {
        this.#later(latencyMs, () => this.#follow(other, node))
        this.#later(latencyMs, () => this.#follow(node, other))
      }
      holder.followers.add(node)
      const bits = PieceSet.from(holder.here.toBytes(), holder.here.length)
      this.#later(latencyMs, () => {
        if (holder.is.full) node.swarm.hasAll(holder.name)
        else if (bits) node.swarm.hasBits(holder.name, bits)
        this.#ask(node)
      })
      this.#later(latencyMs, () => this.#follow(holder, node))
    })
  }

  #tell(node: Node): void {
    const news = node.news
    node.news = []
    for (const follower of node.followers) {
      this.#later(this.#options.latencyMs, () => {
        follower.swarm.hasNew(node.name, news)
        this.#ask(follower)
      })
    }
  }

  #die(node: Node): void {
    node.alive = false
    for (const line of [...this.#lines]) if (line.from === node || line.to === node) this.#close(line)
    for (const other of this.#nodes) {
      other.followers.delete(node)
      this.#later(this.#options.latencyMs, () => {
        other.swarm.leave(node.name)
        this.#ask(other)
      })
    }
  }

  // Asking and answering

  #ask(node: Node): void {
    if (!node.alive || node.doneMs !== undefined) return
    for (const order of node.swarm.orders(this.#nowMs)) {
      this.#orders += 1
      const holder = this.#nodes[Number(order.holder)]
      if (!holder) continue
      const line = this.#line(holder, node)
      this.#later(this.#options.latencyMs, () => {
        if (line.closed) return
        line.waiting.push(order)
        this.#answer(line)
      })
    }
    for (const order of node.swarm.abandoned()) this.#drop(node, order)
  }

  #line(from: Node, to: Node): Line {
    const known = from.lines.get(to.index)
    if (known) return known
    const line: Line = { from, to, waiting: [], current: undefined, closed: false, bytesPerMs: 0 }
    from.lines.set(to.index, line)
    return line
  }

  #answer(line: Line): void {
    if (line.current || line.closed) return
    const order = line.waiting.shift()
    if (!order) return
    const { from, to } = line
    const run = this.#choose(line, order)
    from.given.begin(to.name, run)
    const answer: Answer = {
      order,
      run,
      piece: run.first,
      leftBytes: this.#bytes(run.first),
      sentBytes: 0,
      toldBytes: 0,
    }
    line.current = answer
    this.#later(REQUEST_MS, () => {
      if (line.closed) return
      this.#lines.add(line)
      this.#changed = true
      this.#later(this.#options.latencyMs, () => {
        if (!line.closed && !to.swarm.began(order, run)) throw new Error(`not asked: ${JSON.stringify(run)}`)
      })
    })
  }

  /** A relay gives what was asked. */
  #choose({ from, to }: Line, { run, want }: Order): Run {
    return from.is.full && want ? chooseRun(from.given, to.name, run, want) : run
  }

  /** A piece has left the holder. */
  #pieceSent(line: Line): void {
    const { current, to } = line
    if (!current) return
    const { order, piece, run, sentBytes } = current
    const last = piece === run.first + run.count - 1
    this.#later(this.#options.latencyMs, () => {
      if (line.closed) return
      this.#received(to, current, sentBytes)
      this.#pieceCame(to, order, piece)
      if (last) to.swarm.ended(order)
      this.#ask(to)
    })
    if (!last) {
      current.piece += 1
      current.leftBytes = this.#bytes(current.piece)
      return
    }
    line.current = undefined
    line.from.given.end(to.name, run, true)
    this.#lines.delete(line)
    this.#changed = true
    this.#answer(line)
  }

  #received({ swarm }: Node, answer: Answer, untilBytes: number): void {
    if (untilBytes <= answer.toldBytes) return
    swarm.received(answer.order, untilBytes - answer.toldBytes, this.#nowMs)
    answer.toldBytes = untilBytes
  }

  #progress(node: Node): void {
    for (const line of this.#lines) {
      if (line.to !== node || !line.current) continue
      const { current } = line
      const sent = current.sentBytes
      this.#later(this.#options.latencyMs, () => {
        if (!line.closed) this.#received(node, current, sent)
      })
    }
  }

  #pieceCame(node: Node, order: Order, piece: number): void {
    if (!node.swarm.arrived(order, piece)) {
      this.#spareBytes += this.#bytes(piece)
      return
    }
    this.#later(VERIFY_MS, () => {
      if (!node.alive) return
      node.here.add(piece)
      if (node.news.length === 0) this.#later(GATHER_MS, () => this.#tell(node))
      node.news.push(piece)
      for (const spare of node.swarm.verified(piece)) {
        if (node.swarm.inFlight(spare.holder) === 1 && node.swarm.spare(spare) > WORTH_CLOSING_BYTES)
          this.#drop(node, spare)
      }
      if (node.swarm.done) node.doneMs = this.#nowMs
      this.#ask(node)
    })
  }

  /** Close the connection of an order, with everything on it. */
  #drop(node: Node, order: Order): void {
    const line = this.#nodes[Number(order.holder)]?.lines.get(node.index)
    if (line) this.#close(line)
    node.swarm.ended(order)
  }

  #close(line: Line): void {
    const { from, to, current, waiting } = line
    line.closed = true
    from.lines.delete(to.index)
    this.#changed = this.#lines.delete(line) || this.#changed
    if (current) {
      this.#spareBytes += this.#bytes(current.piece) - current.leftBytes
      from.given.end(to.name, current.run, false)
    }
    for (const { order } of [...(current ? [current] : []), ...waiting.map((order) => ({ order }))])
      to.swarm.ended(order)
  }

  // Fluid

  #bytes(piece: number): number {
    return runBytes(this.#options.size, { first: piece, count: 1 }).bytes
  }

  /** Each line gets as much as it can without taking from one that has less. */
  #share(): void {
    this.#changed = false
    const links = this.#nodes.flatMap(({ is }) => [capacity(this.#up(is)), capacity(is.downMbit ?? is.mbit ?? 100)])
    const users = links.map(() => 0)
    let left = [...this.#lines].map((line) => ({ line, up: line.from.index * 2, down: line.to.index * 2 + 1 }))
    for (const { up, down } of left) {
      users[up] = (users[up] ?? 0) + 1
      users[down] = (users[down] ?? 0) + 1
    }
    while (left.length > 0) {
      let share = Number.POSITIVE_INFINITY
      for (let link = 0; link < links.length; link++) {
        if ((users[link] ?? 0) > 0) share = Math.min(share, (links[link] ?? 0) / (users[link] ?? 1))
      }
      const full = links.map(
        (bytesPerMs, link) => (users[link] ?? 0) > 0 && bytesPerMs / (users[link] ?? 1) <= share * (1 + 1e-9),
      )
      const rest: typeof left = []
      for (const flow of left) {
        if (!full[flow.up] && !full[flow.down]) {
          rest.push(flow)
          continue
        }
        flow.line.bytesPerMs = share
        for (const link of [flow.up, flow.down]) {
          links[link] = Math.max(0, (links[link] ?? 0) - share)
          users[link] = (users[link] ?? 0) - 1
        }
      }
      left = rest
    }
  }

  #up({ upMbit, mbit = 100, stalls }: SimulatedNode): number {
    return stalls && this.#nowMs >= stalls.fromMs && this.#nowMs < stalls.toMs ? 0 : (upMbit ?? mbit)
  }

  #firstEnd(): { readonly atMs: number; readonly line: Line } | undefined {
    let first: { atMs: number; line: Line } | undefined
    for (const line of this.#lines) {
      if (line.bytesPerMs <= 0 || !line.current) continue
      const atMs = this.#nowMs + Math.max(0, line.current.leftBytes) / line.bytesPerMs
      if (!first || atMs < first.atMs) first = { atMs, line }
    }
    return first
  }

  #flow(toMs: number): void {
    const ms = toMs - this.#nowMs
    this.#nowMs = toMs
    if (ms === 0) return
    for (const { current, bytesPerMs, from } of this.#lines) {
      if (!current) continue
      const bytes = bytesPerMs * ms
      current.leftBytes -= bytes
      current.sentBytes += bytes
      from.sentBytes += bytes
    }
  }
}

const capacity = (mbit: number): number => mbit * BYTES_PER_MS_OF_MBIT * WIRE_SHARE

/** What happens when; of the same time, what was said first. */
class Events {
  readonly #heap: { readonly atMs: number; readonly id: number; readonly what: () => void }[] = []
  #lastId = 0

  get nextMs(): number {
    return this.#heap[0]?.atMs ?? Number.POSITIVE_INFINITY
  }

  add(atMs: number, what: () => void): void {
    const heap = this.#heap
    const event = { atMs, id: ++this.#lastId, what }
    let at = heap.push(event) - 1
    for (let up = (at - 1) >> 1; at > 0 && this.#before(event, up); up = (at - 1) >> 1) {
      const parent = heap[up]
      if (parent) heap[at] = parent
      at = up
    }
    heap[at] = event
  }

  take(): () => void {
    const heap = this.#heap
    const [first] = heap
    const last = heap.pop()
    if (!first || !last) return () => {}
    if (heap.length === 0) return first.what
    let at = 0
    for (;;) {
      let down = 2 * at + 1
      const [left, right] = [heap[down], heap[down + 1]]
      if (left && right && this.#before(right, down)) down += 1
      const child = heap[down]
      if (!child || this.#before(last, down)) break
      heap[at] = child
      at = down
    }
    heap[at] = last
    return first.what
  }

  #before(event: { readonly atMs: number; readonly id: number }, at: number): boolean {
    const other = this.#heap[at]
    return !other || event.atMs < other.atMs || (event.atMs === other.atMs && event.id < other.id)
  }
}
