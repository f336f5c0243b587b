/** What was refused to others, counted by code; the log hears of each code once a minute. */
import type { Metrics } from './metrics.ts'

const LOG_EVERY_MS = 60_000
const PREFIX = 'refused_'

export interface RefusalsOptions {
  readonly metrics: Metrics
  readonly log: { info(fields: object, message: string): void }
  /** Milliseconds, monotonic. */
  readonly clock?: () => number
}

export class Refusals {
  readonly #metrics: Metrics
  readonly #log: RefusalsOptions['log']
  readonly #clock: () => number
  /** Code -> when it was logged last, and how often it was counted then. */
  readonly #logged = new Map<string, { readonly at: number; readonly count: number }>()

  constructor({ metrics, log, clock = () => performance.now() }: RefusalsOptions) {
    this.#metrics = metrics
    this.#log = log
    this.#clock = clock
  }

  /** @param code - one of errors.ts, or a word for what is ended without an answer. Never what others sent. */
  count(code: string): void {
    this.#metrics.add(PREFIX + code)
    const now = this.#clock()
    const total = this.#metrics.get(PREFIX + code)
    const logged = this.#logged.get(code)
    if (logged && now - logged.at < LOG_EVERY_MS) return
    this.#logged.set(code, { at: now, count: total })
    this.#log.info({ code, times: total - (logged?.count ?? 0), total }, 'refused to others')
  }

  /** By code, since the start. */
  all(): Readonly<Record<string, number>> {
    const refused = this.#metrics.all().filter(([name]) => name.startsWith(PREFIX))
    return Object.fromEntries(refused.map(([name, times]) => [name.slice(PREFIX.length), times]))
  }
}
