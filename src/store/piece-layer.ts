/** The layer of the tree whose nodes cover one piece each (BEP 52, "piece layers"): what every single piece is checked against. */
import { fromHex, toHex } from '../bytes.ts'
import { BLOCK_BYTES, RootBuilder } from './merkle.ts'
import { pieceBytesOf, pieceCountOf, pieceHeightOf } from './pieces.ts'

export const NODE_BYTES = 32

/** Root and layer of a content in one go, in memory of the layer: at most 512 KiB. */
export class LayerBuilder {
  readonly #pieceBytes: number
  readonly #height: number
  readonly #layer: Uint8Array
  readonly #tree: RootBuilder
  #piece: RootBuilder
  #inPiece = 0
  #nodes = 0

  /** @param size - of the content, bytes */
  constructor(size: number) {
    const count = pieceCountOf(size)
    this.#pieceBytes = pieceBytesOf(size)
    this.#height = pieceHeightOf(size)
    this.#layer = new Uint8Array(count > 1 ? count * NODE_BYTES : 0)
    this.#tree = new RootBuilder(count > 1 ? this.#height : 0)
    this.#piece = count > 1 ? new RootBuilder() : this.#tree
  }

  /** Add a run of bytes that begins at a block; all but the last run must be whole blocks, and all together `size` bytes. */
  addBlocks(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
      this.#piece.addBlock(bytes.subarray(at, at + BLOCK_BYTES))
      this.#inPiece += BLOCK_BYTES
      if (this.#inPiece >= this.#pieceBytes) this.#endPiece()
    }
  }

  /** To be called once, at the end. `layer` is undefined for a content of at most one piece: it is the root. */
  result(): { readonly root: Uint8Array; readonly layer: Uint8Array | undefined } {
    if (this.#inPiece > 0) this.#endPiece()
    return { root: this.#tree.root(), layer: this.#layer.length === 0 ? undefined : this.#layer }
  }

  #endPiece(): void {
    if (this.#piece === this.#tree) return
    const node = this.#piece.root(this.#height)
    this.#layer.set(node, this.#nodes * NODE_BYTES)
    this.#tree.addNode(node)
    this.#piece = new RootBuilder()
    this.#inPiece = 0
    this.#nodes += 1
  }
}

/** Whether these are the nodes of all pieces of that content. @param root - 64 lower-case hex characters */
export const isLayerOf = (root: string, size: number, layer: Uint8Array): boolean => {
  const count = pieceCountOf(size)
  if (layer.length !== count * NODE_BYTES) return false
  if (count <= 1) return toHex(layer) === (count === 0 ? '' : root)
  const tree = new RootBuilder(pieceHeightOf(size))
  for (let at = 0; at < layer.length; at += NODE_BYTES) tree.addNode(layer.subarray(at, at + NODE_BYTES))
  return toHex(tree.root()) === root
}

/** The layer of a content of at most one piece: the root, or nothing. Undefined for a larger one: that has to be kept. */
export const shortLayerOf = (root: string, size: number): Uint8Array | undefined => {
  const count = pieceCountOf(size)
  if (count > 1) return undefined
  return count === 0 ? new Uint8Array() : fromHex(root)
}
