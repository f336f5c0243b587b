/** How fast files came in, each second of the last minute. */

export const SECONDS = 60

export class Pace {
  readonly #perSecond = new Float64Array(SECONDS)
  /** The last second that was noted. */
  #second = Number.NEGATIVE_INFINITY

  /** Whether this second has nothing yet. */
  wants(nowMs: number): boolean {
    return Math.floor(nowMs / 1_000) > this.#second
  }

  /** @param rate - bytes a second, now. Seconds in which nobody noted anything had none. */
  note(rate: number, nowMs: number): void {
    this.#turn(nowMs)
    this.#perSecond[this.#second % SECONDS] = rate
  }

  /** Bytes a second, the oldest first. */
  lastMinute(nowMs: number): readonly number[] {
    if (this.#second < 0) return Array.from({ length: SECONDS }, () => 0)
    this.#turn(nowMs)
    return Array.from({ length: SECONDS }, (_, at) => this.#perSecond[(this.#second + 1 + at) % SECONDS] ?? 0)
  }

  #turn(nowMs: number): void {
    const second = Math.floor(nowMs / 1_000)
    const from = Math.max(this.#second + 1, second - SECONDS + 1)
    for (let next = from; next <= second; next++) this.#perSecond[next % SECONDS] = 0
    this.#second = Math.max(this.#second, second)
  }
}
