/** Addresses that were heard of and are no node of the table yet: how often they are looked at, and when they are given up. Pure, with a clock. */
import { partsOf } from '../protocol/addresses.ts'

/** Rumours that are kept; more are not heard. */
const MAX_HEARD = 256
/** Of one host: whoever names all ports of somebody gets no further than this. */
const MAX_OF_HOST = 16
/** A rumour that nobody answered to so often is forgotten, until it is heard anew. */
const TRIES = 4
/** What the person typed is looked at for ever, at last this rarely. */
const MAX_REST_MS = 60_000
const FIRST_REST_MS = 2_000

interface Heard {
  readonly typed: boolean
  tries: number
  /** Not before; ms of the clock. */
  dueMs: number
}

export class Learned {
  readonly #heard = new Map<string, Heard>()
  readonly #now: () => number

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /**
   * @param typed - by the person, who means it: it is kept until it is taken out
   * @returns whether it is to be looked at now
   */
  hear(address: string, typed = false): boolean {
    const known = this.#heard.get(address)
    if (known) {
      const due = typed || known.dueMs <= this.#now()
      if (typed) this.#heard.set(address, { typed, tries: 0, dueMs: 0 })
      return due
    }
    if (!typed && (this.#heard.size >= MAX_HEARD || this.#ofHost(address) >= MAX_OF_HOST)) return false
    this.#heard.set(address, { typed, tries: 0, dueMs: 0 })
    return true
  }

  /** Those whose time has come. */
  due(): readonly string[] {
    const now = this.#now()
    return [...this.#heard].flatMap(([address, { dueMs }]) => (dueMs <= now ? [address] : []))
  }

  /** @param found - a node: from now on the table knows it */
  looked(address: string, found: boolean): void {
    const heard = this.#heard.get(address)
    if (!heard) return
    heard.tries += 1
    heard.dueMs = this.#now() + Math.min(FIRST_REST_MS * 2 ** heard.tries, MAX_REST_MS)
    if (!heard.typed && (found || heard.tries >= TRIES)) this.#heard.delete(address)
  }

  forget(address: string): void {
    this.#heard.delete(address)
  }

  /** What the person typed. */
  typed(): readonly string[] {
    return [...this.#heard].flatMap(([address, { typed }]) => (typed ? [address] : []))
  }

  #ofHost(address: string): number {
    const { host } = partsOf(address)
    return [...this.#heard.keys()].filter((known) => partsOf(known).host === host).length
  }
}
