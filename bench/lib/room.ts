/** Where the bytes of a benchmark lie: on a RAM disk when it has room, so that the disk is not what is measured. */
import { randomFillSync } from 'node:crypto'
import { mkdtemp, open, readdir, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cleanUp } from '../measure.ts'
import { freeMemory, isAlive } from './machine.ts'

export const MIB = 1024 * 1024
export const GIB = 1024 * MIB
/** What the rest of the machine needs of its memory. */
const SPARE_MEMORY = 2 * GIB
const RAM_DISK = '/dev/shm'
/** Begins the name of every room, then the process that made it. */
const PREFIX = 'portmesh-bench-'

export interface Room {
  readonly folder: string
  /** In words. */
  readonly where: string
}

/**
 * A folder of its own with room for so many bytes, gone when the benchmark ends.
 * @param onDisk - not on the RAM disk, though it has room
 * @returns undefined when neither the RAM disk nor the temporary folder has room
 */
export const makeRoom = async (bytes: number, { onDisk = false } = {}): Promise<Room | undefined> => {
  await removeStale()
  const ram = !onDisk && freeMemory() > bytes + SPARE_MEMORY && (await freeOf(RAM_DISK)) > bytes
  if (!ram && (await freeOf(tmpdir())) <= bytes) return undefined
  const folder = await mkdtemp(join(ram ? RAM_DISK : tmpdir(), `${PREFIX}${process.pid}-`))
  cleanUp(() => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }))
  return { folder, where: ram ? `the RAM disk ${RAM_DISK}` : `the disk of ${tmpdir()}` }
}

/** Rooms of benchmarks that were killed. */
const removeStale = async (): Promise<void> => {
  for (const disk of new Set([RAM_DISK, tmpdir()])) {
    for (const name of await readdir(disk).catch(() => [])) {
      const owner = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1]
      if (owner === undefined || isAlive(Number(owner))) continue
      // Perhaps somebody else's.
      await rm(join(disk, name), { recursive: true, force: true }).catch(() => {})
    }
  }
}

const freeOf = async (folder: string): Promise<number> => {
  const found = await statfs(folder).catch(() => undefined)
  return found ? found.bavail * found.bsize : 0
}

/** Write a file of random bytes. */
export const randomFile = async (path: string, bytes: number): Promise<void> => {
  const file = await open(path, 'wx')
  try {
    const block = Buffer.alloc(Math.min(bytes, 4 * MIB))
    for (let at = 0; at < bytes; at += block.length) {
      await file.write(randomFillSync(block), 0, Math.min(block.length, bytes - at), at)
    }
  } finally {
    await file.close()
  }
}

/** A file of its size that takes no room: one random block, then holes. */
export const sparseFile = async (path: string, bytes: number): Promise<void> => {
  const file = await open(path, 'wx')
  try {
    await file.write(randomFillSync(Buffer.alloc(MIB)), 0, MIB, 0)
    await file.truncate(bytes)
  } finally {
    await file.close()
  }
}
