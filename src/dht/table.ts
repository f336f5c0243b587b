/** The table: what this node knows of its peers. Identity -> row, addresses, alive or not; address -> who answers there now. */
import { fromB64u, toB64u, toHex } from '../bytes.ts'
import { PeerMisbehaved } from '../errors.ts'
import type { News } from '../news.ts'
import { MAX_ROWS } from '../protocol/constants.ts'
import type { RowHead, RowPage } from '../protocol/messages.ts'
import { FilesDigest, type SharedFile } from './digest.ts'
import { digestOf, type Entry, isOlder, isOther, merge, newEntry, type Peer, sizeOf, unmerge } from './entry.ts'
import { headOf } from './row.ts'

export type { Peer } from './entry.ts'

/** A peer that was not seen for so long leaves the table. */
export const FORGET_AFTER_MS = 30 * 24 * 3_600_000

/** What a complete pull brought: the pages in their order, the last one up to its head's version. */
export interface Pull {
  readonly id: string
  readonly address: string
  readonly pages: readonly RowPage[]
}

/** What a changed row means for those who index files. */
export interface RowChange {
  readonly id: string
  readonly removed: readonly SharedFile[]
  readonly added: readonly SharedFile[]
}

export interface TableOptions {
  readonly news: News
  /** S_id("row", head). Both as raw bytes. */
  readonly verify: (id: Uint8Array, sig: Uint8Array, head: Uint8Array) => boolean
  readonly onRow: (change: RowChange) => void
  readonly now?: () => number
}

export class PeerTable {
  readonly #news: News
  readonly #verify: TableOptions['verify']
  readonly #onRow: TableOptions['onRow']
  readonly #now: () => number
  readonly #rows = new Map<string, Entry>()
  readonly #byAddress = new Map<string, string>()

  constructor({ news, verify, onRow, now = Date.now }: TableOptions) {
    this.#news = news
    this.#verify = verify
    this.#onRow = onRow
    this.#now = now
  }

  get(id: string): Peer | undefined {
    return this.#rows.get(id)
  }

  all(): readonly Peer[] {
    return [...this.#rows.values()]
  }

  /** Who proved to be at an address, last. */
  at(address: string): Peer | undefined {
    const id = this.#byAddress.get(address)
    return id === undefined ? undefined : this.#rows.get(id)
  }

  /** The address a peer answered at last. */
  addressOf(id: string): string | undefined {
    return [...(this.#rows.get(id)?.addresses.keys() ?? [])].at(-1)
  }

  /** The peer that was proved to be at an address answered again. */
  answered(address: string): void {
    const entry = this.#entryAt(address)
    if (!entry) return
    const wasAlive = entry.alive
    this.#seen(entry, address)
    if (!wasAlive) this.#tell()
  }

  /** An address is silent, or its peer said that it is leaving; the row stays, marked. */
  gone(address: string): void {
    const entry = this.#entryAt(address)
    if (!entry?.alive || [...entry.addresses.keys()].at(-1) !== address) return
    entry.alive = false
    this.#tell()
  }

  /** Another identity, or none, answers at an address: who was there is not there any more. */
  release(address: string): void {
    this.gone(address)
    this.#byAddress.delete(address)
  }

  /**
   * Take in what a peer says of itself, pulled in a session with it.
   * @returns false when the pages do not add up to the signed digest: pull once more from nothing.
   * @throws PeerMisbehaved for a wrong signature, another's row, or a row that goes back.
   */
  accept({ id, address, pages }: Pull): boolean {
    const last = pages.at(-1)
    if (!last) return false
    const { head, bytes, sig } = this.#checkedHead(id, address, last)
    const old = this.#rows.get(id)
    if (old && (isOlder(head, old) || isOther(head, bytes, old))) throw new PeerMisbehaved(address)
    const entry = old ?? newEntry(id, this.#now())
    const change = merge(entry, pages)
    if (!change) return false
    const fits = entry.files.size === head.count && sizeOf(entry) === head.size && entry.digest.value() === head.files
    if (!fits) {
      // What nobody signed is not kept, not even until the next pull.
      unmerge(entry, change)
      return false
    }
    Object.assign(entry, {
      name: head.name,
      epoch: head.epoch,
      version: head.version,
      size: head.size,
      filesDigest: head.files,
      headDigest: digestOf(bytes),
      head: bytes,
      sig,
    })
    this.#rows.set(id, entry)
    this.#seen(entry, address)
    this.#makeRoom()
    this.#onRow({ id, removed: change.removed, added: change.added })
    this.#tell()
    return true
  }

  /** Put back a row that was kept on disk; it is not alive until it answers. */
  restore(peer: Omit<Peer, 'alive' | 'name' | 'epoch' | 'version' | 'size' | 'headDigest' | 'filesDigest'>): void {
    const head = headOf({ head: toB64u(peer.head) })
    if (!head || this.#now() - peer.lastSeenMs > FORGET_AFTER_MS) return
    const digest = new FilesDigest()
    for (const file of peer.files.values()) digest.set(file)
    const complete = digest.value() === head.files
    this.#rows.set(peer.id, {
      ...peer,
      name: head.name,
      epoch: complete ? head.epoch : 0,
      version: complete ? head.version : 0,
      size: head.size,
      filesDigest: digest.value(),
      headDigest: digestOf(peer.head),
      files: new Map(peer.files),
      addresses: new Map(peer.addresses),
      alive: false,
      digest,
    })
    for (const address of peer.addresses.keys())
      if (!this.#byAddress.has(address)) this.#byAddress.set(address, peer.id)
    this.#onRow({ id: peer.id, removed: [], added: [...peer.files.values()] })
  }

  forget(id: string): void {
    const entry = this.#rows.get(id)
    if (!entry) return
    this.#rows.delete(id)
    for (const [address, at] of this.#byAddress) if (at === id) this.#byAddress.delete(address)
    this.#onRow({ id, removed: [...entry.files.values()], added: [] })
    this.#tell()
  }

  #checkedHead(id: string, address: string, page: RowPage): { head: RowHead; bytes: Uint8Array; sig: Uint8Array } {
    const bytes = new Uint8Array(Buffer.from(page.head, 'base64url'))
    const sig = fromB64u(page.sig, 64)
    const head = headOf(page)
    const owner = head && fromB64u(head.id, 32)
    if (!sig || !owner || toHex(owner) !== id || page.upTo !== head.version || !this.#verify(owner, sig, bytes)) {
      throw new PeerMisbehaved(address)
    }
    return { head, bytes, sig }
  }

  #entryAt(address: string): Entry | undefined {
    const id = this.#byAddress.get(address)
    return id === undefined ? undefined : this.#rows.get(id)
  }

  #seen(entry: Entry, address: string): void {
    entry.lastSeenMs = this.#now()
    entry.alive = true
    entry.addresses.delete(address)
    entry.addresses.set(address, entry.lastSeenMs)
    const before = this.#byAddress.get(address)
    if (before !== undefined && before !== entry.id) this.gone(address)
    this.#byAddress.set(address, entry.id)
  }

  #makeRoom(): void {
    if (this.#rows.size <= MAX_ROWS) return
    const dead = [...this.#rows.values()].filter((entry) => !entry.alive).sort((a, b) => a.lastSeenMs - b.lastSeenMs)
    const victim = dead[0] ?? [...this.#rows.values()][0]
    if (victim) this.forget(victim.id)
  }

  #tell(): void {
    this.#news.tell('table')
    this.#news.tell('catalogue')
  }
}
