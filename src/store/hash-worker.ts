/** One file read once, in a worker thread: SHA-256 of the whole, the root of its BEP 52 tree and the nodes of its pieces. */
import { createHash } from 'node:crypto'
import { type BigIntStats, closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import type { MessagePort } from 'node:worker_threads'
import { toHex } from '../bytes.ts'
import { keepCompiled } from '../compiled.ts'
import { FileChanged, NotAFile } from '../errors.ts'
import { BLOCK_BYTES } from './merkle.ts'
import { LayerBuilder } from './piece-layer.ts'
import { type Stamp, sameStamp, stampOf } from './stamp.ts'

keepCompiled({ sleeps: true })

/** Large enough that system calls cost nothing, small enough for the processor's cache. */
const BUFFER_BYTES = 64 * BLOCK_BYTES
const PROGRESS_EVERY_MS = 100
/**
 * A file changed this recently is waited for: the system's clock for file times ticks every 1 to 10 ms, and a second
 * change within the same tick would leave the stamp as it is.
 */
const SETTLE_MS = 20

export interface HashTask {
  readonly path: string
  readonly expect: Stamp | undefined
  /** One Int32; anything but 0 ends the work before the next buffer. */
  readonly cancelled: SharedArrayBuffer
  /** Is told Progress, at most every 100 ms. */
  readonly progress: MessagePort | undefined
}

/** Bytes done and bytes in all. */
export type Progress = readonly [doneBytes: number, totalBytes: number]

export interface Hashed {
  readonly size: number
  readonly hash: string
  readonly root: string
  /** The piece layer; undefined for a content of at most one piece, or where only the cache was asked. */
  readonly layer?: Uint8Array | undefined
  readonly stamp: Stamp
}

/** Errors lose their class between threads, so they travel as codes: ours, or the system's. */
export type HashOutcome = Hashed | { readonly failed: string; readonly message: string }

export default (task: HashTask): HashOutcome => {
  try {
    return hashFile(task)
  } catch (error) {
    const failed = error instanceof Error && 'code' in error ? String(error.code) : 'ERR'
    return { failed, message: error instanceof Error ? error.message : '' }
  } finally {
    task.progress?.close()
  }
}

const hashFile = ({ path, expect, cancelled, progress }: HashTask): HashOutcome => {
  const fd = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0))
  try {
    const stamp = stampOf(settled(fd))
    if (expect && !sameStamp(expect, stamp)) throw new FileChanged()
    const contents = readContents(fd, stamp.size, new Int32Array(cancelled), progress)
    if (!contents || !sameStamp(stamp, stampOf(fstatSync(fd, { bigint: true })))) throw new FileChanged()
    return { size: stamp.size, ...contents, stamp }
  } catch (error) {
    if (error === CANCELLED) return { failed: 'cancelled', message: '' }
    throw error
  } finally {
    closeSync(fd)
  }
}

const CANCELLED = new Error('cancelled')

const settled = (fd: number): BigIntStats => {
  const stats = regular(fd)
  const age = Date.now() - Number(stats.ctimeMs)
  if (age >= SETTLE_MS || age < 0) return stats
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SETTLE_MS - age)
  return regular(fd)
}

const regular = (fd: number): BigIntStats => {
  const stats = fstatSync(fd, { bigint: true })
  if (!stats.isFile()) throw new NotAFile()
  return stats
}

const readContents = (
  fd: number,
  size: number,
  cancelled: Int32Array,
  progress: MessagePort | undefined,
): Pick<Hashed, 'hash' | 'root' | 'layer'> | undefined => {
  const buffer = new Uint8Array(BUFFER_BYTES)
  const whole = createHash('sha256')
  const tree = new LayerBuilder(size)
  let done = 0
  let told = performance.now()
  for (;;) {
    if (Atomics.load(cancelled, 0) !== 0) throw CANCELLED
    const filled = fill(fd, buffer, done)
    const bytes = buffer.subarray(0, filled)
    done += filled
    // A file that grows while it is read ends here and not never.
    if (done > size) return undefined
    whole.update(bytes)
    tree.addBlocks(bytes)
    if (filled < BUFFER_BYTES) break
    if (progress && performance.now() - told >= PROGRESS_EVERY_MS) {
      progress.postMessage([done, size] satisfies Progress)
      told = performance.now()
    }
  }
  if (done !== size) return undefined
  const { root, layer } = tree.result()
  return { hash: whole.digest('hex'), root: toHex(root), layer }
}

/** A short read is not yet the end: blocks have to stay aligned. */
const fill = (fd: number, buffer: Uint8Array, position: number): number => {
  let filled = 0
  while (filled < buffer.length) {
    const read = readSync(fd, buffer, filled, buffer.length - filled, position + filled)
    if (read === 0) break
    filled += read
  }
  return filled
}
