/** The piece layer of a content's tree: what each piece must hash to (PROTOCOL.md, "Tree"). */
import { equalBytes, toHex } from '../bytes.ts'
import { RootBuilder } from '../store/merkle.ts'
import { pieceCountOf, pieceHeightOf } from '../store/pieces.ts'

const NODE_BYTES = 32

/** Whether a layer of foreign origin is the one of a root: as many nodes as the signed size has pieces, and they hash up to it. */
export const layerFits = (layer: Uint8Array, { root, size }: { root: string; size: number }): boolean => {
  const pieces = pieceCountOf(size)
  if (layer.length !== NODE_BYTES * Math.max(1, pieces)) return false
  if (pieces <= 1) return toHex(layer) === root
  const builder = new RootBuilder(pieceHeightOf(size))
  for (let at = 0; at < layer.length; at += NODE_BYTES) builder.addNode(layer.subarray(at, at + NODE_BYTES))
  return toHex(builder.root()) === root
}

/** Whether the bytes of one piece hash to its node of the layer. */
export const pieceFits = (layer: Uint8Array, size: number, piece: number, bytes: Uint8Array): boolean => {
  const node = new RootBuilder()
  node.addBlocks(bytes)
  return nodeFits(layer, size, piece, node)
}

/** As pieceFits, of a piece whose blocks were added to a builder. A content of one piece is its own tree, as high as it has to be. */
export const nodeFits = (layer: Uint8Array, size: number, piece: number, node: RootBuilder): boolean =>
  equalBytes(
    node.root(pieceCountOf(size) === 1 ? 0 : pieceHeightOf(size)),
    layer.subarray(NODE_BYTES * piece, NODE_BYTES * (piece + 1)),
  )
