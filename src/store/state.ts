/** What a node remembers between two starts: `<home>/.portmesh/state.db`, opened by one process at a time. */
import { existsSync, statSync } from 'node:fs'
import { access, chmod, constants, lstat, mkdir, rename } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { CannotStart, CannotWrite, DiskFull, isOurs } from '../errors.ts'
import { type AcquaintanceStore, acquaintanceStore } from './acquaintances.ts'
import { reasonOf } from './disk.ts'
import { type LayerStore, layerStore } from './layers.ts'
import { type FolderLock, lockFolder, sqliteCode } from './lock.ts'
import { migrate } from './schema.ts'
import {
  type CacheStore,
  type Change,
  cacheStore,
  type PeerStore,
  type PublishedStore,
  peerStore,
  publishedStore,
} from './tables.ts'
import { type TransferStore, transferStore } from './transfers.ts'

const SQLITE_CORRUPT = 11
const SQLITE_FULL = 13
/** PERM, READONLY, IOERR, CANTOPEN: a disk that takes nothing. */
const SQLITE_NO_WRITING = new Set<number | undefined>([3, 8, 10, 14])
const SQLITE_NOTADB = 26

/** Everything throws DiskFull when the disk is full and CannotWrite when it takes nothing; calls are synchronous and of at most some milliseconds. */
export interface State {
  /** `<home>/.portmesh` */
  readonly folder: string
  /** What the person should be told of the opening, a sentence each. */
  readonly notices: readonly string[]
  readonly published: PublishedStore
  readonly cache: CacheStore
  readonly peers: PeerStore
  readonly acquaintances: AcquaintanceStore
  readonly transfers: TransferStore
  readonly layers: LayerStore
  /** max(last + 1, seconds since 1970), on disk before it returns: no two calls ever give the same number. */
  nextEpoch(nowSeconds?: number): number
  /** A small value by its key; undefined when it was never set. */
  note(key: string): string | undefined
  setNote(key: string, value: string): void
  /** Run several changes as one: all of them or none is found after a crash. May be nested. */
  together<Result>(changes: () => Result): Result
  /** Write everything back and free the folder for another process. A second call does nothing. */
  close(): void
}

/**
 * Open the state in `folder` (made with mode 0700 when missing) and hold it until close() or the end of the process.
 * A damaged database is put aside as `state.corrupt-<time>` and begun anew: the notices say so.
 * @param options.waitMs - how long another process that holds the folder is waited for; default 0.
 * @throws CannotStart when another portmesh has the folder, a newer one wrote it, or it cannot be used.
 */
export const openState = async (folder: string, options: { waitMs?: number } = {}): Promise<State> => {
  await privateFolder(folder)
  const lock = await lockFolder(folder, options.waitMs ?? 0)
  const notices: string[] = []
  try {
    const database = await openDatabase(join(folder, 'state.db'), notices)
    return stateOf(folder, notices, database, lock)
  } catch (error) {
    lock.release()
    if (isOurs(error)) throw error
    const reason = sqliteCode(error) === SQLITE_FULL ? ': the disk is full' : ''
    throw new CannotStart(`the state in ${folder} cannot be opened${reason}`, { cause: error })
  }
}

const privateFolder = async (folder: string): Promise<void> => {
  try {
    const home = join(folder, '..')
    // On a read-only disk `recursive` says ENOENT; without it mkdir tells the truth.
    await mkdir(home, { recursive: true }).catch(() => mkdir(home))
    await mkdir(folder, { mode: 0o700 }).catch(ignoreExisting)
    const found = await lstat(folder)
    if (!found.isDirectory()) throw new CannotStart(`${folder} must be a folder, not a link or a file`)
    if ((found.mode & 0o077) !== 0) await chmod(folder, 0o700)
    await access(folder, constants.W_OK)
  } catch (error) {
    if (isOurs(error)) throw error
    throw new CannotStart(`${folder} cannot be made or used${reasonOf(error)}`, { cause: error })
  }
}

const ignoreExisting = (error: NodeJS.ErrnoException): void => {
  if (error.code !== 'EEXIST') throw error
}

const openDatabase = async (file: string, notices: string[]): Promise<DatabaseSync> => {
  try {
    return openChecked(file)
  } catch (error) {
    const code = sqliteCode(error)
    if (code !== SQLITE_CORRUPT && code !== SQLITE_NOTADB) throw error
    const aside = await putAside(file)
    notices.push(
      `the state was damaged and is begun anew: what was published has to be published again. The old one is kept as ${aside}`,
    )
    return openChecked(file)
  }
}

/** A new one is empty until it has its tables, and only then a node gets its identity. */
const isEmptied = (file: string): boolean =>
  statSync(file, { throwIfNoEntry: false })?.size === 0 && existsSync(join(file, '..', 'identity.json'))

const openChecked = (file: string): DatabaseSync => {
  if (isEmptied(file)) throw Object.assign(new Error('empty'), { errcode: SQLITE_CORRUPT })
  const database = new DatabaseSync(file, { timeout: 0 })
  try {
    // EXCLUSIVE before WAL: then no other program can open it, and there is no shared-memory file.
    database.exec('PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL')
    const verdict = database.prepare('PRAGMA quick_check(1)').get()?.quick_check
    if (verdict !== 'ok') throw Object.assign(new Error(String(verdict)), { errcode: SQLITE_CORRUPT })
    migrate(database, file)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

const putAside = async (file: string): Promise<string> => {
  const aside = join(file, '..', `state.corrupt-${new Date().toISOString().replaceAll(/[-:]/g, '')}`)
  await rename(file, aside)
  // Closing has mostly played the log into the damaged file; what is left of it may still be worth something.
  await rename(`${file}-wal`, `${aside}-wal`).catch(() => undefined)
  return basename(aside)
}

const stateOf = (folder: string, notices: readonly string[], database: DatabaseSync, lock: FolderLock): State => {
  const change = changer(database)
  const readNote = database.prepare('SELECT value FROM note WHERE key = ?')
  const writeNote = database.prepare('INSERT OR REPLACE INTO note (key, value) VALUES (?, ?)')
  const note = (key: string): string | undefined => {
    const value = readNote.get(key)?.value
    return typeof value === 'string' ? value : undefined
  }
  const setNote = (key: string, value: string): void => void change('durable', () => writeNote.run(key, value))
  return {
    folder,
    notices,
    published: publishedStore(database, change),
    cache: cacheStore(database, change),
    peers: peerStore(database, change),
    acquaintances: acquaintanceStore(database, change),
    transfers: transferStore(database, change),
    layers: layerStore(database, change),
    nextEpoch: (nowSeconds = Math.floor(Date.now() / 1000)) => {
      const last = Number(note('epoch') ?? 0)
      const epoch = Math.max(Number.isSafeInteger(last) ? last + 1 : 0, nowSeconds)
      setNote('epoch', String(epoch))
      return epoch
    },
    note,
    setNote,
    together: (changes) => change('durable', changes),
    close: () => {
      if (!database.isOpen) return
      database.close()
      lock.release()
    },
  }
}

/** One connection, two durabilities: in WAL mode only `synchronous` tells whether a commit waits for the disk. */
const changer = (database: DatabaseSync): Change => {
  let open = false
  return (durability, work) => {
    if (open) return work()
    try {
      database.exec(`PRAGMA synchronous=${durability === 'durable' ? 'FULL' : 'NORMAL'}; BEGIN IMMEDIATE`)
      open = true
      const result = work()
      database.exec('COMMIT')
      return result
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      const code = sqliteCode(error)
      if (code === SQLITE_FULL) throw new DiskFull({ cause: error })
      if (SQLITE_NO_WRITING.has(code)) throw new CannotWrite({ cause: error })
      throw error
    } finally {
      open = false
    }
  }
}
