/** Reading and writing the tables of the state. Only state.ts makes these; the rest of the program gets them from there. */
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite'
import { isReach, type Reach } from './reach.ts'
import { formatStamp, parseStamp, type Stamp } from './stamp.ts'

/** Cached hashes that are kept; beyond it the oldest go at the next start. */
const MAX_CACHED = 200_000

/** What a number of the store may be; beyond it, it is damaged, and reading it as a number would fail. */
export const SANE = `BETWEEN 0 AND ${Number.MAX_SAFE_INTEGER}`

/** Run one change as a transaction: `durable` is on disk before it returns (FULL), `soon` survives a killed process (NORMAL). */
export type Change = <Result>(durability: 'durable' | 'soon', work: () => Result) => Result

/** A published file: hash and root are 64 lower-case hex characters, size is bytes. */
export interface PublishedRecord {
  readonly name: string
  readonly size: number
  readonly hash: string
  readonly root: string
  readonly publishedMs: number
  readonly reach: Reach
}

/** What a file's content hashed to while it had this stamp. */
export interface CacheRecord {
  readonly name: string
  readonly stamp: Stamp
  readonly hash: string
  readonly root: string
}

/** A file of a peer's row. */
export interface PeerFile {
  readonly name: string
  readonly size: number
  readonly hash: string
  readonly root: string
  readonly published: number
}

/** A peer's row without its files; id is 64 hex characters. */
export interface PeerHead {
  readonly id: string
  readonly head: Uint8Array
  readonly sig: Uint8Array
  readonly addresses: readonly string[]
  readonly lastSeenMs: number
}

export interface PeerRecord extends PeerHead {
  readonly files: readonly PeerFile[]
}

export interface PublishedStore {
  all(): PublishedRecord[]
  /** On disk before it returns. */
  put(records: readonly PublishedRecord[]): void
  /** On disk before it returns. */
  remove(names: readonly string[]): void
}

export interface CacheStore {
  get(name: string): CacheRecord | undefined
  put(records: readonly CacheRecord[]): void
}

/** Changes of a head and of its files that belong together go into State.together(). */
export interface PeerStore {
  all(): PeerRecord[]
  /** The head only; the files stay as they are. */
  put(record: PeerHead): void
  /** Writes just these files of a peer that was put before. */
  putFiles(id: string, changed: readonly PeerFile[], gone: readonly string[]): void
  replaceFiles(id: string, files: readonly PeerFile[]): void
  remove(id: string): void
}

export const publishedStore = (database: DatabaseSync, change: Change): PublishedStore => {
  const all = database.prepare(
    `SELECT name, size, hash, root, published_ms, reach FROM published WHERE size ${SANE} AND published_ms ${SANE} ORDER BY rowid`,
  )
  const put = database.prepare(
    'INSERT OR REPLACE INTO published (name, size, hash, root, published_ms, reach) VALUES (?, ?, ?, ?, ?, ?)',
  )
  const remove = database.prepare('DELETE FROM published WHERE name = ?')
  return {
    all: () =>
      all.all().map((row) => ({
        name: text(row.name),
        size: number(row.size),
        hash: text(row.hash),
        root: text(row.root),
        publishedMs: number(row.published_ms),
        // What nobody can read is not shown to more people than the fewest.
        reach: isReach(row.reach) ? row.reach : 'computer',
      })),
    put: (records) =>
      change('durable', () => {
        for (const { name, size, hash, root, publishedMs, reach } of records)
          put.run(name, size, hash, root, publishedMs, reach)
      }),
    remove: (names) =>
      change('durable', () => {
        for (const name of names) remove.run(name)
      }),
  }
}

export const cacheStore = (database: DatabaseSync, change: Change): CacheStore => {
  const get = database.prepare('SELECT stamp, hash, root FROM cache WHERE name = ?')
  const put = database.prepare('INSERT OR REPLACE INTO cache (name, stamp, hash, root) VALUES (?, ?, ?, ?)')
  // A replaced row gets a new rowid, so the lowest ones are the oldest.
  database.exec(`DELETE FROM cache WHERE rowid <= (SELECT max(rowid) FROM cache) - ${MAX_CACHED}`)
  return {
    get: (name) => {
      const row = get.get(name)
      const stamp = row && parseStamp(text(row.stamp))
      return row && stamp && { name, stamp, hash: text(row.hash), root: text(row.root) }
    },
    put: (records) =>
      change('soon', () => {
        for (const { name, stamp, hash, root } of records) put.run(name, formatStamp(stamp), hash, root)
      }),
  }
}

export const peerStore = (database: DatabaseSync, change: Change): PeerStore => {
  // A damaged row is left out: its peer tells it anew.
  const heads = database.prepare(
    `SELECT id, head, sig, addresses, last_seen_ms FROM peer WHERE json_valid(addresses) AND last_seen_ms ${SANE}`,
  )
  const files = database.prepare(
    `SELECT name, size, hash, root, published FROM peer_file WHERE peer = ? AND size ${SANE} AND published ${SANE}`,
  )
  const put = database.prepare(
    `INSERT INTO peer (id, head, sig, addresses, last_seen_ms) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET head = excluded.head, sig = excluded.sig, addresses = excluded.addresses,
     last_seen_ms = excluded.last_seen_ms`,
  )
  const putFile = database.prepare(
    'INSERT OR REPLACE INTO peer_file (peer, name, size, hash, root, published) VALUES (?, ?, ?, ?, ?, ?)',
  )
  const removeFile = database.prepare('DELETE FROM peer_file WHERE peer = ? AND name = ?')
  const removeFiles = database.prepare('DELETE FROM peer_file WHERE peer = ?')
  const remove = database.prepare('DELETE FROM peer WHERE id = ?')
  const putFiles = (id: string, changed: readonly PeerFile[], gone: readonly string[]): void => {
    for (const name of gone) removeFile.run(id, name)
    for (const { name, size, hash, root, published } of changed) putFile.run(id, name, size, hash, root, published)
  }
  return {
    all: () =>
      heads.all().map((row) => ({
        id: text(row.id),
        head: bytes(row.head),
        sig: bytes(row.sig),
        addresses: texts(row.addresses),
        lastSeenMs: number(row.last_seen_ms),
        files: files.all(text(row.id)).map((file) => ({
          name: text(file.name),
          size: number(file.size),
          hash: text(file.hash),
          root: text(file.root),
          published: number(file.published),
        })),
      })),
    put: ({ id, head, sig, addresses, lastSeenMs }) =>
      void change('soon', () => put.run(id, head, sig, JSON.stringify(addresses), lastSeenMs)),
    putFiles: (id, changed, gone) => change('soon', () => putFiles(id, changed, gone)),
    replaceFiles: (id, all) =>
      change('soon', () => {
        removeFiles.run(id)
        putFiles(id, all, [])
      }),
    remove: (id) => void change('soon', () => remove.run(id)),
  }
}

// The tables are STRICT: a value of another type means that the row is damaged.
const wrong = (value: unknown): never => {
  throw new TypeError(`a column of the state holds a ${typeof value}`)
}
const text = (value: SQLOutputValue | undefined): string => (typeof value === 'string' ? value : wrong(value))
const number = (value: SQLOutputValue | undefined): number => (typeof value === 'number' ? value : wrong(value))
const bytes = (value: SQLOutputValue | undefined): Uint8Array => (value instanceof Uint8Array ? value : wrong(value))
const texts = (value: SQLOutputValue | undefined): string[] => {
  const parsed: unknown = JSON.parse(text(value))
  return Array.isArray(parsed) ? parsed.filter((item) => typeof item === 'string') : []
}
