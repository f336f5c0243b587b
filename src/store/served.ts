/** One published file, open to be read by somebody: every byte is of the content that was hashed, or an error. */
import { fstatSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { FileChanged, isOurs } from '../errors.ts'
import { busyError } from './disk.ts'
import type { PublishedFile } from './entry.ts'
import type { Home } from './home.ts'
import { type Stamp, sameStamp, stampOf } from './stamp.ts'

export interface ServedFile {
  readonly file: PublishedFile
  /**
   * Fill `into` from `position` (bytes) on.
   * @returns how many bytes were read; fewer than asked only at the end of the file.
   * @throws FileChanged when the file has become shorter
   */
  read(position: number, into: Uint8Array): Promise<number>
  /**
   * Call it after reading and before the bytes count.
   * @throws FileChanged when the file is no longer what was published; NotPublished when it was taken out.
   */
  check(): Promise<void>
  close(): Promise<void>
}

export interface ServedWatch {
  /** Throws when the file may not be served any more. */
  readonly stillPublished: () => void
  /** Told when the disk has something else. */
  readonly onChanged: () => void
}

/**
 * Open a file for serving.
 * @param stamp - what the file was when it was hashed.
 * @throws FileChanged when something else lies there now, or nothing; whatever stillPublished throws.
 */
export const openServed = async (
  home: Home,
  file: PublishedFile,
  stamp: Stamp,
  { stillPublished, onChanged }: ServedWatch,
): Promise<ServedFile> => {
  const { handle } = await home.open(file.name).catch((error: unknown) => {
    // Too many open files, a disk that fails: that says nothing about the file.
    if (!isOurs(error)) throw busyError(error)
    onChanged()
    throw new FileChanged({ cause: error })
  })
  const served: ServedFile = {
    file,
    read: async (position, into) => {
      const filled = await readFully(handle, position, into)
      // It has become shorter while we read it, and whoever asks is told by an end that comes too early.
      if (filled < into.length && position + filled < file.size) await served.check()
      return filled
    },
    check: async () => {
      stillPublished()
      // Synchronous: what an open file is lies in memory, and a thread to look it up costs ten times as much.
      if (sameStamp(stamp, stampOf(fstatSync(handle.fd, { bigint: true })))) return
      onChanged()
      throw new FileChanged()
    },
    close: () => handle.close(),
  }
  try {
    await served.check()
    return served
  } catch (error) {
    await handle.close()
    throw error
  }
}

const readFully = async (handle: FileHandle, position: number, into: Uint8Array): Promise<number> => {
  let filled = 0
  while (filled < into.length) {
    const { bytesRead } = await handle.read(into, filled, into.length - filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return filled
}
