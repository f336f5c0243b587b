/** Each piece of one content: missing and free, in flight, arrived, or here. Nothing is lost: what is not here is one of the others. */
import type { PieceSet } from '../store/piece-set.ts'
import { FreePieces } from './free-pieces.ts'
import type { Flight } from './swarm-holder.ts'

const MISSING = 0
/** It came whole and is being verified and written. */
const ARRIVED = 1
const HERE = 2

export class PieceLedger {
  readonly length: number
  /** Those that may be asked now. */
  readonly free: FreePieces
  /** Orders for one piece at most. */
  readonly #most: number
  readonly #states: Uint8Array
  readonly #flying = new Map<number, Flight[]>()
  #here = 0
  #missing = 0
  #changes = 0

  /** @param twice - whether a piece may be in flight twice. */
  constructor(length: number, have: PieceSet, twice: boolean) {
    this.length = length
    this.free = new FreePieces(length)
    this.#most = twice ? 2 : 1
    this.#states = new Uint8Array(length)
    for (let piece = 0; piece < length; piece++) {
      if (have.has(piece)) {
        this.#states[piece] = HERE
        this.#here += 1
      } else {
        this.#missing += 1
        this.free.add(piece)
      }
    }
  }

  /** Neither here nor arrived. */
  get missing(): number {
    return this.#missing
  }

  get done(): boolean {
    return this.#here === this.length
  }

  /** Another number whenever a piece became free. */
  get changes(): number {
    return this.#changes
  }

  isMissing(piece: number): boolean {
    return this.#states[piece] === MISSING
  }

  isHere(piece: number): boolean {
    return this.#states[piece] === HERE
  }

  /** The orders that are to bring this piece. */
  flying(piece: number): readonly Flight[] {
    return this.#flying.get(piece) ?? []
  }

  /** One more order for a piece that is missing is allowed. */
  open(piece: number): boolean {
    return this.isMissing(piece) && this.flying(piece).length < this.#most
  }

  /** Nobody may be asked for it, though everybody who was is silent. */
  stuck(piece: number): boolean {
    const flying = this.flying(piece)
    return this.isMissing(piece) && flying.length >= this.#most && flying.every(({ stalled }) => stalled)
  }

  /** This order is to bring it too. */
  enter(flight: Flight, piece: number): void {
    flight.open.add(piece)
    const flying = this.#flying.get(piece)
    if (flying) flying.push(flight)
    else this.#flying.set(piece, [flight])
    this.look(piece)
  }

  /** This order does not bring it any more. */
  drop(flight: Flight, piece: number): void {
    if (!flight.open.delete(piece)) return
    const left = this.flying(piece).filter((other) => other !== flight)
    if (left.length > 0) this.#flying.set(piece, left)
    else this.#flying.delete(piece)
    this.look(piece)
  }

  /** @returns whether it was missing until now. */
  arrived(piece: number): boolean {
    if (!this.isMissing(piece)) return false
    this.#states[piece] = ARRIVED
    this.#missing -= 1
    this.look(piece)
    return true
  }

  /** @returns whether it was missing until now. */
  here(piece: number): boolean {
    if (!(piece < this.length) || this.isHere(piece)) return false
    const new_ = this.isMissing(piece)
    if (new_) this.#missing -= 1
    this.#states[piece] = HERE
    this.#here += 1
    this.look(piece)
    return new_
  }

  /** What arrived was wrong. @returns whether it is missing from now on. */
  again(piece: number): boolean {
    if (this.#states[piece] !== ARRIVED) return false
    this.#states[piece] = MISSING
    this.#missing += 1
    this.look(piece)
    return true
  }

  /** To be called after something about its orders changed. */
  look(piece: number): void {
    const flying = this.#flying.get(piece)
    const free =
      this.isMissing(piece) && (!flying || (flying.length < this.#most && flying.every(({ stalled }) => stalled)))
    if (!free) this.free.delete(piece)
    else if (this.free.add(piece)) this.#changes += 1
  }
}
