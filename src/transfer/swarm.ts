/** Which piece is asked from whom, and when: decisions only, no clock and no network of its own (PROTOCOL.md, "Contents and pieces"). */
import type { PieceSet } from '../store/piece-set.ts'
import { pieceBytesOf, pieceCountOf, type Run, runBytes } from '../store/pieces.ts'
import { AS_MANY, chooseOrder, isAnswer, type OrderLimits, type Situation } from './order-choice.ts'
import { PieceLedger } from './piece-ledger.ts'
import type { Flight, SwarmHolder } from './swarm-holder.ts'
import { SwarmHolders } from './swarm-holders.ts'

/** Orders in flight in all, about; shared among the holders, each of which gets 1 to 4. */
const ORDERS = 8
const ORDERS_PER_HOLDER = 4
/** With one holder alone: one that is answered and one that waits. */
const ORDERS_ALONE = 2
/** Who refuses is not asked again at once: it would be the same question at the pace of the network. */
const REFUSED_MS = 100
/** Two that write the same larger piece would disturb each other: it is in flight once. */
const TWICE_UP_TO_BYTES = 1024 * 1024

/** One request to one holder. */
export interface Order {
  readonly id: number
  readonly holder: string
  /** The proposal. */
  readonly run: Run
  /** What else is as welcome, for full holders: bit j of `bits` (highest bit first) is piece `first` + j. */
  readonly want: { readonly first: number; readonly bits: Uint8Array } | undefined
}

export interface SwarmOptions {
  /** Bytes of the content. */
  readonly size: number
  /** What is here already. */
  readonly have: PieceSet
  /** From 0 to below 1. */
  readonly random?: () => number
}

export class Swarm {
  readonly #size: number
  readonly #pieceBytes: number
  readonly #random: () => number
  readonly #pieces: PieceLedger
  readonly #holders: SwarmHolders
  readonly #flights = new Map<number, Flight>()
  #abandoned: Order[] = []
  #lastId = 0
  /** The latest time that anybody told. */
  #nowMs = 0

  constructor({ size, have, random = Math.random }: SwarmOptions) {
    this.#size = size
    this.#pieceBytes = pieceBytesOf(size)
    this.#random = random
    this.#pieces = new PieceLedger(pieceCountOf(size), have, this.#pieceBytes <= TWICE_UP_TO_BYTES)
    this.#holders = new SwarmHolders(this.#pieces, random)
  }

  /** All pieces are here. */
  get done(): boolean {
    return this.#pieces.done
  }

  /** Pieces neither here nor arrived. */
  get remaining(): number {
    return this.#pieces.missing
  }

  /** It may be used from now on, as soon as it says what it has. */
  join(holder: string): void {
    this.#holders.add(holder)
  }

  /** It is gone, or dropped: everything in flight there is free at once, and its orders are over. */
  leave(holder: string): void {
    const gone = this.#holders.get(holder)
    if (!gone) return
    for (const { order } of [...gone.flights]) this.ended(order)
    this.#holders.delete(gone)
  }

  hasAll(holder: string): void {
    const told = this.#holders.get(holder)
    if (told) this.#holders.hasAll(told)
  }

  /** It has these, and nothing else. */
  hasBits(holder: string, pieces: PieceSet): void {
    const told = this.#holders.get(holder)
    if (told) this.#holders.hasBits(told, pieces)
  }

  /** It has these too; those that do not exist are ignored. */
  hasNew(holder: string, pieces: readonly number[]): void {
    const told = this.#holders.get(holder)
    if (told) this.#holders.hasNew(told, pieces)
  }

  /**
   * What to ask now; each of them is in flight from here on. To be called after every event, and every 100 ms.
   * @param nowMs - monotonic, as everywhere here.
   * @param limitsOf - where little may come in, few do
   */
  orders(nowMs: number, limitsOf: (holder: string) => OrderLimits = () => AS_MANY): readonly Order[] {
    this.#nowMs = nowMs
    const { ranked: holders, usable } = this.#holders
    for (const holder of holders) if (holder.rate.passed(nowMs)) this.#stall(holder)
    const several = Math.max(1, Math.min(ORDERS_PER_HOLDER, Math.ceil(ORDERS / usable)))
    const most = holders.length === 1 ? ORDERS_ALONE : several
    const situation = {
      pieces: this.#pieces,
      pieceBytes: this.#pieceBytes,
      holders,
      usable,
      limitsOf,
      random: this.#random,
    }
    const orders: Order[] = []
    // Fewest in flight first; a silent one last and with one order, so that it does not take what others could bring.
    for (let flights = 0; flights < most; flights++) {
      for (const holder of holders) {
        const { all, each } = limitsOf(holder.name)
        if (flights >= each || this.#holders.moving >= all) continue
        if (holder.flights.length === flights && !holder.rate.silent) this.#ask(holder, situation, orders)
      }
    }
    for (const holder of holders) {
      if (holder.flights.length === 0 && holder.rate.silent) this.#ask(holder, situation, orders)
    }
    return orders
  }

  /** Orders to be closed because what they would bring must be asked elsewhere; each is told once. */
  abandoned(): readonly Order[] {
    const abandoned = this.#abandoned
    this.#abandoned = []
    return abandoned
  }

  /**
   * The head of an answer is here.
   * @param run - the pieces that really come.
   * @returns false when it is neither the beginning of the proposal nor wholly wanted: the holder misbehaves.
   */
  began(order: Order, run: Run): boolean {
    const flight = this.#flights.get(order.id)
    if (!flight) return true // over already: nothing follows from it
    if (!isAnswer(order, run)) return false
    flight.began = true
    const end = run.first + run.count
    for (const piece of [...flight.open]) if (piece < run.first || piece >= end) this.#pieces.drop(flight, piece)
    flight.run = run
    for (let piece = run.first; piece < end; piece++) {
      if (flight.open.has(piece)) continue
      // Meanwhile it may be here, or asked elsewhere: a small one comes once more than needed, two must not write a large one.
      if (this.#pieceBytes <= TWICE_UP_TO_BYTES || this.#pieces.open(piece)) this.#pieces.enter(flight, piece)
      else this.#abandon(flight)
    }
    return true
  }

  /** So many bytes more of the run are here. */
  received(order: Order, bytes: number, nowMs: number): void {
    this.#nowMs = nowMs
    const flight = this.#flights.get(order.id)
    if (!flight) return
    flight.received += bytes
    flight.holder.rate.received(bytes, nowMs)
    for (const woken of flight.holder.flights) this.#mark(woken, false)
  }

  /** Its answer is over: whole, broken off or refused. What did not arrive of it is free again. */
  ended(order: Order): void {
    const flight = this.#flights.get(order.id)
    if (!flight) return
    this.#flights.delete(order.id)
    const { flights, rate } = flight.holder
    flights.splice(flights.indexOf(flight), 1)
    for (const piece of [...flight.open]) this.#pieces.drop(flight, piece)
    if (flights.length === 0) rate.idle(this.#nowMs)
    if (!flight.began) flight.holder.restsUntilMs = this.#nowMs + REFUSED_MS
  }

  /**
   * A piece came whole and is being verified and written: it is not asked meanwhile.
   * @returns false when it was here, or arrived, already: nothing need be done with it.
   */
  arrived(order: Order, piece: number): boolean {
    const new_ = this.#pieces.arrived(piece)
    if (new_) this.#holders.missing(piece, -1)
    const flight = this.#flights.get(order.id)
    if (flight) {
      this.#pieces.drop(flight, piece)
      flight.holder.given += 1
    }
    return new_
  }

  /** It is here now. @returns the orders that carry nothing needed any more. */
  verified(piece: number): readonly Order[] {
    if (this.#pieces.here(piece)) this.#holders.missing(piece, -1)
    const flying = this.done ? [...this.#flights.values()] : this.#pieces.flying(piece)
    return flying.filter((flight) => this.#useless(flight)).map(({ order }) => order)
  }

  /** It was wrong, and is free again. Its holder is to leave. */
  rejected(piece: number): void {
    if (this.#pieces.again(piece)) this.#holders.missing(piece, 1)
  }

  /** Bytes still to come of an order. */
  spare(order: Order): number {
    const flight = this.#flights.get(order.id)
    return flight ? Math.max(0, runBytes(this.#size, flight.run).bytes - flight.received) : 0
  }

  /** Holders that are silent now. */
  silent(nowMs: number): readonly string[] {
    const { ranked } = this.#holders
    for (const { rate } of ranked) rate.passed(nowMs)
    return ranked.filter(({ rate }) => rate.silent).map(({ name }) => name)
  }

  /** Bytes a second that it gives, or gave when it was asked last; 0 as long as nothing is known. */
  rateOf(holder: string): number {
    return this.#holders.get(holder)?.rate.value ?? 0
  }

  /** Orders. */
  inFlight(holder: string): number {
    return this.#holders.get(holder)?.flights.length ?? 0
  }

  /** Holders that have something still needed, or bring it just now. */
  usable(): number {
    return this.#holders.usable
  }

  #ask(holder: SwarmHolder, situation: Situation, orders: Order[]): void {
    const choice = this.#nowMs < holder.restsUntilMs ? undefined : chooseOrder(holder, situation)
    if (!choice) return
    const { run } = choice
    const order: Order = { id: ++this.#lastId, holder: holder.name, ...choice }
    const flight: Flight = {
      ...{ order, holder, run, began: false, received: 0 },
      ...{ open: new Set(), stalled: false, abandoned: false },
    }
    for (let piece = run.first; piece < run.first + run.count; piece++) this.#pieces.enter(flight, piece)
    this.#flights.set(order.id, flight)
    holder.flights.push(flight)
    holder.rate.asked(this.#nowMs)
    orders.push(order)
  }

  /** Others may have what it was asked for. */
  #stall(holder: SwarmHolder): void {
    for (const flight of holder.flights) {
      this.#mark(flight, true)
      for (const piece of flight.open) {
        const flying = this.#pieces.flying(piece)
        if (!this.#pieces.stuck(piece) || flying.some(({ abandoned }) => abandoned)) continue
        const asked = flying.map(({ holder }) => holder)
        if (flying[0] && this.#holders.other(piece, asked)) this.#abandon(flying[0])
      }
    }
  }

  #mark(flight: Flight, stalled: boolean): void {
    if (flight.stalled === stalled) return
    flight.stalled = stalled
    for (const piece of flight.open) this.#pieces.look(piece)
  }

  #abandon(flight: Flight): void {
    if (flight.abandoned) return
    flight.abandoned = true
    this.#abandoned.push(flight.order)
  }

  /** Its holder may still choose another wanted piece as long as the answer did not begin. */
  #useless(flight: Flight): boolean {
    if (this.done) return true
    if (!flight.began && flight.order.want) return false
    for (const piece of flight.open) if (!this.#pieces.isHere(piece)) return false
    return true
  }
}
