/** One home, one process: a lock that the system itself takes back when its holder ends, however it ends. */
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { CannotStart, HomeInUse } from '../errors.ts'

const RETRY_MS = 50
const SQLITE_BUSY = 5

export interface FolderLock {
  release(): void
}

/**
 * Take the lock of a folder (its file `lock`, an empty database in an exclusive transaction that never ends).
 * It is apart from the state itself, so that a damaged state is put aside under the lock and not beside it.
 * Nobody may open and close that file otherwise: on POSIX systems closing any descriptor of a file drops its locks.
 * @param waitMs - how long another holder is waited for.
 * @throws HomeInUse when another process still holds it then; CannotStart when the file cannot be used.
 */
export const lockFolder = async (folder: string, waitMs: number): Promise<FolderLock> => {
  const until = performance.now() + waitMs
  for (;;) {
    const lock = tryLock(join(folder, 'lock'))
    if (lock) return lock
    const leftMs = until - performance.now()
    if (leftMs <= 0) throw new HomeInUse(dirname(folder))
    await sleep(Math.min(RETRY_MS, leftMs))
  }
}

/** The low byte of an SQLite error code; undefined for other errors. */
export const sqliteCode = (error: unknown): number | undefined =>
  error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode & 0xff : undefined

const tryLock = (file: string): FolderLock | undefined => {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(file, { timeout: 0 })
    database.exec('PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=MEMORY; BEGIN EXCLUSIVE')
  } catch (error) {
    database?.close()
    if (sqliteCode(error) === SQLITE_BUSY) return undefined
    throw new CannotStart(`the lock ${file} cannot be used; if no portmesh is running, delete it and start again`, {
      cause: error,
    })
  }
  const held = database
  return { release: () => held.close() }
}
