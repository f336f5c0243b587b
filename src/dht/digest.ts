/** The digest of all files of a row (PROTOCOL.md, "Rows"): 256 buckets, so that one change costs one bucket. */
import { createHash } from 'node:crypto'
import { fromHex, lengthPrefixed, toHex, utf8 } from '../bytes.ts'

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

const bucketOf = (name: string): number => createHash('sha256').update(name).digest()[0] ?? 0

const bucketHash = (files: ReadonlyMap<string, SharedFile>): Uint8Array => {
  const sorted = [...files.values()]
    .map((file) => ({ file, key: Buffer.from(file.name) }))
    .sort((a, b) => Buffer.compare(a.key, b.key))
  const fields = sorted.flatMap(({ file, key }) => [
    key,
    utf8(String(file.size)),
    fromHex(file.hash) ?? utf8(file.hash),
    fromHex(file.root) ?? utf8(file.root),
    utf8(String(file.publishedMs)),
  ])
  return labelled('row bucket', ...fields)
}

const labelled = (label: string, ...fields: readonly Uint8Array[]): Uint8Array =>
  createHash('sha256')
    .update(lengthPrefixed(`portmesh/1 ${label}`, ...fields))
    .digest()
