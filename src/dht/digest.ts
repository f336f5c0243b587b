/** The digest of all files of a row (PROTOCOL.md, "Rows"): 256 buckets, so that one change costs one bucket. */
import { createHash, hash } from 'node:crypto'
import { lengthPrefixed, toHex } from '../bytes.ts'

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

const BUCKETS = 256
const HASH_BYTES = 32
/** Five lengths and two hashes. */
const FIXED_BYTES = 5 * 4 + 2 * HASH_BYTES
const LABEL = Buffer.from(lengthPrefixed('portmesh/1 row bucket'))

export class FilesDigest {
  readonly #buckets: Map<string, SharedFile>[] = Array.from({ length: BUCKETS }, () => new Map())
  readonly #hashes: (Uint8Array | undefined)[] = new Array(BUCKETS).fill(undefined)

  set(file: SharedFile): void {
    const bucket = bucketOf(file.name)
    this.#buckets[bucket]?.set(file.name, file)
    this.#hashes[bucket] = undefined
  }

  delete(name: string): void {
    const bucket = bucketOf(name)
    if (this.#buckets[bucket]?.delete(name)) this.#hashes[bucket] = undefined
  }

  /** 64 hex characters. */
  value(): string {
    const hashes = this.#buckets.map((files, at) => {
      const hash = this.#hashes[at] ?? bucketHash(files)
      this.#hashes[at] = hash
      return hash
    })
    return toHex(labelled('row files', ...hashes))
  }
}

/** One shot with a text for its result: a third of the time of a hash object, and a row has thousands of names. */
const bucketOf = (name: string): number => Number.parseInt(hash('sha256', name).slice(0, 2), 16)

/** Written into one buffer: this is most of what taking in a large row costs. */
const bucketHash = (files: ReadonlyMap<string, SharedFile>): Uint8Array => {
  const sorted = [...files.values()]
    .map((file) => ({
      file,
      key: Buffer.from(file.name),
      size: String(file.size),
      published: String(file.publishedMs),
    }))
    .sort((a, b) => Buffer.compare(a.key, b.key))
  let length = LABEL.length
  for (const { key, size, published } of sorted) length += FIXED_BYTES + key.length + size.length + published.length
  const out = Buffer.allocUnsafe(length)
  let at = LABEL.copy(out)
  for (const { file, key, size, published } of sorted) {
    at = out.writeUInt32BE(key.length, at) + key.copy(out, at + 4)
    at = out.writeUInt32BE(size.length, at) + out.write(size, at + 4, 'latin1')
    at = out.writeUInt32BE(HASH_BYTES, at) + out.write(file.hash, at + 4, 'hex')
    at = out.writeUInt32BE(HASH_BYTES, at) + out.write(file.root, at + 4, 'hex')
    at = out.writeUInt32BE(published.length, at) + out.write(published, at + 4, 'latin1')
  }
  return hash('sha256', out, 'buffer')
}

const labelled = (label: string, ...fields: readonly Uint8Array[]): Uint8Array =>
  createHash('sha256')
    .update(lengthPrefixed(`portmesh/1 ${label}`, ...fields))
    .digest()
