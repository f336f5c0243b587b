/** The files that may be served now, found by name, root and hash. */
import type { PublishedFile } from './entry.ts'
import type { Reach } from './reach.ts'

export class Shelf {
  readonly #byName = new Map<string, PublishedFile>()
  /** Those of #byName that the network sees, in the same order. */
  readonly #onNetwork = new Map<string, PublishedFile>()
  readonly #byContent = new Map<string, Set<PublishedFile>>()

  /** @param from - who looks */
  seenFrom(from: Reach): ReadonlyMap<string, PublishedFile> {
    return from === 'computer' ? this.#byName : this.#onNetwork
  }

  put(file: PublishedFile): void {
    this.remove(file.name)
    this.#byName.set(file.name, file)
    if (file.reach === 'network') this.#onNetwork.set(file.name, file)
    for (const key of keysOf(file)) {
      const files = this.#byContent.get(key) ?? new Set()
      this.#byContent.set(key, files.add(file))
    }
  }

  /** @returns whether it was there. */
  remove(name: string): boolean {
    const file = this.#byName.get(name)
    if (!file) return false
    this.#byName.delete(name)
    this.#onNetwork.delete(name)
    for (const key of keysOf(file)) {
      const files = this.#byContent.get(key)
      files?.delete(file)
      if (files?.size === 0) this.#byContent.delete(key)
    }
    return true
  }

  byRoot(root: string): PublishedFile[] {
    return [...(this.#byContent.get(`root ${root}`) ?? [])]
  }

  byHash(hash: string): PublishedFile[] {
    return [...(this.#byContent.get(`hash ${hash}`) ?? [])]
  }
}

const keysOf = ({ root, hash }: PublishedFile): string[] => [`root ${root}`, `hash ${hash}`]
