/** The digest of all files of a row (PROTOCOL.md, "Rows"): 256 buckets, so that one change costs one bucket. */
import { createHash, hash } from 'node:crypto'
import { lengthPrefixed, toHex } from '../bytes.ts'
import { atOnce, FILES_A_SLICE, type Steps, sorted } from './slices.ts'

/** A file as its owner shares it. Objects are never changed, so the same object is the same file. */
export interface SharedFile {
  /** Relative to the owner's home, `/` between folders. */
  readonly name: string
  readonly size: number
  /** SHA-256 of the content, hex. */
  readonly hash: string
  /** `pieces root` of BEP 52, hex. */
  readonly root: string
  /** Milliseconds since 1970, by the owner's clock. */
  readonly publishedMs: number
}

/** What became of one name: a file came, went, or took the place of another one. */
export interface FileChange {
  readonly before: SharedFile | undefined
  readonly after: SharedFile | undefined
}

const BUCKETS = 256
const HASH_BYTES = 32
/** Five lengths and two hashes. */
const FIXED_BYTES = 5 * 4 + 2 * HASH_BYTES
const LABEL = lengthPrefixed('portmesh/1 row bucket')
const NO_FILES = hash('sha256', LABEL, 'buffer')

export class FilesDigest {
  readonly #buckets: Map<string, SharedFile>[]
  readonly #hashes: (Uint8Array | undefined)[]
  #count: number
  #size: number

  /** @param same - whose buckets this one begins with; of nothing when left out. */
  constructor(same?: FilesDigest) {
    this.#buckets = same ? [...same.#buckets] : Array.from({ length: BUCKETS }, () => new Map())
    this.#hashes = same ? [...same.#hashes] : new Array(BUCKETS).fill(undefined)
    this.#count = same ? same.#count : 0
    this.#size = same ? same.#size : 0
  }

  /** Files, and their bytes in all. */
  get count(): number {
    return this.#count
  }

  get size(): number {
    return this.#size
  }

  set(file: SharedFile): void {
    this.#change(bucketOf(file.name), file.name, file)
  }

  delete(name: string): void {
    this.#change(bucketOf(name), name, undefined)
  }

  /** 64 hex characters. */
  value(): string {
    return atOnce(this.valueSteps())
  }

  /** The same in slices. */
  *valueSteps(): Steps<string> {
    const hashes: Uint8Array[] = []
    for (const [at, files] of this.#buckets.entries()) {
      const known = this.#hashes[at] ?? (yield* bucketHash(files))
      this.#hashes[at] = known
      hashes.push(known)
    }
    return toHex(labelled('row files', ...hashes))
  }

  /** The digest of the files after these changes; this one stays as it is, and both share the buckets that are the same. */
  *after(changes: readonly FileChange[]): Steps<FilesDigest> {
    const next = new FilesDigest(this)
    const ours = new Set<number>()
    for (const { before, after } of changes) {
      const name = (after ?? before)?.name ?? ''
      const bucket = bucketOf(name)
      if (!ours.has(bucket)) {
        ours.add(bucket)
        next.#buckets[bucket] = new Map(next.#buckets[bucket])
      }
      next.#change(bucket, name, after)
      yield 1
    }
    return next
  }

  #change(bucket: number, name: string, file: SharedFile | undefined): void {
    const files = this.#buckets[bucket]
    const before = files?.get(name)
    if (!files || before === file) return
    this.#hashes[bucket] = undefined
    this.#count += (file ? 1 : 0) - (before ? 1 : 0)
    this.#size += (file?.size ?? 0) - (before?.size ?? 0)
    if (file) files.set(name, file)
    else files.delete(name)
  }
}

/** One shot with a text for its result: a third of the time of a hash object, and a row has thousands of names. */
const bucketOf = (name: string): number => Number.parseInt(hash('sha256', name).slice(0, 2), 16)

interface Line {
  readonly file: SharedFile
  readonly key: Buffer
  readonly size: string
  readonly published: string
}

/** A bucket has some hundred files at most, unless its owner means to hold us up: then it is one that has all of them. */
function* bucketHash(files: ReadonlyMap<string, SharedFile>): Steps<Uint8Array> {
  if (files.size === 0) return NO_FILES
  const lines: Line[] = []
  for (const file of files.values()) {
    const { name, size, publishedMs } = file
    lines.push({ file, key: Buffer.from(name), size: String(size), published: String(publishedMs) })
    if (lines.length % FILES_A_SLICE === 0) yield FILES_A_SLICE
  }
  const inOrder = yield* sorted(lines, (a, b) => Buffer.compare(a.key, b.key))
  const hasher = createHash('sha256').update(LABEL)
  for (let at = 0; at < inOrder.length; at += FILES_A_SLICE) {
    if (at > 0) yield FILES_A_SLICE
    hasher.update(encoded(inOrder.slice(at, at + FILES_A_SLICE)))
  }
  return hasher.digest()
}

/** Written into one buffer: this is much of what taking in a large row costs. */
const encoded = (lines: readonly Line[]): Uint8Array => {
  let length = 0
  for (const { key, size, published } of lines) length += FIXED_BYTES + key.length + size.length + published.length
  const out = Buffer.allocUnsafe(length)
  let at = 0
  for (const { file, key, size, published } of lines) {
    at = out.writeUInt32BE(key.length, at) + key.copy(out, at + 4)
    at = out.writeUInt32BE(size.length, at) + out.write(size, at + 4, 'latin1')
    at = out.writeUInt32BE(HASH_BYTES, at) + out.write(file.hash, at + 4, 'hex')
    at = out.writeUInt32BE(HASH_BYTES, at) + out.write(file.root, at + 4, 'hex')
    at = out.writeUInt32BE(published.length, at) + out.write(published, at + 4, 'latin1')
  }
  return out
}

const labelled = (label: string, ...fields: readonly Uint8Array[]): Uint8Array =>
  createHash('sha256')
    .update(lengthPrefixed(`portmesh/1 ${label}`, ...fields))
    .digest()
