/** A content that is here in part and grows as a test wants it to: what a fetch is to those who ask for its pieces. */

import { toHex } from '../../src/bytes.ts'
import { LayerBuilder } from '../../src/store/piece-layer.ts'
import { PieceSet } from '../../src/store/piece-set.ts'
import { pieceCountOf } from '../../src/store/pieces.ts'
import type { Holding, Holdings } from '../../src/transfer/holding.ts'

export class MemoryHolding implements Holding {
  readonly root: string
  readonly size: number
  readonly content: Uint8Array
  readonly pieces: PieceSet | undefined
  /** Everybody that was named as a follower. */
  readonly followers: string[] = []
  opened = 0
  stillOpen = 0
  /** Called before each read; what it throws, the read throws. */
  beforeRead: () => void | Promise<void> = () => {}
  readonly #layer: Uint8Array
  readonly #onNew = new Set<(pieces: readonly number[]) => void>()
  readonly #onEnd = new Set<() => void>()
  #ended = false

  /** @param here - the pieces it begins with; all when nothing is given */
  constructor(content: Uint8Array, here?: readonly number[]) {
    const builder = new LayerBuilder(content.length)
    builder.addBlocks(content)
    const { root, layer } = builder.result()
    this.root = toHex(root)
    this.#layer = layer ?? root
    this.size = content.length
    this.content = content
    this.pieces = here && new PieceSet(pieceCountOf(content.length))
    for (const piece of here ?? []) this.pieces?.add(piece)
  }

  /** As a node looks it up. */
  readonly holdings: Holdings = (root) => (root === this.root && !this.#ended ? this : undefined)

  /** Pieces that have come. */
  add(...pieces: readonly number[]): void {
    for (const piece of pieces) this.pieces?.add(piece)
    for (const listener of [...this.#onNew]) listener(pieces)
  }

  /** It is not here any more. */
  end(): void {
    this.#ended = true
    for (const listener of [...this.#onEnd]) listener()
  }

  get listeners(): number {
    return this.#onNew.size + this.#onEnd.size
  }

  async layer(): Promise<Uint8Array> {
    return this.#layer
  }

  async open() {
    this.opened += 1
    this.stillOpen += 1
    return {
      read: async (position: number, into: Uint8Array) => {
        await this.beforeRead()
        into.set(this.content.subarray(position, position + into.length))
      },
      check: async () => {},
      close: async () => {
        this.stillOpen -= 1
      },
    }
  }

  onNew(listener: (pieces: readonly number[]) => void): () => void {
    this.#onNew.add(listener)
    return () => void this.#onNew.delete(listener)
  }

  onEnd(listener: () => void): () => void {
    this.#onEnd.add(listener)
    return () => void this.#onEnd.delete(listener)
  }

  followed(peerId: string): void {
    this.followers.push(peerId)
  }
}
