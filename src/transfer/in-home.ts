/** What the home has of a content before anything is fetched: a file that was placed already, or another one to copy. */
import { createWriteStream, constants as fsConstants } from 'node:fs'
import { chmod, copyFile, open, unlink } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { READ_FLAGS } from '../store/home.ts'
import type { TransferRecord } from '../store/transfers.ts'
import type { TransferDeps } from './transfer-deps.ts'

const CHUNK_BYTES = 1024 * 1024
/** As other partial files. */
const MODE = 0o600

/**
 * An earlier process may have ended when all was there but for the last notes of it.
 * @returns the name of the file
 */
export const placedBefore = async (
  { place, placed }: Pick<TransferDeps, 'place' | 'placed'>,
  record: TransferRecord,
  partial: string,
): Promise<string | undefined> => {
  const { finalName, name, size } = record
  if (finalName !== undefined && (await isThere(placed(finalName, record, false), size))) {
    await unlink(partial).catch(() => {})
    return finalName
  }
  return await place.settled(partial, name, { keepFolders: true })
}

const isThere = async (looking: ReturnType<TransferDeps['placed']>, size: number): Promise<boolean> =>
  await looking.then(
    ({ stamp }) => stamp.size === size,
    () => false,
  )

/**
 * What the home has already is copied, not fetched; never hard-linked, for each file is the person's to change.
 * @returns its layer; undefined when there is nothing that can be copied
 * @throws the signal's reason
 */
export const copyOfOwn = async (
  { own, onTrouble }: Pick<TransferDeps, 'own' | 'onTrouble'>,
  record: TransferRecord,
  partial: string,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> => {
  try {
    const found = await own(record)
    if (!found) return undefined
    await copy(found.path, partial, signal)
    return found.layer
  } catch (error) {
    signal.throwIfAborted()
    onTrouble('a file of the home could not be copied', error)
    return undefined
  }
}

const copy = async (from: string, to: string, signal: AbortSignal): Promise<void> => {
  await unlink(to).catch(() => {})
  if (await isCloned(from, to)) return
  try {
    const reading = (await open(from, READ_FLAGS)).createReadStream({ highWaterMark: CHUNK_BYTES })
    await pipeline(reading, createWriteStream(to, { flags: 'wx', mode: MODE }), { signal })
  } catch (error) {
    await unlink(to).catch(() => {})
    throw error
  }
}

/** Where the file system can: at once, and without taking room. */
const isCloned = async (from: string, to: string): Promise<boolean> => {
  try {
    await copyFile(from, to, fsConstants.COPYFILE_FICLONE_FORCE | fsConstants.COPYFILE_EXCL)
    await chmod(to, MODE)
    return true
  } catch {
    await unlink(to).catch(() => {})
    return false
  }
}
