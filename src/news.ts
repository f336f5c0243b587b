/** Topics and listeners: the one way up between rooms. A topic is told, never what to do about it; nothing is queued. */

export type Topic = 'table' | 'catalogue' | 'files' | 'transfers' | 'lan'
export type Listener = () => void

export class News {
  readonly #listeners = new Map<Topic, Set<Listener>>()

  /** @returns a function that ends the listening. */
  on(topic: Topic, listener: Listener): () => void {
    const set = this.#listeners.get(topic) ?? new Set()
    this.#listeners.set(topic, set.add(listener))
    return () => void set.delete(listener)
  }

  tell(topic: Topic): void {
    for (const listener of this.#listeners.get(topic) ?? []) listener()
  }
}
