/** A complete partial file gets its final name: never over another file, never outside the home. */
import { randomUUID } from 'node:crypto'
import { link, lstat, mkdir, open, readdir, readFile, realpath, rename, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isOurs, NotAFile } from '../errors.ts'
import { foldName, localName, numberedName } from './names.ts'
import { formatStamp, stampOf } from './stamp.ts'
import { syncFolder } from './sync.ts'

/** A file beside the partial ones that says which empty file we made; see withoutLinks. */
const CLAIM_ENDING = '.claim'
/** How systems answer where the file system has no links (FAT, exFAT, some shares). */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'EISDIR', 'EMLINK', 'UNKNOWN'])

export interface SettleOptions {
  /** Keep the folders of 'album/01.flac'; they are made when missing. */
  readonly keepFolders?: boolean
  /** Told the name once the file has it for good, and before the partial one goes: what is kept of it never lags behind both. */
  readonly onPlaced?: (name: string) => void
}

/** node's `link`; another one stands in only where a test needs a file system without links. */
export type Link = typeof link

/**
 * Give the partial file (complete and synced, in the home's partial folder) its place, and remove the partial name.
 * A name that is taken, also in another case or composition, becomes 'name (2).ending'.
 * @param root - the home's real path
 * @param foreign - any name; localName makes it safe
 * @returns the name in the home, parted by '/'
 */
export const settle = async (
  root: string,
  partial: string,
  foreign: string,
  options: SettleOptions = {},
  makeLink: Link = link,
): Promise<string> => {
  const segments = localName(foreign, options).split('/')
  const base = segments.pop() ?? ''
  const folders = await makeFolders(root, segments)
  const folder = join(root, ...folders)
  const held = await foldedNames(folder)
  for (const candidate of candidates(base)) {
    if (held.has(foldName(candidate))) continue
    if (!(await placed(partial, join(folder, candidate), makeLink))) continue
    await syncFolder(folder)
    const name = [...folders, candidate].join('/')
    options.onPlaced?.(name)
    await unlink(partial).catch(ignore('ENOENT'))
    await syncFolder(dirname(partial))
    return name
  }
  throw new NotAFile()
}

/**
 * Finish what a process began that ended between giving the name and removing the partial one, which are two names of one file then.
 * @returns the name in the home; undefined when there was nothing to finish, or the person has given it another one meanwhile
 */
export const finishSettling = async (
  root: string,
  partial: string,
  foreign: string,
  options: SettleOptions = {},
): Promise<string | undefined> => {
  const found = await lstat(partial, { bigint: true }).catch(ignore('ENOENT'))
  if (!found?.isFile() || found.nlink < 2n) return undefined
  const folders = await makeFolders(root, localName(foreign, options).split('/').slice(0, -1))
  const folder = join(root, ...folders)
  let own: string | undefined
  for (const name of await readdir(folder)) {
    const other = await lstat(join(folder, name), { bigint: true }).catch(ignore('ENOENT'))
    if (other?.dev === found.dev && other.ino === found.ino) own = [...folders, name].join('/')
  }
  await unlink(partial)
  await syncFolder(dirname(partial))
  return own
}

/** Remove the empty file of a claim whose process died before it could fill it; then the claim. */
export const removeStaleClaim = async (claim: string): Promise<void> => {
  const text = await readFile(claim, 'utf8')
  const [stamp = '', path = ''] = text.split('\n')
  const found = await lstat(path, { bigint: true }).catch(() => undefined)
  if (found?.isFile() && found.size === 0n && formatStamp(stampOf(found)) === stamp) await unlink(path)
  await unlink(claim)
}

export const isClaim = (name: string): boolean => name.endsWith(CLAIM_ENDING)

function* candidates(base: string): Generator<string> {
  yield base
  for (let number = 2; number < Number.MAX_SAFE_INTEGER; number++) yield numberedName(base, number)
}

const foldedNames = async (folder: string): Promise<Set<string>> => new Set((await readdir(folder)).map(foldName))

/** @returns the folders' names: existing ones of the same folded name are used, links and files are not. */
const makeFolders = async (root: string, wanted: readonly string[]): Promise<string[]> => {
  const { dev } = await lstat(root)
  const made: string[] = []
  for (const base of wanted) {
    const parent = join(root, ...made)
    const there = await readdir(parent)
    for (const candidate of candidates(base)) {
      const same = there.filter((name) => foldName(name) === foldName(candidate))
      const name = same.find((found) => found === candidate) ?? same[0] ?? candidate
      if (await isOwnFolder(join(parent, name), dev)) {
        made.push(name)
        break
      }
    }
  }
  const folder = join(root, ...made)
  if ((await realpath(folder)) !== folder) throw new NotAFile()
  return made
}

const isOwnFolder = async (path: string, dev: number): Promise<boolean> => {
  const created = await mkdir(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return false
      throw error
    },
  )
  if (created) await syncFolder(dirname(path))
  const stats = await lstat(path)
  return stats.isDirectory() && stats.dev === dev
}

/** @returns false when the name is taken. */
const placed = async (partial: string, final: string, makeLink: Link): Promise<boolean> => {
  try {
    await makeLink(partial, final)
    return true
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (code === 'EEXIST') return false
    if (isOurs(error) || !NO_LINKS.has(code)) throw error
    return await withoutLinks(partial, final)
  }
}

/**
 * Claim the name with an empty file, then rename over exactly that file. Until then a note beside the partial files says
 * which one it is, so that the next start removes it if we die in between.
 */
const withoutLinks = async (partial: string, final: string): Promise<boolean> => {
  const handle = await open(final, 'wx', 0o600).catch(ignore('EEXIST'))
  if (!handle) return false
  const claim = join(dirname(partial), `${randomUUID()}${CLAIM_ENDING}`)
  try {
    const stamp = formatStamp(stampOf(await handle.stat({ bigint: true })))
    await writeSynced(claim, `${stamp}\n${final}`)
    // Somebody wrote into our empty file: then it is theirs.
    if (formatStamp(stampOf(await lstat(final, { bigint: true }))) !== stamp) return false
    await rename(partial, final)
    return true
  } finally {
    await handle.close()
    await unlink(claim).catch(ignore('ENOENT'))
  }
}

const writeSynced = async (path: string, text: string): Promise<void> => {
  const handle = await open(path, 'wx', 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const ignore =
  (code: string) =>
  (error: NodeJS.ErrnoException): undefined => {
    if (error.code !== code) throw error
    return undefined
  }
