/** One row of the table: what is known of a peer, and how its pages become part of it. */
import { createHash } from 'node:crypto'
import { isRowName, type RowHead, type RowPage } from '../protocol/messages.ts'
import { FilesDigest, type SharedFile } from './digest.ts'
import { fromRowFile } from './row.ts'

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
})

export const digestOf = (head: Uint8Array): string => createHash('sha256').update(head).digest('hex').slice(0, 32)

export const isOlder = (head: RowHead, old: Entry): boolean =>
  head.epoch < old.epoch || (head.epoch === old.epoch && head.version < old.version)

/** The first head of an epoch and version counts; another one under the same pair is a lie. */
export const isOther = (head: RowHead, bytes: Uint8Array, old: Entry): boolean =>
  head.epoch === old.epoch && head.version === old.version && digestOf(bytes) !== old.headDigest

export const sizeOf = (entry: Entry): number => {
  let size = 0
  for (const file of entry.files.values()) size += file.size
  return size
}

/** What pages did to an entry. */
export interface Merged {
  readonly removed: readonly SharedFile[]
  readonly added: readonly SharedFile[]
}

/** Put pages into an entry. @returns what went and what came; undefined, and nothing done, for a name no row may have. */
export const merge = (entry: Entry, pages: readonly RowPage[]): Merged | undefined => {
  if (pages.some(({ files }) => files.some(({ name }) => !isRowName(name)))) return undefined
  const removed: SharedFile[] = []
  const added = new Map<string, SharedFile>()
  const drop = (name: string): void => {
    const file = entry.files.get(name)
    if (!file) return
    take(entry, file)
    if (!added.delete(name)) removed.push(file)
  }
  for (const page of pages) {
    if (page.whole) for (const name of [...entry.files.keys()]) drop(name)
    for (const name of page.gone) drop(name)
    for (const file of page.files) {
      drop(file.name)
      const shared = fromRowFile(file)
      put(entry, shared)
      added.set(shared.name, shared)
    }
  }
  return { removed, added: [...added.values()] }
}

/** Make an entry what it was before a merge. */
export const unmerge = (entry: Entry, { removed, added }: Merged): void => {
  for (const file of added) take(entry, file)
  for (const file of removed) put(entry, file)
}

const put = (entry: Entry, file: SharedFile): void => {
  entry.files.set(file.name, file)
  entry.digest.set(file)
}

const take = (entry: Entry, { name }: SharedFile): void => {
  entry.files.delete(name)
  entry.digest.delete(name)
}
