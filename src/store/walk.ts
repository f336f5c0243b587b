/** Listing a home: ordinary files only, never through a link, never onto another file system. */
import { isUtf8 } from 'node:buffer'
import type { Dirent, Stats } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { sep } from 'node:path'
import { isOurs } from '../errors.ts'
import { checkName } from './names.ts'
import { inParallel } from './parallel.ts'

/** Segments of the deepest name that is listed. */
const MAX_DEPTH = 16
/** More entries than this are not listed (the page says so and searches only). */
export const MAX_LISTED = 100_000
/** As many as keep the four threads of the file pool busy. */
const STATS_AT_ONCE = 32

export interface HomeFile {
  /** Relative to the home, parted by '/'; with U+FFFD where the disk's name is not UTF-8. */
  readonly name: string
  readonly size: number
  readonly modifiedMs: number
  /** False for a name that is not UTF-8 or too long. */
  readonly publishable: boolean
}

export interface Walk {
  readonly files: HomeFile[]
  /** False when there are more than are listed. */
  readonly complete: boolean
}

interface Folder {
  readonly path: Buffer
  readonly prefix: string
  readonly utf8: boolean
  readonly depth: number
}

/**
 * All files below `root` (a real path on device `dev`), in no order. What cannot be read, or is gone meanwhile, is left out.
 * @throws the signal's reason.
 */
export const walk = async (
  root: string,
  dev: number,
  { signal, maxFiles = MAX_LISTED }: { signal?: AbortSignal | undefined; maxFiles?: number } = {},
): Promise<Walk> => {
  const files: HomeFile[] = []
  const folders: Folder[] = [{ path: Buffer.from(root), prefix: '', utf8: true, depth: 1 }]
  for (let folder = folders.pop(); folder; folder = folders.pop()) {
    signal?.throwIfAborted()
    const { path, prefix, utf8, depth } = folder
    const entries = await readdir(path, { withFileTypes: true, encoding: 'buffer' }).catch((): Dirent<Buffer>[] => [])
    await inParallel(
      wanted(entries),
      STATS_AT_ONCE,
      async (raw) => {
        if (files.length > maxFiles) return
        const at = Buffer.concat([path, Buffer.from(sep), raw])
        const stats = await lstat(at).catch(() => undefined)
        const name = prefix + raw.toString()
        const valid = utf8 && isUtf8(raw)
        if (stats?.isFile()) files.push(listed(name, stats, valid))
        else if (stats?.isDirectory() && stats.dev === dev && depth < MAX_DEPTH) {
          folders.push({ path: at, prefix: `${name}/`, utf8: valid, depth: depth + 1 })
        }
      },
      signal,
    )
    if (files.length > maxFiles) return { files: files.slice(0, maxFiles), complete: false }
  }
  return { files, complete: true }
}

/** Some file systems do not say what an entry is; only what is surely neither a file nor a folder is left out. */
function* wanted(entries: readonly Dirent<Buffer>[]): Generator<Buffer> {
  for (const entry of entries) {
    if (entry.name[0] === 0x2e || entry.isSymbolicLink() || entry.isFIFO() || entry.isSocket()) continue
    if (!entry.isCharacterDevice() && !entry.isBlockDevice()) yield entry.name
  }
}

const listed = (name: string, stats: Stats, utf8: boolean): HomeFile => ({
  name,
  size: stats.size,
  modifiedMs: stats.mtimeMs,
  publishable: utf8 && isName(name),
})

const isName = (name: string): boolean => {
  try {
    checkName(name)
    return true
  } catch (error) {
    if (isOurs(error)) return false
    throw error
  }
}
