/** Which addresses of which nodes were told lately: whoever invents nodes makes us remember, and ask, few of them. */

/** The longest unseen go first. */
const MAX_REMEMBERED = 512
/** What is still there is told again, in case nobody looks there any more. */
const TELL_AGAIN_MS = 30_000
/** Told at once, and what more may be told each second. */
const AT_ONCE = 128
const A_SECOND = 4

export class Told {
  readonly #now: () => number
  /** `address id` -> when it was told; the last seen at the end. */
  readonly #remembered = new Map<string, number>()
  #left = AT_ONCE
  #countedMs: number

  constructor(now: () => number) {
    this.#now = now
    this.#countedMs = now()
  }

  /** Somebody names an address of a node. @returns whether it is to be told now */
  isNew(address: string, id: string): boolean {
    const key = `${address} ${id}`
    const now = this.#now()
    const told = this.#remembered.get(key)
    const isFresh = told !== undefined && now - told < TELL_AGAIN_MS
    if (!isFresh && !this.#takeTurn(now)) return false
    this.#remembered.delete(key)
    this.#remembered.set(key, isFresh ? told : now)
    const [oldest] = this.#remembered.keys()
    if (this.#remembered.size > MAX_REMEMBERED && oldest !== undefined) this.#remembered.delete(oldest)
    return !isFresh
  }

  /** Whatever this node is named at next is told. @returns whether it was remembered */
  forget(id: string): boolean {
    const keys = [...this.#remembered.keys()].filter((key) => key.endsWith(` ${id}`))
    for (const key of keys) this.#remembered.delete(key)
    return keys.length > 0
  }

  #takeTurn(now: number): boolean {
    this.#left = Math.min(AT_ONCE, this.#left + ((now - this.#countedMs) / 1_000) * A_SECOND)
    this.#countedMs = now
    if (this.#left < 1) return false
    this.#left -= 1
    return true
  }
}
