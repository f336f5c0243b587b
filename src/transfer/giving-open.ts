/** Holdings that are open for reading: kept so while they are used and for a moment after, for the next piece is asked soon. */
import { Busy } from '../errors.ts'
import type { Holding, OpenHolding } from './holding.ts'

/** Each has a descriptor. */
const MAX_OPEN = 64
const KEEP_MS = 2_000

export interface Borrowed {
  readonly open: OpenHolding
  /** To be called once. @param fit - false when it failed: then nobody else gets it. */
  giveBack(fit: boolean): void
}

interface Entry {
  readonly holding: Holding
  readonly opening: Promise<OpenHolding>
  users: number
  idle: NodeJS.Timeout | undefined
  unlisten: () => void
}

export class OpenHoldings {
  readonly #keepMs: number
  readonly #maxOpen: number
  /** Those who may be borrowed; the one that was used last comes last. */
  readonly #entries = new Map<Holding, Entry>()
  readonly #all = new Set<Entry>()
  readonly #closing = new Set<Promise<void>>()
  #stopped = false

  constructor({ keepMs = KEEP_MS, maxOpen = MAX_OPEN } = {}) {
    this.#keepMs = keepMs
    this.#maxOpen = maxOpen
  }

  /** @throws what opening throws; Busy when too many are in use */
  async borrow(holding: Holding): Promise<Borrowed> {
    const entry = this.#entries.get(holding) ?? this.#begin(holding)
    entry.users += 1
    clearTimeout(entry.idle)
    try {
      const open = await entry.opening
      return { open, giveBack: (fit) => this.#giveBack(entry, fit) }
    } catch (error) {
      this.#giveBack(entry, false)
      throw error
    }
  }

  /** Closes those that nobody uses, the others as soon as they are given back; resolves when the first are closed. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const entry of [...this.#entries.values()]) this.#drop(entry)
    await Promise.all(this.#closing)
  }

  #begin(holding: Holding): Entry {
    if (this.#all.size >= this.#maxOpen) this.#makeRoom()
    const entry: Entry = { holding, opening: holding.open(), users: 0, idle: undefined, unlisten: () => {} }
    this.#entries.set(holding, entry)
    this.#all.add(entry)
    entry.unlisten = holding.onEnd(() => this.#drop(entry))
    return entry
  }

  #makeRoom(): void {
    for (const entry of this.#entries.values()) {
      if (entry.users > 0) continue
      this.#drop(entry)
      return
    }
    throw new Busy()
  }

  #giveBack(entry: Entry, fit: boolean): void {
    entry.users -= 1
    if (!fit || this.#stopped || this.#entries.get(entry.holding) !== entry) {
      this.#drop(entry)
      return
    }
    this.#entries.delete(entry.holding)
    this.#entries.set(entry.holding, entry)
    if (entry.users === 0) entry.idle = setTimeout(() => this.#drop(entry), this.#keepMs)
  }

  /** Nobody gets it any more; it is closed when nobody uses it. */
  #drop(entry: Entry): void {
    if (this.#entries.get(entry.holding) === entry) this.#entries.delete(entry.holding)
    entry.unlisten()
    clearTimeout(entry.idle)
    if (entry.users > 0 || !this.#all.delete(entry)) return
    const closing = entry.opening.then((open) => open.close()).catch(() => undefined)
    this.#closing.add(closing)
    void closing.then(() => this.#closing.delete(closing))
  }
}
