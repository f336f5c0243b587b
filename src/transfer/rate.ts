/** Bytes a second over the last five seconds. */

const SLOT_MS = 500
const SLOTS = 10

export class Rate {
  readonly #slots = new Float64Array(SLOTS + 1)
  readonly #now: () => number
  readonly #startedAt: number
  #slot: number

  /** @param now - monotonic milliseconds */
  constructor(now: () => number) {
    this.#now = now
    this.#startedAt = now()
    this.#slot = Math.floor(this.#startedAt / SLOT_MS)
  }

  add(bytes: number): void {
    this.#turn()
    this.#slots[this.#slot % this.#slots.length] = (this.#slots[this.#slot % this.#slots.length] ?? 0) + bytes
  }

  /** The slot that is being filled counts with the part of it that has passed. */
  get perSecond(): number {
    this.#turn()
    const sum = this.#slots.reduce((all, slot) => all + slot, 0)
    const past = SLOTS * SLOT_MS + (this.#now() % SLOT_MS)
    const ms = Math.max(1, Math.min(past, this.#now() - this.#startedAt))
    return (sum * 1000) / ms
  }

  #turn(): void {
    const slot = Math.floor(this.#now() / SLOT_MS)
    for (let next = this.#slot + 1; next <= slot && next <= this.#slot + this.#slots.length; next++)
      this.#slots[next % this.#slots.length] = 0
    this.#slot = Math.max(this.#slot, slot)
  }
}
