/** A few may work at once, the others wait: those whom somebody waits for come before those in the background. */

interface Waiting {
  readonly urgent: () => boolean
  readonly begin: () => void
}

export class Turns {
  #free: number
  readonly #waiting = new Set<Waiting>()

  constructor(atOnce: number) {
    this.#free = atOnce
  }

  /**
   * Wait for a turn and work.
   * @param urgent - asked whenever a turn is free, so that a waiting job may become urgent.
   * @throws the signal's reason while it waits; whatever the work throws.
   */
  async run<Result>(work: () => Promise<Result>, urgent: () => boolean, signal: AbortSignal): Promise<Result> {
    signal.throwIfAborted()
    if (this.#free > 0) this.#free--
    else await this.#wait(urgent, signal)
    try {
      return await work()
    } finally {
      this.#next()
    }
  }

  async #wait(urgent: () => boolean, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiting: Waiting = { urgent, begin: resolve }
    const leave = (): void => {
      if (this.#waiting.delete(waiting)) reject(signal.reason)
    }
    signal.addEventListener('abort', leave, { once: true })
    this.#waiting.add(waiting)
    try {
      await promise
    } finally {
      signal.removeEventListener('abort', leave)
    }
  }

  #next(): void {
    let next: Waiting | undefined
    for (const waiting of this.#waiting) {
      const urgent = waiting.urgent()
      if (!next || urgent) next = waiting
      if (urgent) break
    }
    if (!next) this.#free++
    else {
      this.#waiting.delete(next)
      next.begin()
    }
  }
}
