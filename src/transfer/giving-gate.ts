/** How many askers of one content are served at the same time, and who comes next: whoever got least of it. */
import { Busy, Stopping } from '../errors.ts'

export interface GateLimits {
  /** Askers inside, each with any number of answers. */
  readonly askers: number
  /** So long somebody waits. */
  readonly waitMs: number
}

/** All askers of a crowd at once keep every link full; more than 16 only make each of them slow. An asker waits 10 s for the head. */
export const GATE: GateLimits = { askers: 16, waitMs: 8_000 }

/** Askers whose bytes are remembered: identities cost nothing. */
const MAX_REMEMBERED = 1024

interface Waiting {
  readonly asker: string
  readonly enter: () => void
  readonly giveUp: (reason: unknown) => void
}

export class Gate {
  readonly #limits: GateLimits
  /** Asker -> answers that run. */
  readonly #inside = new Map<string, number>()
  readonly #bytes = new Map<string, number>()
  readonly #waiting = new Set<Waiting>()

  constructor(limits: GateLimits = GATE) {
    this.#limits = limits
  }

  /** Nobody is inside or waits. */
  get idle(): boolean {
    return this.#inside.size === 0 && this.#waiting.size === 0
  }

  /**
   * Wait for one answer's turn.
   * @returns what is to be called once, when the answer has ended
   * @throws Busy when it takes too long; the signal's reason
   */
  async enter(asker: string, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()
    if (this.#inside.has(asker) || this.#inside.size < this.#limits.askers) this.#enter(asker)
    else await this.#wait(asker, signal)
    return () => this.#leave(asker)
  }

  /** So much was given to an asker. */
  gave(asker: string, bytes: number): void {
    if (this.#bytes.size >= MAX_REMEMBERED && !this.#bytes.has(asker)) this.#bytes.clear()
    this.#bytes.set(asker, this.#got(asker) + bytes)
  }

  /** Sends those away who wait. */
  stop(): void {
    for (const waiting of [...this.#waiting]) waiting.giveUp(new Stopping())
  }

  async #wait(asker: string, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const giveUp = (reason: unknown): void => {
      // At once, or it could still be let in before anybody hears of this.
      this.#waiting.delete(waiting)
      reject(reason)
    }
    const waiting: Waiting = { asker, enter: resolve, giveUp }
    const late = setTimeout(() => giveUp(new Busy()), this.#limits.waitMs)
    const stop = (): void => giveUp(signal.reason)
    signal.addEventListener('abort', stop, { once: true })
    this.#waiting.add(waiting)
    try {
      await promise
    } finally {
      clearTimeout(late)
      signal.removeEventListener('abort', stop)
    }
  }

  #enter(asker: string): void {
    this.#inside.set(asker, (this.#inside.get(asker) ?? 0) + 1)
  }

  #leave(asker: string): void {
    const answers = this.#inside.get(asker) ?? 0
    if (answers > 1) this.#inside.set(asker, answers - 1)
    else this.#inside.delete(asker)
    while (this.#waiting.size > 0 && this.#inside.size < this.#limits.askers) this.#admit(this.#next())
  }

  /** One that is inside may have as many answers as it likes, so all that it waits for comes along. */
  #admit(asker: string): void {
    for (const waiting of [...this.#waiting]) {
      if (waiting.asker !== asker) continue
      this.#waiting.delete(waiting)
      this.#enter(asker)
      waiting.enter()
    }
  }

  #next(): string {
    let next = ''
    let least = Number.POSITIVE_INFINITY
    for (const { asker } of this.#waiting) {
      if (this.#got(asker) >= least) continue
      next = asker
      least = this.#got(asker)
    }
    return next
  }

  #got(asker: string): number {
    return this.#bytes.get(asker) ?? 0
  }
}
