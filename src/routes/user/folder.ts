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
  list(): Promise<Listing>
  /** Something was put into the folder by us: the next list sees it. */
  expire(): void
  /** What the last walk cost: who looks again and again leaves the disk alone for longer than that. */
  walkMs(): number
}

/** What other programs do in the folder is seen after this. */
const FRESH_MS = 2_000
/** News of published files brings a new walk, but one for a whole burst. */
const BURST_MS = 250
/** A folder that takes long to walk is walked less often: at most this part of the time goes into it. */
const REST_PER_WALK = 4

interface Walked {
  readonly files: readonly HomeFile[]
  readonly complete: boolean
}

export const createFolder = ({ home, published, news }: { home: Home; published: Published; news: News }): Folder => {
  let walked: Promise<Walked> | undefined
  let running = false
  let begunMs = 0
  let costMs = 0
  let told = false
  news.on('files', () => {
    told = true
  })
  const walk = async (): Promise<Walked> => {
    try {
      const { files, complete } = await home.walk()
      return { files: [...files].sort(latestFirst), complete }
    } finally {
      running = false
      costMs = performance.now() - begunMs
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
  return {
    list: async () => join(await latest(), published),
    expire: () => {
      walked = undefined
    },
    walkMs: () => costMs,
  }
}

const join = ({ files, complete }: Walked, published: Published): Listing => {
  const there = new Set(files.map(({ name }) => name))
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
