/** What a file of the home holds now: from the cache while its stamp fits, else by reading it once. */
import { isOurs } from '../errors.ts'
import type { Entry } from './entry.ts'
import type { Hashed, Hasher } from './hash.ts'
import type { Home } from './home.ts'
import { fitsStamp, type Stamp, sameStamp } from './stamp.ts'
import type { State } from './state.ts'
import { Turns } from './turns.ts'

/** Two cores' worth; more would only take the disk from each other. */
const HASHES_AT_ONCE = 2
/** A smaller file is done before anybody has seen its progress. */
const PROGRESS_FROM_BYTES = 8 * 1024 * 1024

export interface ContentsDeps {
  readonly home: Home
  readonly state: State
  readonly hasher: Hasher
}

export interface ReadOptions {
  readonly onProgress: (doneBytes: number, totalBytes: number) => void
  /** Whether somebody waits for it: such readings come before the others. */
  readonly urgent: () => boolean
  readonly signal: AbortSignal
}

type Names = Pick<Hashed, 'hash' | 'root'>

/** Whether both are the same bytes. */
export const sameContent = (a: Names, b: Names | undefined): boolean => a.hash === b?.hash && a.root === b.root

export class Contents {
  readonly #home: Home
  readonly #state: State
  readonly #hasher: Hasher
  readonly #turns = new Turns(HASHES_AT_ONCE)

  constructor({ home, state, hasher }: ContentsDeps) {
    this.#home = home
    this.#state = state
    this.#hasher = hasher
  }

  /** What the file held when it last had this stamp, in this run or an earlier one. */
  cached(name: string, stamp: Stamp): Hashed | undefined {
    const cached = this.#state.cache.get(name)
    if (!cached || !fitsStamp(cached.stamp, stamp)) return undefined
    return { size: stamp.size, hash: cached.hash, root: cached.root, stamp }
  }

  /** Whether the disk has what was published. Without a stamp of this run the cache answers, which knows what was hashed in an earlier one. */
  fits({ name, file, stamp: known }: Pick<Entry, 'name' | 'file' | 'stamp'>, stamp: Stamp): boolean {
    if (known) return sameStamp(known, stamp)
    const cached = this.cached(name, stamp)
    return cached !== undefined && sameContent(cached, file)
  }

  /**
   * Read the whole file when its turn comes, and remember the result.
   * @throws NoSuchFile, NotAFile, Unreadable, BadName, FileChanged while it was read; the signal's reason
   */
  async read(name: string, { onProgress, urgent, signal }: ReadOptions): Promise<Hashed> {
    const hash = async (): Promise<Hashed> => {
      // The folders above it are checked here and now, not by the worker, and it may have waited for long.
      const { stamp, size } = await this.#home.stat(name)
      onProgress(0, size)
      const quiet = size < PROGRESS_FROM_BYTES
      return await this.#hasher.hash(this.#home.path(name), { expect: stamp, signal, ...(!quiet && { onProgress }) })
    }
    const hashed = await this.#turns.run(hash, urgent, signal)
    this.#remember(name, hashed)
    return hashed
  }

  /** A disk that is full, or takes nothing, costs another reading at the next start, and nothing else. */
  #remember(name: string, hashed: Hashed): void {
    try {
      // The layer first: a cached hash is a file that nobody reads again.
      if (hashed.layer) this.#state.layers.put(hashed.root, hashed.layer)
      this.#state.cache.put([{ name, ...hashed }])
    } catch (error) {
      if (!isOurs(error)) throw error
    }
  }

  /** Resolves when nothing is read any more. */
  async idle(): Promise<void> {
    await this.#hasher.idle()
  }
}
