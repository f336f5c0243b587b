/** Sleep of the computer, and of this process: what was known before it is old, and its connections may hang for ever. */
import { uptime } from 'node:os'

/** So many pauses without a round are a gap, and so much time at least: a busy computer is late, too. */
const PAUSES = 3
const MIN_GAP_MS = 2_000

/** Milliseconds that go on while the computer sleeps, unlike performance.now(), and that nobody can set, unlike the wall clock. */
export type Clock = () => number
const awake: Clock = () => uptime() * 1_000

/** Looks at the clock before and after something that should not take long. */
export class GapWatch {
  readonly #gapMs: number
  readonly #clock: Clock
  #atMs: number

  /** @param pauseMs - the time between two rounds. */
  constructor(pauseMs: number, clock: Clock = awake) {
    this.#gapMs = Math.max(PAUSES * pauseMs, MIN_GAP_MS)
    this.#clock = clock
    this.#atMs = clock()
  }

  /** True when there was a gap since the last call; `busyMs` is what may rightly have been spent since then, besides. */
  passed(busyMs = 0): boolean {
    const before = this.#atMs
    this.#atMs = this.#clock()
    return this.#atMs - before > this.#gapMs + busyMs
  }
}
