/** Where received bytes go: into a partial file first, under a final name only when they are complete. */
import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, realpath, rm, statfs, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { CannotStart, DiskFull, isOurs, TooLarge, UploadIncomplete } from '../errors.ts'
import { reasonOf, writeError } from './disk.ts'
import type { Home } from './home.ts'
import { finishSettling, isClaim, type Link, removeStaleClaim, type SettleOptions, settle } from './settle.ts'

const PARTIAL_FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0)

export interface ReceiveOptions extends SettleOptions {
  readonly signal?: AbortSignal
  /** More bytes than this are TooLarge. */
  readonly limitBytes?: number
  /** How many bytes are announced: refused at once when the disk has not got so many. */
  readonly expectedBytes?: number
  /** Called after the last byte and before the file gets its name; what it throws drops the file. */
  readonly accept?: () => void | Promise<void>
}

export class Place {
  readonly #home: Home
  readonly #link: Link | undefined

  /** @param options.link - in place of node's, for a test of file systems without links. */
  constructor(home: Home, options: { link?: Link } = {}) {
    this.#home = home
    this.#link = options.link
  }

  /** Where partial files lie: `<home>/.portmesh/partial`, on the same file system as the home. */
  get folder(): string {
    return join(this.#home.realRoot, '.portmesh', 'partial')
  }

  /**
   * Make the partial folder and remove what an earlier process left in it.
   * @param options.keep - names of partial files that somebody still goes on with.
   * @throws CannotStart
   */
  async start(options: { keep?: ReadonlySet<string> } = {}): Promise<void> {
    try {
      await mkdir(this.folder, { recursive: true, mode: 0o700 })
      if ((await realpath(this.folder)) !== this.folder) {
        throw new CannotStart(`${this.folder} must be a folder of the home, not a link`)
      }
      for (const name of await readdir(this.folder)) {
        if (options.keep?.has(name)) continue
        if (isClaim(name)) await removeStaleClaim(join(this.folder, name))
        else await rm(join(this.folder, name), { recursive: true, force: true })
      }
    } catch (error) {
      if (isOurs(error)) throw error
      throw new CannotStart(`${this.folder} cannot be made or used${reasonOf(error)}`, { cause: error })
    }
  }

  /**
   * Write a stream into the home under a safe form of a foreign name; nothing is left of it when it fails.
   * @returns the name it got, parted by '/', and its size in bytes.
   * @throws UploadIncomplete when the source fails or the signal is aborted (with a reason of ours: that one); TooLarge,
   *   DiskFull, CannotWrite, Busy; whatever `accept` throws.
   */
  async receive(
    source: AsyncIterable<Uint8Array>,
    foreignName: string,
    options: ReceiveOptions = {},
  ): Promise<{ name: string; size: number }> {
    const chunks = chunksOf(source, options.signal)
    const partial = join(this.folder, randomUUID())
    try {
      if ((options.expectedBytes ?? 0) > (await this.freeSpace())) throw new DiskFull()
      const size = await this.#write(partial, chunks, options)
      return { name: await this.settle(partial, foreignName, options), size }
    } catch (error) {
      chunks.end()
      await unlink(partial).catch(() => undefined)
      throw writeError(error)
    }
  }

  /**
   * Give a partial file that is complete, verified and synced its final name in the home, and remove the partial one.
   * @param partial - its path, in `folder`
   * @returns the name, parted by '/': never one that was taken
   * @throws DiskFull, CannotWrite, Busy
   */
  async settle(partial: string, foreignName: string, options: SettleOptions = {}): Promise<string> {
    try {
      return await settle(this.#home.realRoot, partial, foreignName, options, this.#link)
    } catch (error) {
      throw writeError(error)
    }
  }

  /**
   * For a partial file that an earlier process may have ended upon in the middle of settle().
   * @returns the name it has in the home, when it has one
   * @throws CannotWrite, Busy
   */
  async settled(partial: string, foreignName: string, options: SettleOptions = {}): Promise<string | undefined> {
    try {
      return await finishSettling(this.#home.realRoot, partial, foreignName, options)
    } catch (error) {
      throw writeError(error)
    }
  }

  /** Bytes that this program may still write into the home. @throws CannotWrite */
  async freeSpace(): Promise<number> {
    try {
      const { bavail, bsize } = await statfs(this.#home.realRoot)
      return bavail * bsize
    } catch (error) {
      throw writeError(error)
    }
  }

  async #write(partial: string, chunks: Chunks, { limitBytes, accept }: ReceiveOptions): Promise<number> {
    const handle = await open(partial, PARTIAL_FLAGS, 0o600)
    try {
      let size = 0
      for (let chunk = await chunks.next(); chunk; chunk = await chunks.next()) {
        size += chunk.length
        if (limitBytes !== undefined && size > limitBytes) throw new TooLarge()
        await writeFully(handle, chunk)
      }
      await accept?.()
      await handle.sync()
      return size
    } finally {
      await handle.close()
    }
  }
}

interface Chunks {
  next(): Promise<Uint8Array | undefined>
  /** Tell the source that no more is wanted. */
  end(): void
}

/** The first chunk is asked for at once: a stream that fails before anybody listens to it would end the process. */
const chunksOf = (source: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined): Chunks => {
  const iterator = source[Symbol.asyncIterator]()
  let coming: Promise<IteratorResult<Uint8Array>> | undefined = iterator.next()
  coming.catch(() => undefined)
  return {
    next: async () => {
      const asked = coming ?? iterator.next()
      coming = undefined
      try {
        const { done, value } = await untilAborted(asked, signal)
        return done ? undefined : value
      } catch (error) {
        throw isOurs(error) ? error : new UploadIncomplete({ cause: error })
      }
    },
    // A generator that waits for its next chunk ends only after it; a stream can be told at once.
    end: () => void (source instanceof Readable ? source.destroy() : iterator.return?.().catch(() => undefined)),
  }
}

const untilAborted = async <Result>(work: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> => {
  if (!signal) return await work
  const { promise, reject } = Promise.withResolvers<never>()
  const leave = (): void => reject(signal.reason)
  signal.addEventListener('abort', leave, { once: true })
  if (signal.aborted) leave()
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', leave)
  }
}

const writeFully = async (handle: FileHandle, bytes: Uint8Array): Promise<void> => {
  for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at, bytes.length - at)).bytesWritten
}
