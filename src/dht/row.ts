/** Our own row: what we have published, its versions, and what changed since a version (PROTOCOL.md, "Rows"). */
import { createHash } from 'node:crypto'
import { toB64u, utf8 } from '../bytes.ts'
import { MAX_NODE_NAME_BYTES, MAX_PAGE_BYTES, VERSION } from '../protocol/constants.ts'
import { checker, type RowFile, RowHead, type RowPage, type TableQuery } from '../protocol/messages.ts'
import { type FileChange, FilesDigest, type SharedFile } from './digest.ts'
import type { Steps } from './slices.ts'

/** Room left in a page for the head, its signature and the frame of the JSON. */
const PAGE_RESERVE_BYTES = 16 * 1024
/** A page ends here, far below what is allowed: neither side spends more than a few milliseconds on it. */
const PAGE_BYTES = 256 * 1024
/** But not before it has so many, where they fit: as many as one pull may bring are 400 pages (PROTOCOL.md, "Rows"). */
const PAGE_ENTRIES = 512
/** Superseded entries the log of changes may hold before they are dropped. */
const MAX_STALE_CHANGES = 10_000

export interface OwnRowOptions {
  readonly id: Uint8Array
  readonly name: string
  readonly epoch: number
  readonly sign: (head: Uint8Array) => Uint8Array
}

export interface SignedHead {
  readonly head: RowHead
  /** The bytes that were signed. */
  readonly bytes: Uint8Array
  readonly sig: Uint8Array
  /** First 16 bytes of SHA-256 of the head, for /alive. */
  readonly digest: Uint8Array
}

interface Change {
  readonly version: number
  readonly name: string
}

export class OwnRow {
  readonly #options: OwnRowOptions
  readonly #files = new Map<string, SharedFile>()
  readonly #digest = new FilesDigest()
  readonly #latest = new Map<string, number>()
  #changes: Change[] = []
  #version = 0
  #signed: SignedHead | undefined

  constructor(options: OwnRowOptions) {
    this.#options = options
  }

  get version(): number {
    return this.#version
  }

  files(): ReadonlyMap<string, SharedFile> {
    return this.#files
  }

  /**
   * Make the row say what `published` holds.
   * @param most - so many changes at once; where there are `more`, it is to be called again.
   * @returns what changed by that.
   */
  sync(
    published: ReadonlyMap<string, SharedFile>,
    most = Number.POSITIVE_INFINITY,
  ): { removed: readonly SharedFile[]; added: readonly SharedFile[]; more: boolean } {
    const all = differences(this.#files, published)
    const changes = all.slice(0, most)
    for (const change of changes) this.#make(change)
    this.#compact()
    const real = changes.filter(({ before, after }) => before !== after)
    return {
      removed: real.flatMap(({ before }) => before ?? []),
      added: real.flatMap(({ after }) => after ?? []),
      more: all.length > changes.length,
    }
  }

  /** Make ready what the next head needs. */
  *preparing(): Steps<void> {
    yield* this.#digest.valueSteps()
  }

  /** The signed head of the present version; signed once a version. */
  head(): SignedHead {
    if (this.#signed?.head.version === this.#version) return this.#signed
    const { id, name, epoch, sign } = this.#options
    const head: RowHead = {
      v: VERSION,
      id: toB64u(id),
      epoch,
      version: this.#version,
      name,
      count: this.#files.size,
      size: this.#digest.size,
      files: this.#digest.value(),
    }
    const bytes = utf8(JSON.stringify(head))
    const digest = createHash('sha256').update(bytes).digest().subarray(0, 16)
    this.#signed = { head, bytes, sig: sign(bytes), digest }
    return this.#signed
  }

  /** The answer to a pull: nothing, the changes since a version, or all; one page. */
  page({ epoch, since = 0, files }: TableQuery): RowPage {
    const { head, bytes, sig } = this.head()
    const signed = { head: toB64u(bytes), sig: toB64u(sig) }
    if (files === head.files) return { ...signed, whole: false, upTo: head.version, files: [], gone: [] }
    const known = epoch === head.epoch && since > 0 && since <= head.version
    return { ...signed, whole: !known, ...this.#changesAfter(known ? since : 0, known) }
  }

  #changesAfter(since: number, withGone: boolean): Pick<RowPage, 'upTo' | 'files' | 'gone'> {
    const files: RowFile[] = []
    const gone: string[] = []
    let bytes = PAGE_RESERVE_BYTES
    let upTo = since
    for (let at = firstAfter(this.#changes, since); at < this.#changes.length; at++) {
      const change = this.#changes[at]
      if (!change || this.#latest.get(change.name) !== change.version) continue
      const file = this.#files.get(change.name)
      if (!file && !withGone) continue
      const entry = file ? toRowFile(file) : change.name
      bytes += Buffer.byteLength(JSON.stringify(entry)) + 1
      const isFull = bytes > PAGE_BYTES && files.length + gone.length >= PAGE_ENTRIES
      if (isFull || bytes > MAX_PAGE_BYTES) return { upTo, files, gone }
      if (typeof entry === 'string') gone.push(entry)
      else files.push(entry)
      upTo = change.version
    }
    return { upTo: this.#version, files, gone }
  }

  #make({ before, after }: FileChange): void {
    const { name } = after ?? before ?? { name: '' }
    // Whatever comes is the last one, as it is among the published ones.
    this.#files.delete(name)
    if (after) this.#files.set(name, after)
    if (before === after) return
    if (after) this.#digest.set(after)
    else this.#digest.delete(name)
    this.#log(name)
  }

  #log(name: string): void {
    this.#version += 1
    this.#latest.set(name, this.#version)
    this.#changes.push({ version: this.#version, name })
  }

  /** What was taken out stays known for the life of the epoch; only superseded changes go. */
  #compact(): void {
    if (this.#changes.length <= this.#latest.size + MAX_STALE_CHANGES) return
    this.#changes = this.#changes.filter(({ name, version }) => this.#latest.get(name) === version)
  }
}

const checkHead = checker(RowHead)

/** The head of a page as its owner signed it, not yet verified; undefined when it is none. */
export const headOf = (page: Pick<RowPage, 'head'>): RowHead | undefined => {
  const bytes = Buffer.from(page.head, 'base64url')
  const head = bytes.toString('base64url') === page.head ? checkHead(bytes.toString('utf8')) : undefined
  return head?.name.isWellFormed() && Buffer.byteLength(head.name) <= MAX_NODE_NAME_BYTES ? head : undefined
}

/** A file as a row carries it. */
export const toRowFile = ({ name, size, hash, root, publishedMs }: SharedFile): RowFile => ({
  name,
  size,
  hash,
  root,
  published: publishedMs,
})

/** A file of a row as the table keeps it. */
export const fromRowFile = ({ name, size, hash, root, published }: RowFile): SharedFile => ({
  name,
  size,
  hash,
  root,
  publishedMs: published,
})

/** Index of the first change above a version; versions ascend. */
const firstAfter = (changes: readonly Change[], version: number): number => {
  let low = 0
  let high = changes.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((changes[middle]?.version ?? 0) <= version) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * What has to change in one's own files so that they are the published ones, in the same order; a file that only has to move comes as its own
 * successor. Both are read side by side, because new files come last in either: to look up a hundred thousand names costs ten times as much.
 */
const differences = (
  own: ReadonlyMap<string, SharedFile>,
  published: ReadonlyMap<string, SharedFile>,
): readonly FileChange[] => {
  const changes: FileChange[] = []
  const rest = published.values()
  let next = rest.next()
  for (const before of own.values()) {
    if (before === next.value) next = rest.next()
    else if (!published.has(before.name)) changes.push({ before, after: undefined })
  }
  for (; !next.done; next = rest.next()) changes.push({ before: own.get(next.value.name), after: next.value })
  return changes
}
