/** The table: what this node knows of its peers. Identity -> row, addresses, alive or not; address -> who answers there now. */
import { equalBytes, fromB64u, toB64u, toHex } from '../bytes.ts'
import { PeerMisbehaved, TableFull } from '../errors.ts'
import type { News } from '../news.ts'
import { MAX_ROWS } from '../protocol/constants.ts'
import type { RowHead, RowPage } from '../protocol/messages.ts'
import { type FileChange, FilesDigest, type SharedFile } from './digest.ts'
import {
  answeredAt,
  type Draft,
  digestOf,
  draftOf,
  type Entry,
  isKnown,
  isOlder,
  isOther,
  newEntry,
  type Peer,
  settle,
} from './entry.ts'
import { ROOM, type RoomLimits, TableRoom } from './room.ts'
import { headOf } from './row.ts'
import { atOnce, FILES_A_SLICE, inSlices, type Steps } from './slices.ts'

export type { Peer } from './entry.ts'

/** A peer that was not seen for so long leaves the table. */
export const FORGET_AFTER_MS = 30 * 24 * 3_600_000

/** What a complete pull brought: the pages in their order, the last one up to its head's version. */
export interface Pull {
  readonly id: string
  readonly address: string
  readonly pages: readonly RowPage[]
  /** What `moment` was before it began. An older row than ours is a lie, unless ours came by another pull meanwhile. */
  readonly moment?: number
}

/** What a changed row means for those who index files. A large change comes in several parts, each of them with all that became of its names. */
export interface RowChange {
  readonly id: string
  readonly removed: readonly SharedFile[]
  readonly added: readonly SharedFile[]
}

/** A row as it was kept: what its head says is read from there. */
type Kept = Omit<Peer, 'alive' | 'name' | 'epoch' | 'version' | 'size' | 'headDigest' | 'filesDigest'>

export interface TableOptions {
  readonly news: News
  /** S_id("row", head). Both as raw bytes. */
  readonly verify: (id: Uint8Array, sig: Uint8Array, head: Uint8Array) => boolean
  readonly onRow: (change: RowChange) => void
  /** Who gets no row. */
  readonly refuses?: (id: string) => boolean
  readonly now?: () => number
  /** Of all rows together. */
  readonly room?: RoomLimits
}

export class PeerTable {
  readonly #news: News
  readonly #verify: TableOptions['verify']
  readonly #onRow: TableOptions['onRow']
  readonly #refuses: (id: string) => boolean
  readonly #now: () => number
  readonly #rows = new Map<string, Entry>()
  readonly #byAddress = new Map<string, string>()
  /** Work on a row, one after the other. */
  readonly #turns = new Map<string, Promise<unknown>>()
  readonly #room: TableRoom
  #moment = 0

  constructor({ news, verify, onRow, refuses = () => false, now = Date.now, room = ROOM }: TableOptions) {
    this.#room = new TableRoom(room, MAX_ROWS)
    this.#news = news
    this.#verify = verify
    this.#onRow = onRow
    this.#refuses = refuses
    this.#now = now
  }

  get(id: string): Peer | undefined {
    return this.#rows.get(id)
  }

  all(): readonly Peer[] {
    return [...this.#rows.values()]
  }

  /** Grows with every row that is taken in. */
  get moment(): number {
    return this.#moment
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
    if (entry) this.#answered(entry, address)
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
   * Take in what a peer says of itself, pulled in a session with it. Large rows are taken in slices; until the row is complete and
   * fits its signature nobody sees anything of it, and then it takes the place of the old one in one step.
   * @returns false when the pages do not add up to the signed digest: pull once more from nothing.
   * @throws PeerMisbehaved for a wrong signature, another's row, or a row that goes back; TableFull for a large one when all are too much.
   */
  async accept(pull: Pull): Promise<boolean> {
    return await this.#inTurn(pull.id, () => this.#accept(pull))
  }

  async #accept({ id, address, pages, moment = this.#moment }: Pull): Promise<boolean> {
    const last = pages.at(-1)
    if (!last) return false
    const { head, bytes, sig } = this.#checkedHead(id, address, last)
    const old = this.#rows.get(id)
    if (old && isOlder(head, old) && old.takenAt > moment) {
      this.#answered(old, address)
      return true
    }
    if (old && (isOlder(head, old) || isOther(head, bytes, old))) throw new PeerMisbehaved(address)
    if (old && isKnown(head, bytes, pages, old)) {
      this.#answered(old, address)
      return true
    }
    const entry = old ?? newEntry(id, this.#now())
    const draft = await inSlices(complete(entry, pages, head))
    // Forgotten meanwhile, or refused: then there is nothing to put changes upon.
    if (!draft || this.#rows.get(id) !== old || this.#refuses(id)) return false
    if (!this.#room.take(id, draft.changes)) throw new TableFull()
    settle(entry, draft)
    this.#moment += 1
    Object.assign(entry, {
      name: head.name,
      epoch: head.epoch,
      version: head.version,
      size: head.size,
      filesDigest: head.files,
      headDigest: digestOf(bytes),
      head: bytes,
      sig,
      takenAt: this.#moment,
    })
    this.#rows.set(id, entry)
    this.#seen(entry, address)
    this.#makeRoom()
    await inSlices(this.#handOn(id, draft.changes))
    this.#tell()
    return true
  }

  /** Put back a row that was kept on disk; it is not alive until it answers. */
  restore(peer: Kept): void {
    atOnce(this.restoring(peer))
  }

  /** The same in slices. */
  *restoring(peer: Kept): Steps<void> {
    const head = headOf({ head: toB64u(peer.head) })
    if (!head || this.#now() - peer.lastSeenMs > FORGET_AFTER_MS || this.#refuses(peer.id)) return
    const files = new Map(peer.files)
    const changes = [...files.values()].map((after): FileChange => ({ before: undefined, after }))
    const digest = yield* new FilesDigest().after(changes)
    const filesDigest = yield* digest.valueSteps()
    this.#room.put(peer.id, changes)
    const isWhole = filesDigest === head.files
    this.#rows.set(peer.id, {
      ...peer,
      name: head.name,
      epoch: isWhole ? head.epoch : 0,
      version: isWhole ? head.version : 0,
      size: head.size,
      filesDigest,
      headDigest: digestOf(peer.head),
      files,
      addresses: new Map(peer.addresses),
      alive: false,
      digest,
      takenAt: 0,
    })
    for (const address of peer.addresses.keys())
      if (!this.#byAddress.has(address)) this.#byAddress.set(address, peer.id)
    yield* this.#handOn(peer.id, changes)
  }

  forget(id: string): void {
    const entry = this.#rows.get(id)
    if (!entry) return
    this.#rows.delete(id)
    this.#room.forget(id)
    for (const [address, at] of this.#byAddress) if (at === id) this.#byAddress.delete(address)
    const changes = [...entry.files.values()].map((before): FileChange => ({ before, after: undefined }))
    void this.#inTurn(id, () => inSlices(this.#handOn(id, changes))).then(() => this.#tell())
    this.#tell()
  }

  /** Tell those who index files, a slice at a time. */
  *#handOn(id: string, changes: readonly FileChange[]): Steps<void> {
    for (let at = 0; at === 0 || at < changes.length; at += FILES_A_SLICE) {
      const part = changes.slice(at, at + FILES_A_SLICE)
      const removed = part.flatMap(({ before }) => before ?? [])
      const added = part.flatMap(({ after }) => after ?? [])
      this.#onRow({ id, removed, added })
      yield part.length
    }
  }

  /** Nothing is done to a row before the last work on it has ended. */
  async #inTurn<Result>(id: string, work: () => Promise<Result>): Promise<Result> {
    const before = this.#turns.get(id)
    const turn = before ? before.then(work, work) : work()
    this.#turns.set(id, turn)
    try {
      return await turn
    } finally {
      if (this.#turns.get(id) === turn) this.#turns.delete(id)
    }
  }

  #checkedHead(id: string, address: string, page: RowPage): { head: RowHead; bytes: Uint8Array; sig: Uint8Array } {
    const bytes = new Uint8Array(Buffer.from(page.head, 'base64url'))
    const sig = fromB64u(page.sig, 64)
    const head = headOf(page)
    const owner = head && fromB64u(head.id, 32)
    if (!sig || !owner || toHex(owner) !== id || page.upTo !== head.version) throw new PeerMisbehaved(address)
    // Most pulls bring the head we have, which was verified when it came.
    const known = this.#rows.get(id)
    const isVerified =
      known !== undefined && known.takenAt > 0 && equalBytes(bytes, known.head) && equalBytes(sig, known.sig)
    if (!isVerified && !this.#verify(owner, sig, bytes)) throw new PeerMisbehaved(address)
    return { head, bytes, sig }
  }

  #entryAt(address: string): Entry | undefined {
    const id = this.#byAddress.get(address)
    return id === undefined ? undefined : this.#rows.get(id)
  }

  #answered(entry: Entry, address: string): void {
    const wasAlive = entry.alive
    this.#seen(entry, address)
    if (!wasAlive) this.#tell()
  }

  #seen(entry: Entry, address: string): void {
    entry.lastSeenMs = this.#now()
    entry.alive = true
    const left = answeredAt(entry, address)
    if (left !== undefined && this.#byAddress.get(left) === entry.id) this.#byAddress.delete(left)
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

/** The draft of a row that has all its head says; undefined when it has not. */
function* complete(entry: Entry, pages: readonly RowPage[], head: RowHead): Steps<Draft | undefined> {
  const draft = yield* draftOf(entry, pages)
  if (draft?.digest.count !== head.count || draft.digest.size !== head.size) return undefined
  return (yield* draft.digest.valueSteps()) === head.files ? draft : undefined
}
