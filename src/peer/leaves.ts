/** The leaves of a content's tree, hashed where the bytes are opened: half of the work of checking them, in another thread than the rest. */
import { hash } from 'node:crypto'
import { TREE_BLOCK_BYTES } from '../protocol/constants.ts'

const LEAF_BYTES = 32
/** A block that lies in two parts. */
const joined = new Uint8Array(TREE_BLOCK_BYTES)

/**
 * SHA-256 of each block of bytes that came in parts; the last block is as short as it is.
 * @returns 32 bytes a block, in a buffer of their own
 */
export const leavesOf = (parts: readonly Uint8Array[], bytes: number): Uint8Array<ArrayBuffer> => {
  const leaves = new Uint8Array(LEAF_BYTES * Math.ceil(bytes / TREE_BLOCK_BYTES))
  let at = 0
  const add = (block: Uint8Array): void => {
    leaves.set(hash('sha256', block, 'buffer'), at)
    at += LEAF_BYTES
  }
  let held = 0
  for (const part of parts) {
    let from = 0
    if (held > 0) {
      from = Math.min(TREE_BLOCK_BYTES - held, part.length)
      joined.set(part.subarray(0, from), held)
      held += from
      if (held === TREE_BLOCK_BYTES) add(joined)
      if (held === TREE_BLOCK_BYTES) held = 0
    }
    for (; from + TREE_BLOCK_BYTES <= part.length; from += TREE_BLOCK_BYTES)
      add(part.subarray(from, from + TREE_BLOCK_BYTES))
    joined.set(part.subarray(from), held)
    held += part.length - from
  }
  if (held > 0) add(joined.subarray(0, held))
  return leaves
}
