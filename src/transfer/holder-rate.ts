/** How fast a holder gives, and whether it has fallen silent. */

/** The moving average gets a new sample this often; time in which nothing is asked there is left out. */
const SAMPLE_MS = 100
/** The first one is short, so that the first runs need not be, and waits for the first byte. */
const FIRST_SAMPLE_MS = 20
/** Weight of the average so far beside one new sample. */
const OLD = 0.7
/** Asked, and not a byte for so long: others may have its pieces. */
export const SILENT_MS = 700

export class HolderRate {
  #bytesPerMs: number | undefined
  #busy = false
  /** Up to when time is counted. */
  #seenMs = 0
  /** Since the last sample. */
  #sampleMs = 0
  #sampleBytes = 0
  /** The last byte, or the order that ended idleness. */
  #movedMs = 0
  #silent = false

  /** Bytes a second; 0 as long as nothing is known. */
  get value(): number {
    return (this.#bytesPerMs ?? 0) * 1000
  }

  get known(): boolean {
    return this.#bytesPerMs !== undefined
  }

  /** From 700 ms without a byte until the next byte, whatever is asked meanwhile. */
  get silent(): boolean {
    return this.#silent
  }

  /** Something is in flight there from now on. */
  asked(nowMs: number): void {
    if (this.#busy) return
    this.#busy = true
    this.#seenMs = nowMs
    this.#movedMs = nowMs
  }

  received(bytes: number, nowMs: number): void {
    this.#sampleBytes += bytes
    this.#movedMs = nowMs
    this.#silent = false
    this.passed(nowMs)
  }

  /** Nothing is in flight there any more. The rate stays: an idle holder is not a slow one. */
  idle(nowMs: number): void {
    this.passed(nowMs)
    this.#busy = false
  }

  /** @returns whether what is in flight there has been waited for in vain for so long that others may have it. */
  passed(nowMs: number): boolean {
    if (!this.#busy) return false
    this.#sampleMs += Math.max(0, nowMs - this.#seenMs)
    this.#seenMs = Math.max(this.#seenMs, nowMs)
    const first = this.#bytesPerMs === undefined && this.#sampleBytes > 0
    if (this.#sampleMs >= (first ? FIRST_SAMPLE_MS : SAMPLE_MS)) {
      const sample = this.#sampleBytes / this.#sampleMs
      const old = OLD ** (this.#sampleMs / SAMPLE_MS)
      this.#bytesPerMs = this.#bytesPerMs === undefined ? sample : old * this.#bytesPerMs + (1 - old) * sample
      this.#sampleMs = 0
      this.#sampleBytes = 0
    }
    const late = nowMs - this.#movedMs >= SILENT_MS
    if (late) this.#silent = true
    return late
  }
}
