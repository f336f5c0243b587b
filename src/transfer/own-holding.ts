/** What this node fetches, or has fetched, as those see it who ask it for pieces. */
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { FileChanged, NotPublished } from '../errors.ts'
import type { PieceSet } from '../store/piece-set.ts'
import { type Stamp, sameStamp, stampOf } from '../store/stamp.ts'
import type { Holding, OpenHolding } from './holding.ts'

const FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

export interface OwnHoldingOptions {
  readonly root: string
  readonly size: number
  readonly layer: Uint8Array
  /** A live set. */
  readonly pieces: PieceSet
  /** The partial file. */
  readonly path: string
  readonly onFollowed: (peerId: string) => void
}

export class OwnHolding implements Holding {
  readonly root: string
  readonly size: number
  readonly pieces: PieceSet
  readonly #layer: Uint8Array
  readonly #onFollowed: (peerId: string) => void
  readonly #news = new Set<(pieces: readonly number[]) => void>()
  readonly #ends = new Set<() => void>()
  #path: string
  /** Of the finished file. */
  #stamp: Stamp | undefined
  #ended = false

  constructor({ root, size, layer, pieces, path, onFollowed }: OwnHoldingOptions) {
    this.root = root
    this.size = size
    this.pieces = pieces
    this.#layer = layer
    this.#path = path
    this.#onFollowed = onFollowed
  }

  get ended(): boolean {
    return this.#ended
  }

  async layer(): Promise<Uint8Array> {
    return this.#layer
  }

  /** A piece is verified and written. */
  tell(piece: number): void {
    for (const listener of this.#news) listener([piece])
  }

  /** The file has its final name, and loses the other one soon. */
  placed(path: string): void {
    this.#path = path
  }

  /** It is the person's from now on, and what changes it ends the giving. */
  finished(path: string, stamp: Stamp): void {
    this.#path = path
    this.#stamp = stamp
  }

  end(): void {
    if (this.#ended) return
    this.#ended = true
    for (const listener of this.#ends) listener()
    this.#ends.clear()
    this.#news.clear()
  }

  async open(): Promise<OpenHolding> {
    this.#stillHere()
    const handle = await open(this.#path, FLAGS).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== 'ENOENT' && cause.code !== 'ELOOP') throw cause
      throw this.#changed()
    })
    try {
      await this.#check(handle)
    } catch (error) {
      await handle.close()
      throw error
    }
    return {
      read: async (position, into) => {
        for (let filled = 0; filled < into.length; ) {
          const { bytesRead } = await handle.read(into, filled, into.length - filled, position + filled)
          if (bytesRead === 0) throw this.#changed()
          filled += bytesRead
        }
      },
      check: async () => await this.#check(handle),
      close: async () => await handle.close(),
    }
  }

  onNew(listener: (pieces: readonly number[]) => void): () => void {
    this.#news.add(listener)
    return () => void this.#news.delete(listener)
  }

  onEnd(listener: () => void): () => void {
    this.#ends.add(listener)
    return () => void this.#ends.delete(listener)
  }

  followed(peerId: string): void {
    this.#onFollowed(peerId)
  }

  async #check(handle: FileHandle): Promise<void> {
    this.#stillHere()
    // While it is fetched the file is ours alone, and every piece that is given was checked when it came.
    if (this.#stamp && !sameStamp(this.#stamp, stampOf(await handle.stat({ bigint: true })))) throw this.#changed()
  }

  #stillHere(): void {
    if (this.#ended) throw new NotPublished()
  }

  #changed(): Error {
    this.end()
    return new FileChanged()
  }
}
