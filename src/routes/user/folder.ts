/** What lies in the home, for pages: walked at most once a burst, joined with what is published of it. */
import type { News } from '../../news.ts'
import type { Home, HomeFile } from '../../store/home.ts'
import type { FileStatus, Published } from '../../store/published.ts'

/** A file of the home, or one that was published and is not there any more. */
export interface MyFile extends FileStatus {
  readonly size: number
  /** Undefined when it is not in the folder any more. */
  readonly modifiedMs: number | undefined
  readonly publishable: boolean
}

export interface Listing {
  /** The latest first. */
  readonly files: readonly MyFile[]
  /** False when there are more than are listed. */
  readonly complete: boolean
}

export interface Folder {
  /** @param patience - wait for a walk, however long; else what the one before found is told, and `listen` when there is more. */
  list(patience?: 'patient'): Promise<Listing>
  /** A file was put into the folder by us: the next list has it, without another walk. */
  put(file: Pick<HomeFile, 'name' | 'size'>): void
  /** Told of every file that is put, and of a walk that somebody could not wait for. @returns a function that ends the listening. */
  listen(listener: () => void): () => void
  /** What the last walk cost: who looks again and again leaves the disk alone for longer than that. */
  walkMs(): number
}

/** What other programs do in the folder is seen after this. */
const FRESH_MS = 2_000
/** News of published files brings a new walk, but one for a whole burst. */
const BURST_MS = 250
/** A folder that takes long to walk is walked less often: at most this part of the time goes into it. */
const REST_PER_WALK = 4

/** A page waits so long for a walk: with 20,000 files one takes longer. */
const PATIENCE_MS = 100

interface Walked {
  readonly files: readonly HomeFile[]
  readonly complete: boolean
}

export const createFolder = ({ home, published, news }: { home: Home; published: Published; news: News }): Folder => {
  let walked: Promise<Walked> | undefined
  let last: Walked | undefined
  let awaited = false
  let running = false
  let begunMs = 0
  let costMs = 0
  let told = false
  /** Put since the walk began that is known. */
  const arrived = new Map<string, HomeFile>()
  const listeners = new Set<() => void>()
  news.on('files', () => {
    told = true
  })
  const tell = (): void => {
    for (const listener of listeners) listener()
  }
  const walk = async (): Promise<Walked> => {
    const before = [...arrived.values()]
    try {
      const { files, complete } = await home.walk()
      for (const file of before) if (arrived.get(file.name) === file) arrived.delete(file.name)
      last = { files: [...files].sort(latestFirst), complete }
      return last
    } finally {
      running = false
      costMs = performance.now() - begunMs
      if (awaited) tell()
      awaited = false
    }
  }
  const isFresh = (): boolean => {
    const age = performance.now() - begunMs
    return age < Math.max(told ? BURST_MS : FRESH_MS, costMs * REST_PER_WALK)
  }
  const latest = (): Promise<Walked> => {
    if (walked && (running || isFresh())) return walked
    begunMs = performance.now()
    running = true
    told = false
    walked = walk()
    return walked
  }
  const soon = async (coming: Promise<Walked>): Promise<Walked> => {
    if (!running || !last) return await coming
    const { promise: enough, resolve } = Promise.withResolvers<undefined>()
    const timer = setTimeout(resolve, PATIENCE_MS, undefined)
    const found = await Promise.race([coming, enough]).finally(() => clearTimeout(timer))
    if (found) return found
    awaited = true
    return last
  }
  return {
    list: async (patience) => {
      const known = patience === 'patient' ? await latest() : await soon(latest())
      return join(known, [...arrived.values()].reverse(), published)
    },
    put: ({ name, size }) => {
      arrived.set(name, { name, size, modifiedMs: Date.now(), publishable: true })
      tell()
    },
    listen: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    walkMs: () => costMs,
  }
}

const join = ({ files: walked, complete }: Walked, arrived: readonly HomeFile[], published: Published): Listing => {
  const known = new Set(walked.map(({ name }) => name))
  const files = arrived.length === 0 ? walked : [...arrived.filter(({ name }) => !known.has(name)), ...walked]
  const there = arrived.length === 0 ? known : new Set(files.map(({ name }) => name))
  const others = published.entries().filter(({ name }) => !there.has(name))
  return {
    complete,
    files: [...others.map(notWalked), ...files.map((file) => ({ ...published.stateOf(file.name), ...file }))],
  }
}

/** Published since the last walk, or gone from the folder. */
const notWalked = (status: FileStatus): MyFile => ({
  ...status,
  size: status.file?.size ?? status.totalBytes ?? 0,
  modifiedMs: status.state === 'changed' ? undefined : (status.startedMs ?? status.file?.publishedMs),
  publishable: true,
})

const latestFirst = (a: HomeFile, b: HomeFile): number =>
  b.modifiedMs - a.modifiedMs || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)
