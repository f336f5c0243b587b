/** What this node has published: the person's choice, the hashes of it, and whether the disk still agrees. */
import { Busy, Cancelled, FileChanged, Internal, Stopping, TooManyFiles } from '../errors.ts'
import type { News } from '../news.ts'
import { Contents, sameContent } from './contents.ts'
import {
  type Entry,
  type FileStatus,
  type Job,
  newEntry,
  newJob,
  type PublishedFile,
  progressOf,
  statusOf,
} from './entry.ts'
import type { Hashed } from './hash.ts'
import type { Home } from './home.ts'
import { checkName } from './names.ts'
import { openPublished, shownAnew } from './opening.ts'
import type { PublishedDeps } from './published-deps.ts'
import type { Reach } from './reach.ts'
import type { ServedFile } from './served.ts'
import { Shelf } from './shelf.ts'
import { type Stamp, sameStamp } from './stamp.ts'
import type { State } from './state.ts'

export type { FileState, FileStatus, PublishedFile } from './entry.ts'
export type { ServedFile } from './served.ts'

const MAX_FILES = 100_000

export class Published {
  readonly #home: Home
  readonly #state: State
  readonly #news: News
  readonly #maxFiles: number
  readonly #contents: Contents
  readonly #usual: () => Reach
  readonly #now: () => number
  readonly #entries = new Map<string, Entry>()
  readonly #shelf = new Shelf()
  readonly #progress = progressOf(() => this.#tell())
  #stopped = false

  constructor(deps: PublishedDeps) {
    this.#home = deps.home
    this.#state = deps.state
    this.#news = deps.news
    this.#usual = deps.usualReach ?? (() => 'computer')
    this.#now = deps.now ?? Date.now
    this.#maxFiles = deps.maxFiles ?? MAX_FILES
    this.#contents = new Contents(deps)
  }

  /**
   * Load the set. Files whose stamp fits the cache are published when it returns; those that may still hold the same
   * content are hashed in the background and published again or marked changed.
   */
  async start(): Promise<void> {
    for (const file of this.#state.published.all()) {
      this.#entries.set(file.name, newEntry(file.name, 'changed', Object.freeze(file)))
    }
    for await (const [name, stamp] of this.#home.stamps(this.#entries.keys())) {
      const entry = this.#entries.get(name)
      if (!entry) continue
      entry.seen = stamp
      this.#compare(entry, stamp)
    }
    this.#tell()
  }

  /** Ends all hashing (those who wait for it get Stopping) and waits for it; the set stays as it is. */
  async stop(): Promise<void> {
    this.#stopped = true
    const running = [...this.#entries.values()].filter(({ job }) => job)
    for (const { job } of running) job?.abort.abort(new Stopping())
    await Promise.allSettled(running.map(({ done }) => done))
    await this.#contents.idle()
  }

  /**
   * Publish a file of the home, or join its publishing. State and news change before this returns its promise.
   * @param name - relative to the home, parted by '/'.
   * @param reach - how far it is seen; as before, or as usual, when left out.
   * @returns the file, when it is hashed and on disk; the one published already when it has not changed since.
   * @throws BadName, NoSuchFile, NotAFile, Unreadable, TooManyFiles; Cancelled when it was cleared meanwhile; FileChanged when it
   *   changed while it was read; DiskFull; Stopping.
   */
  async publish(name: string, reach?: Reach): Promise<PublishedFile> {
    if (this.#stopped) throw new Stopping()
    const known = this.#entries.get(name)
    if (reach) this.show([name], reach)
    if (known?.job && known.done) {
      known.job.wanted = true
      known.job.reach = reach ?? known.job.reach
      return await known.done
    }
    checkName(name)
    if (!known && this.#entries.size >= this.#maxFiles) throw new TooManyFiles()
    const entry = known ?? newEntry(name, 'preparing')
    this.#entries.set(name, entry)
    return await this.#begin(entry, true, reach)
  }

  /**
   * Take a file out, also one that is just being prepared. On disk when it returns; the file itself is not touched.
   * @returns the names taken out: this one, or none when it was private.
   */
  clear(name: string): readonly string[] {
    return this.#clear([name])
  }

  /** As clear, for all. */
  clearAll(): readonly string[] {
    return this.#clear([...this.#entries.keys()])
  }

  /** Only those that may be served to who looks from there; a live view, its objects are the same ones as long as a file stays as it is. */
  files(from: Reach = 'computer'): ReadonlyMap<string, PublishedFile> {
    return this.#shelf.seenFrom(from)
  }

  /**
   * Show published files to more, or to fewer. On disk when it returns.
   * @returns the names whose reach is another one now.
   */
  show(names: readonly string[], reach: Reach): readonly string[] {
    const changed = shownAnew(this.#entries, names, reach)
    if (changed.length === 0) return []
    const keep = (): void => this.#state.published.put(changed.map(({ file }) => file))
    // Fewer: out of sight first, whatever the disk does then. More: only what is kept.
    if (reach === 'network') keep()
    for (const { entry, file } of changed) {
      entry.file = file
      if (entry.state === 'published') this.#shelf.put(file)
    }
    this.#tell()
    if (reach === 'computer') keep()
    return changed.map(({ file }) => file.name)
  }

  stateOf(name: string): FileStatus {
    const entry = this.#entries.get(name)
    return entry ? statusOf(entry) : { name, state: 'private' }
  }

  /** All that are not private. */
  entries(): FileStatus[] {
    return [...this.#entries.values()].map(statusOf)
  }

  /** @param root - 64 lower-case hex characters */
  byRoot(root: string): PublishedFile[] {
    return this.#shelf.byRoot(root)
  }

  /** @param hash - 64 lower-case hex characters */
  byHash(hash: string): PublishedFile[] {
    return this.#shelf.byHash(hash)
  }

  /**
   * Open a published file for serving; the caller closes it.
   * @throws NotPublished; FileChanged when the disk has something else than what was published.
   */
  async open(name: string): Promise<ServedFile> {
    const [home, entries, shelf] = [this.#home, this.#entries, this.#shelf]
    return await openPublished(name, { home, entries, shelf, withdraw: (entry) => this.#withdraw(entry) })
  }

  /**
   * Look at every published file once, without reading it: what changed or vanished is no longer served, what is back
   * as it was is served again, and what may still hold the same content is hashed once it lies still for a round.
   * @throws the signal's reason
   */
  async check(signal?: AbortSignal): Promise<void> {
    let changed = false
    for await (const [name, stamp] of this.#home.stamps([...this.#entries.keys()], signal)) {
      const entry = this.#entries.get(name)
      if (entry && !entry.job) changed = this.#compare(entry, stamp) || changed
    }
    if (changed) this.#tell()
  }

  /** @returns whether its state changed. */
  #compare(entry: Entry, stamp: Stamp | undefined): boolean {
    const { seen } = entry
    entry.seen = stamp
    if (stamp && entry.file && this.#contents.fits(entry, stamp)) {
      if (entry.state === 'published') return false
      this.#serve(entry, entry.file, stamp)
      return true
    }
    if (entry.state === 'published') {
      this.#withdraw(entry, false)
      return true
    }
    const stable = stamp && seen && sameStamp(stamp, seen) && stamp.size === entry.file?.size
    if (stable && !(entry.tried && sameStamp(entry.tried, stamp)) && !this.#stopped) {
      entry.tried = stamp
      this.#begin(entry, false).catch(() => undefined)
    }
    return false
  }

  #begin(entry: Entry, wanted: boolean, reach?: Reach): Promise<PublishedFile> {
    const job = newJob(wanted, this.#now(), reach)
    entry.job = job
    // One that is published stays so until the disk is found to differ.
    if (entry.state !== 'published') entry.state = 'preparing'
    this.#tell()
    entry.done = this.#prepare(entry, job)
    return entry.done
  }

  async #prepare(entry: Entry, job: Job): Promise<PublishedFile> {
    const { signal } = job.abort
    try {
      const found = await this.#contentOf(entry, job)
      signal.throwIfAborted()
      const file = entry.file && sameContent(found, entry.file) ? entry.file : this.#renewed(entry, job, found)
      entry.file = file
      entry.job = undefined
      this.#serve(entry, file, found.stamp)
      return file
    } catch (error) {
      entry.job = undefined
      // No descriptor, no thread, a disk that fails: the next round tries again.
      if (error instanceof Busy || error instanceof Internal) entry.tried = undefined
      if (this.#entries.get(entry.name) === entry) {
        this.#shelf.remove(entry.name)
        entry.state = 'changed'
        if (!entry.file) this.#entries.delete(entry.name)
      }
      throw signal.aborted ? signal.reason : error
    } finally {
      this.#tell()
    }
  }

  async #contentOf(entry: Entry, job: Job): Promise<Hashed> {
    const { stamp } = await this.#home.stat(entry.name)
    job.abort.signal.throwIfAborted()
    if (entry.state === 'published' && entry.file && this.#contents.fits(entry, stamp)) return { ...entry.file, stamp }
    this.#withdraw(entry)
    const cached = this.#contents.cached(entry.name, stamp)
    if (cached) return cached
    return await this.#contents.read(entry.name, {
      onProgress: this.#progress(job),
      urgent: () => job.wanted,
      signal: job.abort.signal,
    })
  }

  /** Other content than before: only what the person asked for takes its place. */
  #renewed({ name, file: before }: Entry, job: Job, { size, hash, root }: Hashed): PublishedFile {
    if (!job.wanted) throw new FileChanged()
    const reach = before?.reach ?? job.reach ?? this.#usual()
    const file = Object.freeze({ name, size, hash, root, publishedMs: this.#now(), reach })
    this.#state.published.put([file])
    return file
  }

  #serve(entry: Entry, file: PublishedFile, stamp: Stamp): void {
    Object.assign(entry, { state: 'published', stamp, tried: undefined })
    this.#shelf.put(file)
  }

  #withdraw(entry: Entry, tell = true): void {
    if (entry.state !== 'published') return
    this.#shelf.remove(entry.name)
    entry.state = entry.job ? 'preparing' : 'changed'
    if (tell) this.#tell()
  }

  #clear(names: readonly string[]): readonly string[] {
    const cleared = names.filter((name) => this.#entries.has(name))
    if (cleared.length === 0) return cleared
    try {
      // Out of memory first: if the disk fails now, nothing more is served all the same.
      for (const name of cleared) {
        const entry = this.#entries.get(name)
        this.#entries.delete(name)
        this.#shelf.remove(name)
        entry?.job?.abort.abort(new Cancelled())
      }
      this.#state.published.remove(cleared)
      return cleared
    } finally {
      this.#tell()
    }
  }

  #tell(): void {
    this.#news.tell('files')
  }
}
