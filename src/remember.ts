/** Known peers outlive a restart: the table as it was, written a moment after it changed. */
import { fromRowFile, toRowFile } from './dht/row.ts'
import { FILES_A_SLICE, inSlices, nextTurn } from './dht/slices.ts'
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

/** Names of a row whose files must be written. */
interface Unwritten {
  readonly changed: Set<string>
  readonly gone: Set<string>
}

export class Remember {
  readonly #table: PeerTable
  readonly #state: State
  readonly #changes = new Map<string, Unwritten>()
  readonly #ownId: string
  readonly #onTrouble: (error: unknown) => void
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor({ table, state, ownId, onTrouble }: RememberOptions) {
    this.#onTrouble = onTrouble
    this.#table = table
    this.#state = state
    this.#ownId = ownId
  }

  /** Put back what was kept; nobody is alive before he answers. Then keep what changes. */
  async start(news: News): Promise<void> {
    for (const { id, head, sig, addresses, lastSeenMs, files } of this.#state.peers.all()) {
      if (id === this.#ownId) continue
      const known = new Map(files.map((file) => [file.name, fromRowFile(file)]))
      const seen = new Map(addresses.map((address) => [address, lastSeenMs]))
      await inSlices(this.#table.restoring({ id, head, sig, lastSeenMs, files: known, addresses: seen }))
    }
    this.#changes.clear()
    news.on('table', () => {
      this.#timer ??= setTimeout(() => void this.#flush(), GATHER_MS).unref()
    })
  }

  /** A row changed: which files must be written. */
  note({ id, removed, added }: RowChange): void {
    const change = this.#of(id)
    for (const { name } of removed) {
      change.changed.delete(name)
      change.gone.add(name)
    }
    for (const { name } of added) {
      change.gone.delete(name)
      change.changed.add(name)
    }
  }

  /** Write what is left, and when everybody was seen last. */
  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
    for (const { id } of this.#table.all()) this.#of(id)
    try {
      while (this.#writeSome(Number.POSITIVE_INFINITY));
    } catch (error) {
      this.#onTrouble(error)
    }
  }

  #of(id: string): Unwritten {
    const change = this.#changes.get(id) ?? { changed: new Set(), gone: new Set() }
    this.#changes.set(id, change)
    return change
  }

  /** A full disk costs memory of others, never the node: what was not written is tried again with the next change. */
  async #flush(): Promise<void> {
    try {
      while (!this.#stopped && this.#writeSome(FILES_A_SLICE)) await nextTurn()
    } catch (error) {
      this.#onTrouble(error)
    } finally {
      this.#timer = undefined
    }
  }

  /** Write so many files of one peer. @returns whether there is more. */
  #writeSome(most: number): boolean {
    for (const [id, change] of this.#changes) {
      this.#write(id, change, most)
      if (change.changed.size + change.gone.size === 0) this.#changes.delete(id)
      break
    }
    return this.#changes.size > 0
  }

  /** A head without all its files is found out by its digest, and its row is pulled anew: so a row need not be written in one piece. */
  #write(id: string, { changed, gone }: Unwritten, most: number): void {
    const peer = this.#table.get(id)
    const { peers } = this.#state
    if (!peer) {
      peers.remove(id)
      changed.clear()
      gone.clear()
      return
    }
    const come = firstOf(changed, most)
    const went = firstOf(gone, most - come.length)
    const files = come.flatMap((name) => peer.files.get(name) ?? []).map((file) => toRowFile(file))
    const { head, sig, addresses, lastSeenMs } = peer
    peers.put({ id, head, sig, addresses: [...addresses.keys()], lastSeenMs })
    if (files.length > 0 || went.length > 0) peers.putFiles(id, files, went)
    for (const name of come) changed.delete(name)
    for (const name of went) gone.delete(name)
  }
}

const firstOf = (names: ReadonlySet<string>, most: number): readonly string[] => {
  const first: string[] = []
  for (const name of names) {
    if (first.length >= most) break
    first.push(name)
  }
  return first
}
