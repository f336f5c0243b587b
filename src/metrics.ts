/** Named counters, read by whoever wants to know; counting costs one addition. */
export class Metrics {
  readonly #counts = new Map<string, number>()

  add(name: string, amount = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + amount)
  }

  all(): readonly (readonly [name: string, count: number])[] {
    return [...this.#counts]
  }

  get(name: string): number {
    return this.#counts.get(name) ?? 0
  }
}
