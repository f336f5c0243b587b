/** Who was asked in vain is left alone for a while: longer each time, until something comes, or somebody else is there. */

const FIRST_MS = 1_000
const LONGEST_MS = 30_000

export class Vain {
  readonly #now: () => number
  #ids: ReadonlySet<string> = new Set()
  #forMs = 0
  #untilMs = 0

  /** @param now - monotonic milliseconds */
  constructor(now: () => number) {
    this.#now = now
  }

  /** These could be asked, and it came to nothing. @param wasHelped - something came before that */
  note(ids: readonly string[], wasHelped: boolean): void {
    this.#forMs = wasHelped || this.#forMs === 0 ? FIRST_MS : Math.min(LONGEST_MS, this.#forMs * 2)
    this.#untilMs = this.#now() + this.#forMs
    this.#ids = new Set(ids)
  }

  forget(): void {
    this.#ids = new Set()
    this.#forMs = 0
    this.#untilMs = 0
  }

  /** Whether it is worth to ask these now; nobody at all means that whoever comes is asked at once. */
  allows(ids: readonly string[]): boolean {
    if (ids.length === 0) this.forget()
    return ids.some((id) => !this.#ids.has(id)) || (ids.length > 0 && this.#now() >= this.#untilMs)
  }
}
