/** One row of the table: what is known of a peer, and how its pages become part of it. */
import { createHash } from 'node:crypto'
import { equalBytes } from '../bytes.ts'
import { isRowName, type RowFile, type RowHead, type RowPage } from '../protocol/messages.ts'
import { type FileChange, FilesDigest, type SharedFile } from './digest.ts'
import { fromRowFile } from './row.ts'
import { FILES_A_SLICE, type Steps } from './slices.ts'

export interface Peer {
  /** Ed25519 public key, 64 hex characters. */
  readonly id: string
  readonly name: string
  readonly epoch: number
  readonly version: number
  /** First 16 bytes of SHA-256 of the head, hex: what /alive shows of the row we have. */
  readonly headDigest: string
  /** Digest of all files (PROTOCOL.md), hex. */
  readonly filesDigest: string
  readonly size: number
  readonly files: ReadonlyMap<string, SharedFile>
  /** Address -> when it last answered for this identity, ms since 1970. The latest last. */
  readonly addresses: ReadonlyMap<string, number>
  readonly alive: boolean
  readonly lastSeenMs: number
  /** The head as it was signed, and its signature. */
  readonly head: Uint8Array
  readonly sig: Uint8Array
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }
/** A row as the table keeps it: the same, and open to change. */
export interface Entry extends Omit<Mutable<Peer>, 'files' | 'addresses'> {
  files: Map<string, SharedFile>
  addresses: Map<string, number>
  digest: FilesDigest
  /** The table's moment when it was taken in last. */
  takenAt: number
}

/** A row of which nothing is known yet but whose it is. */
export const newEntry = (id: string, now: number): Entry => ({
  id,
  name: '',
  epoch: 0,
  version: 0,
  headDigest: '',
  filesDigest: '',
  size: 0,
  files: new Map(),
  addresses: new Map(),
  alive: false,
  lastSeenMs: now,
  head: new Uint8Array(),
  sig: new Uint8Array(),
  digest: new FilesDigest(),
  takenAt: 0,
})

export const digestOf = (head: Uint8Array): string => createHash('sha256').update(head).digest('hex').slice(0, 32)

export const isOlder = (head: RowHead, old: Entry): boolean =>
  head.epoch < old.epoch || (head.epoch === old.epoch && head.version < old.version)

/** The first head of an epoch and version counts; another one under the same pair is a lie. */
export const isOther = (head: RowHead, bytes: Uint8Array, old: Entry): boolean =>
  head.epoch === old.epoch && head.version === old.version && digestOf(bytes) !== old.headDigest

/** A peer that proves that it is there, and has nothing new to say: what an idle mesh hears all day long. */
export const isKnown = (head: RowHead, bytes: Uint8Array, pages: readonly RowPage[], old: Entry): boolean =>
  // A row that came back from disk without some of its files has its head, too.
  head.epoch === old.epoch &&
  head.version === old.version &&
  head.files === old.filesDigest &&
  equalBytes(bytes, old.head) &&
  pages.every(({ whole, files, gone }) => !whole && files.length + gone.length === 0)

/** What a row becomes by its pages; the row itself is as it was. */
export interface Draft {
  readonly changes: readonly FileChange[]
  /** The files as they will be, unless there are so few changes that they are made at the end. */
  readonly files: Map<string, SharedFile> | undefined
  readonly digest: FilesDigest
}

/**
 * Put pages upon an entry that nobody else changes meanwhile.
 * @returns undefined for a name no row may have.
 */
export function* draftOf(entry: Entry, pages: readonly RowPage[]): Steps<Draft | undefined> {
  let whole = false
  let set = new Map<string, SharedFile>()
  let gone = new Set<string>()
  for (const page of pages) {
    if (page.whole) {
      whole = true
      set = new Map()
      gone = new Set()
    }
    for (const name of page.gone) {
      set.delete(name)
      gone.add(name)
      yield 1
    }
    for (const file of page.files) {
      if (!isRowName(file.name)) return undefined
      gone.delete(file.name)
      set.set(file.name, sameOrNew(entry.files.get(file.name), file))
      yield 1
    }
  }
  const changes: FileChange[] = []
  for (const name of whole ? entry.files.keys() : gone) {
    const before = entry.files.get(name)
    if (before && !set.has(name)) changes.push({ before, after: undefined })
    yield 1
  }
  for (const [name, after] of set) {
    const before = entry.files.get(name)
    if (before !== after) changes.push({ before, after })
    yield 1
  }
  const digest = yield* entry.digest.after(changes)
  const files = whole ? set : changes.length > FILES_A_SLICE ? yield* changed(entry.files, changes) : undefined
  return { changes, files, digest }
}

/** Make an entry what a draft says, in one step. */
export const settle = (entry: Entry, { changes, files, digest }: Draft): void => {
  if (files) entry.files = files
  else for (const change of changes) put(entry.files, change)
  entry.digest = digest
}

function* changed(
  files: ReadonlyMap<string, SharedFile>,
  changes: readonly FileChange[],
): Steps<Map<string, SharedFile>> {
  const next = new Map<string, SharedFile>()
  for (const [name, file] of files) {
    next.set(name, file)
    yield 1
  }
  for (const change of changes) {
    put(next, change)
    yield 1
  }
  return next
}

const put = (files: Map<string, SharedFile>, { before, after }: FileChange): void => {
  if (before) files.delete(before.name)
  if (after) files.set(after.name, after)
}

/** A file that stays as it was stays the same object: then nothing has changed for anybody. */
const sameOrNew = (before: SharedFile | undefined, file: RowFile): SharedFile =>
  before?.hash === file.hash &&
  before.root === file.root &&
  before.size === file.size &&
  before.publishedMs === file.published
    ? before
    : fromRowFile(file)

/** Addresses that are kept of one node; the one that answered longest ago goes. */
const MAX_ADDRESSES = 8

/** Note that a node answered at an address when it was last seen. @returns an address that is not kept any more */
export const answeredAt = (entry: Entry, address: string): string | undefined => {
  entry.addresses.delete(address)
  entry.addresses.set(address, entry.lastSeenMs)
  const [oldest] = entry.addresses.keys()
  if (entry.addresses.size <= MAX_ADDRESSES || oldest === undefined) return undefined
  entry.addresses.delete(oldest)
  return oldest
}
