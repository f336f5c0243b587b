/** The node's folder: what it can share lies here, what it receives arrives here. */
import { constants, lstatSync, realpathSync } from 'node:fs'
import { type FileHandle, lstat, mkdir, open, realpath } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { BadName, CannotStart, isOurs, NoSuchFile, NotAFile, Unreadable } from '../errors.ts'
import { reasonOf } from './disk.ts'
import { checkName } from './names.ts'
import { type Stamp, stampOf } from './stamp.ts'
import { type Walk, walk } from './walk.ts'

export { type Stamp, sameStamp } from './stamp.ts'
export type { HomeFile, Walk } from './walk.ts'

/** Never through a link, and never waiting for the other end of a pipe. Windows has neither flag. */
export const READ_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

/** How long many small calls may hold up the event loop. */
const SLICE_MS = 2

export interface HomeStat {
  readonly size: number
  readonly modifiedMs: number
  readonly stamp: Stamp
}

/** The handle is the caller's to close. */
export interface OpenHomeFile {
  readonly handle: FileHandle
  readonly stamp: Stamp
  readonly size: number
}

export class Home {
  readonly folder: string
  #realRoot: string | undefined
  #dev = 0

  constructor(folder: string) {
    this.folder = folder
  }

  /** The folder without links on its way; known after start(). */
  get realRoot(): string {
    if (this.#realRoot === undefined) throw new Error('home is not started')
    return this.#realRoot
  }

  /**
   * Make the folder when it is missing.
   * @throws CannotStart when it cannot be made or used.
   */
  async start(): Promise<void> {
    try {
      await mkdir(this.folder, { recursive: true })
      const root = await realpath(this.folder)
      this.#dev = (await lstat(root)).dev
      this.#realRoot = root
    } catch (error) {
      throw new CannotStart(`the folder ${this.folder} cannot be made or used${reasonOf(error)}`, { cause: error })
    }
  }

  /**
   * List the files of the home to depth 16: no names that begin with a dot, links, devices, other file systems.
   * @throws the signal's reason.
   */
  async walk(signal?: AbortSignal): Promise<Walk> {
    return await walk(this.realRoot, this.#dev, { signal })
  }

  /** @throws BadName, NoSuchFile, Unreadable, NotAFile (also for a link, and below a linked folder) */
  async stat(name: string): Promise<HomeStat> {
    const path = this.path(name)
    return await translated(async () => {
      const stats = await lstat(path, { bigint: true })
      if (!stats.isFile()) throw new NotAFile()
      await this.#checkParent(path)
      return { size: Number(stats.size), modifiedMs: Number(stats.mtimeMs), stamp: stampOf(stats) }
    })
  }

  /**
   * The stamps of many files, undefined for what is no file (any more); those that cannot be told now are left out.
   * Synchronous calls in short slices: a seventh of the processor time of asynchronous ones.
   * @throws the signal's reason
   */
  async *stamps(
    names: Iterable<string>,
    signal?: AbortSignal,
  ): AsyncGenerator<[name: string, stamp: Stamp | undefined]> {
    const parents = new Map<string, boolean>()
    let since = performance.now()
    for (const name of names) {
      try {
        yield [name, this.#stampNow(this.path(name), parents)]
      } catch (error) {
        if (isOurs(fileError(error))) yield [name, undefined]
      }
      if (performance.now() - since < SLICE_MS) continue
      await nextTurn()
      signal?.throwIfAborted()
      since = performance.now()
    }
  }

  /**
   * Open a file for reading without following links; what was opened is what lies under that name in the home.
   * @throws BadName, NoSuchFile, NotAFile, Unreadable
   */
  async open(name: string): Promise<OpenHomeFile> {
    const path = this.path(name)
    return await translated(async () => {
      // Asked before: opening a device can already have an effect.
      if (!(await lstat(path)).isFile()) throw new NotAFile()
      const handle = await open(path, READ_FLAGS)
      try {
        const stats = await handle.stat({ bigint: true })
        if (!stats.isFile()) throw new NotAFile()
        // Asked after: a folder swapped for a link while we opened shows as another file.
        await this.#checkParent(path)
        const there = await lstat(path, { bigint: true })
        if (there.dev !== stats.dev || there.ino !== stats.ino) throw new NotAFile()
        return { handle, stamp: stampOf(stats), size: Number(stats.size) }
      } catch (error) {
        await handle.close()
        throw error
      }
    })
  }

  /**
   * Where a published name lies on disk.
   * @throws BadName
   */
  path(name: string): string {
    checkName(name)
    return join(this.realRoot, ...name.split('/'))
  }

  #stampNow(path: string, parents: Map<string, boolean>): Stamp | undefined {
    const stats = lstatSync(path, { bigint: true, throwIfNoEntry: false })
    if (!stats?.isFile()) return undefined
    const parent = dirname(path)
    const own = parents.get(parent) ?? this.#isOwnFolder(parent)
    parents.set(parent, own)
    return own ? stampOf(stats) : undefined
  }

  #isOwnFolder(folder: string): boolean {
    return folder === this.realRoot || (realpathSync.native(folder) === folder && lstatSync(folder).dev === this.#dev)
  }

  async #checkParent(path: string): Promise<void> {
    const parent = dirname(path)
    if (parent === this.realRoot) return
    if ((await realpath(parent)) !== parent || (await lstat(parent)).dev !== this.#dev) throw new NotAFile()
  }
}

const translated = async <Result>(work: () => Promise<Result>): Promise<Result> => {
  try {
    return await work()
  } catch (error) {
    throw fileError(error)
  }
}

/** What a failed open, stat or read of a file means; errors that say nothing about the file stay as they are. */
export const fileError = (error: unknown): unknown => {
  if (isOurs(error)) return error
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new NoSuchFile({ cause: error })
    case 'ELOOP':
    case 'ENXIO':
    case 'EISDIR':
      return new NotAFile({ cause: error })
    case 'EACCES':
    case 'EPERM':
      return new Unreadable({ cause: error })
    case 'ENAMETOOLONG':
      return new BadName('it is too long for this disk', { cause: error })
    default:
      return error
  }
}
