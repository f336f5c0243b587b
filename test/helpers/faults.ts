/** What goes wrong outside of a node: disks, sleeping processes, broken downloads, and chance that can be repeated. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { get, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { type Running, tempDir } from './process.ts'

/** `npm run test:long` sets it: more rounds, and what takes its time. */
export const LONG = Boolean(process.env.PORTMESH_LONG)

const asRoot = process.getuid?.() === 0
const works = (command: string, ...words: string[]): boolean => spawnSync(command, words).status === 0
/** A file system of our own needs root, and a container that lets it. */
export const canMount = asRoot && works('unshare', '--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt')

/** Words before a command so that the modes of files hold for it, too, when the tests run as root. Undefined: impossible. */
export const withoutPrivilege: readonly string[] | undefined = !asRoot
  ? []
  : works('setpriv', '--bounding-set=-dac_override', 'true')
    ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search', '--inh-caps=-dac_override,-dac_read_search']
    : undefined

export interface Disk {
  readonly folder: string
  readonly remount: (how: 'ro' | 'rw') => void
  /** Take it away, whoever has files open there. */
  readonly pullOut: () => void
}

/** A disk of some MiB, gone when the test ends; ask `canMount` before. */
export const smallDisk = async (megabytes: number): Promise<Disk> => {
  const folder = await tempDir()
  const mount = (...words: string[]): void => {
    const { status, stderr } = spawnSync('mount', words, { encoding: 'utf8' })
    if (status !== 0) throw new Error(`mount ${words.join(' ')}: ${stderr}`)
  }
  const pullOut = (): void => void spawnSync('umount', ['--lazy', folder])
  mount('-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder)
  onTestFinished(pullOut)
  return { folder, remount: (how) => mount('-o', `remount,${how}`, folder), pullOut }
}

/** Stop the whole node without its knowing, as sleep does; and go on. */
export const pause = ({ pid }: Running): void => void process.kill(-pid, 'SIGSTOP')
export const wake = ({ pid }: Running): void => void process.kill(-pid, 'SIGCONT')

export interface Download {
  readonly status: number
  readonly length: number
  /** Read on to the end. `whole` is what a browser would call finished. */
  readonly rest: () => Promise<{ whole: boolean; bytes: number; hash: string }>
}

/** A reader that has its first bytes and takes no more before it is told to. */
export const beginDownload = async (url: string): Promise<Download> => {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => get(url, resolve).once('error', reject))
  const digest = createHash('sha256')
  let bytes = 0
  const take = (chunk: Buffer): void => {
    bytes += chunk.length
    digest.update(chunk)
  }
  const length = Number(answer.headers['content-length'])
  const ended = new Promise<void>((resolve) => answer.once('close', resolve).once('error', () => {}))
  await new Promise<void>((resolve) => answer.once('readable', resolve))
  const rest = async () => {
    answer.on('data', take)
    await ended
    return { whole: answer.complete && bytes === length, bytes, hash: digest.digest('hex') }
  }
  return { status: answer.statusCode ?? 0, length, rest }
}

export interface Answer {
  readonly status: number
  readonly text: string
}

/** Status and text, whatever they are. */
export const answerTo = async (base: string, path: string, method = 'GET'): Promise<Answer> => {
  const answer = await fetch(new URL(path, base), { method, signal: AbortSignal.timeout(30_000) })
  return { status: answer.status, text: await answer.text() }
}

/** Send one file, as the page's form does. */
export const upload = async (base: string, name: string, bytes: Uint8Array, query = ''): Promise<Answer> => {
  const form = new FormData()
  form.set('file', new Blob([bytes]), name)
  const answer = await fetch(new URL(`/myfiles${query}`, base), { method: 'POST', body: form })
  return { status: answer.status, text: await answer.text() }
}

export const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex')

/** Name -> hash of every file that the home shows; sub-folders are not looked into. */
export const hashesIn = async (home: string): Promise<Map<string, string>> => {
  const entries = await readdir(home, { withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
  return new Map(
    await Promise.all(files.map(async ({ name }) => [name, sha256(await readFile(join(home, name)))] as const)),
  )
}

/** What lies in the partial folder; nothing, mostly. */
export const partials = async (home: string): Promise<readonly string[]> =>
  await readdir(join(home, '.portmesh', 'partial'))

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
export const seeded = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A seed for this run, printed so that the run can be repeated: PORTMESH_SEED. */
export const printedSeed = (): number => {
  const seed = Number(process.env.PORTMESH_SEED) || Math.floor(Math.random() * 2 ** 31)
  console.log(`PORTMESH_SEED=${seed}`)
  return seed
}
