/** Known peers outlive a restart: the table as it was, written a moment after it changed. */
import { fromRowFile, toRowFile } from './dht/row.ts'
import type { PeerTable, RowChange } from './dht/table.ts'
import type { News } from './news.ts'
import type { State } from './store/state.ts'

/** Changes come in bursts; what a crash loses here comes back with the next pull. */
const GATHER_MS = 1_000

export interface RememberOptions {
  readonly table: PeerTable
  readonly state: State
  /** 64 hex characters. */
  readonly ownId: string
  readonly onTrouble: (error: unknown) => void
}

export class Remember {
  readonly #table: PeerTable
  readonly #state: State
  readonly #changes = new Map<string, { changed: Set<string>; gone: Set<string> }>()
  readonly #ownId: string
  readonly #onTrouble: (error: unknown) => void
  #timer: NodeJS.Timeout | undefined

  constructor({ table, state, ownId, onTrouble }: RememberOptions) {
    this.#onTrouble = onTrouble
    this.#table = table
    this.#state = state
    this.#ownId = ownId
  }

  /** Put back what was kept; nobody is alive before he answers. Then keep what changes. */
  start(news: News): void {
    for (const { id, head, sig, addresses, lastSeenMs, files } of this.#state.peers.all()) {
      const rows = files.map((file) => fromRowFile(file))
      const known = new Map(rows.map((file) => [file.name, file]))
      const seen = new Map(addresses.map((address) => [address, lastSeenMs]))
      if (id !== this.#ownId) this.#table.restore({ id, head, sig, lastSeenMs, files: known, addresses: seen })
    }
    this.#changes.clear()
    news.on('table', () => {
      this.#timer ??= setTimeout(() => this.#flushIfPossible(), GATHER_MS).unref()
    })
  }

  /** A row changed: which files must be written. */
  note({ id, removed, added }: RowChange): void {
    const change = this.#changes.get(id) ?? { changed: new Set(), gone: new Set() }
    for (const { name } of removed) {
      change.changed.delete(name)
      change.gone.add(name)
    }
    for (const { name } of added) {
      change.gone.delete(name)
      change.changed.add(name)
    }
    this.#changes.set(id, change)
  }

  /** Write what is left, and when everybody was seen last. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#flushIfPossible(this.#table.all().map(({ id }) => id))
  }

  /** A full disk costs memory of others, never the node: what was not written is tried again with the next change. */
  #flushIfPossible(more: readonly string[] = []): void {
    this.#timer = undefined
    try {
      this.#flush(more)
    } catch (error) {
      this.#onTrouble(error)
    }
  }

  #flush(more: readonly string[]): void {
    for (const id of new Set([...this.#changes.keys(), ...more])) this.#write(id)
    this.#changes.clear()
  }

  #write(id: string): void {
    const peer = this.#table.get(id)
    const { peers } = this.#state
    if (!peer) {
      peers.remove(id)
      return
    }
    const { changed, gone } = this.#changes.get(id) ?? { changed: new Set<string>(), gone: new Set<string>() }
    const files = [...changed].flatMap((name) => peer.files.get(name) ?? []).map((file) => toRowFile(file))
    const { head, sig, addresses, lastSeenMs } = peer
    this.#state.together(() => {
      peers.put({ id, head, sig, addresses: [...addresses.keys()], lastSeenMs })
      if (files.length > 0 || gone.size > 0) peers.putFiles(id, files, [...gone])
    })
  }
}
