/** A home on disk with everything that the store puts around it. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import { News } from '../../../src/news.ts'
import { Hasher } from '../../../src/store/hash.ts'
import { Home } from '../../../src/store/home.ts'
import { Published } from '../../../src/store/published.ts'
import type { Reach } from '../../../src/store/reach.ts'
import { openState, type State } from '../../../src/store/state.ts'
import { WorkerPool } from '../../../src/workers.ts'
import { tempDir } from '../../helpers/process.ts'

export { tempDir }

export interface Store {
  readonly folder: string
  readonly home: Home
  readonly state: State
  readonly hasher: Hasher
  readonly published: Published
  /** What a listener of the topic saw each time, by the function given. */
  readonly news: News
  /** Stop and open everything again, as a restart does. */
  restart(): Promise<Store>
}

export interface StoreOptions {
  readonly folder?: string
  readonly maxFiles?: number
  readonly usualReach?: () => Reach
  readonly now?: () => number
}

export const pool = (threads = 2): WorkerPool => {
  const made = new WorkerPool({ threads, queue: 100 })
  onTestFinished(() => made.stop())
  return made
}

export const startHasher = (workers = pool()): Hasher => {
  const hasher = new Hasher(workers)
  onTestFinished(() => hasher.idle())
  return hasher
}

export const startHome = async (given?: string): Promise<Home> => {
  const home = new Home(given ?? (await tempDir()))
  await home.start()
  return home
}

export const startStore = async (options: StoreOptions = {}): Promise<Store> => {
  const home = await startHome(options.folder)
  const state = await openState(join(home.realRoot, '.portmesh'))
  const news = new News()
  const hasher = startHasher()
  const published = new Published({ home, state, hasher, news, ...options })
  await published.start()
  const end = async (): Promise<void> => {
    await published.stop()
    state.close()
  }
  onTestFinished(end)
  const restart = async (): Promise<Store> => {
    await end()
    return await startStore({ ...options, folder: home.folder })
  }
  return { folder: home.realRoot, home, state, hasher, news, published, restart }
}

/** Write a file of a home, with the folders above it; returns its path. */
export const put = async (folder: string, name: string, content: string | Uint8Array): Promise<string> => {
  const path = join(folder, ...name.split('/'))
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, content)
  return path
}

/** The bytes of test/vectors/bep52.json: (i mod 251 + floor(i / 16384)) mod 256. */
export const vectorContent = (size: number): Uint8Array => {
  const bytes = new Uint8Array(size)
  for (let i = 0; i < size; i++) bytes[i] = (i % 251) + Math.floor(i / 16_384)
  return bytes
}

/** The code of what a promise is rejected with; 'none' when it is not. */
export const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise
    return 'none'
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}

/** Wait until a condition holds, at most 10 s. */
export const until = async (holds: () => boolean): Promise<void> => {
  const end = performance.now() + 10_000
  while (!holds()) {
    if (performance.now() > end) throw new Error('it never came to hold')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
