/** The hash tree of BitTorrent v2 (BEP 52): SHA-256 over blocks of 16 KiB, missing leaves are 32 zero bytes. */
import { hash } from 'node:crypto'

/** A leaf of the tree covers this much of a file; the last one covers what is left, unpadded. */
export const BLOCK_BYTES = 16_384
const NODE_BYTES = 32
/** 2^40 blocks are 16 PiB. */
const MAX_HEIGHT = 40

// Nodes are kept as text of one character a byte ('binary', which is 'latin1'): the one-shot hash gives that 2 us faster than a Buffer of its own.
const EMPTY = hash('sha256', '', 'binary')

const nodeOf = (bytes: Uint8Array): string => hash('sha256', bytes, 'binary')

/** Node of height h over nothing but missing leaves; grows as it is asked for. */
const zeros: string[] = ['\0'.repeat(NODE_BYTES)]
const zeroNode = (height: number): string => {
  for (let have = zeros.length; have <= height; have++) zeros.push(joined(zeroNode(have - 1), zeroNode(have - 1)))
  return zeros[height] ?? ''
}

const pair = Buffer.alloc(2 * NODE_BYTES)
const joined = (left: string, right: string): string => {
  pair.write(left, 0, 'latin1')
  pair.write(right, NODE_BYTES, 'latin1')
  return nodeOf(pair)
}

/**
 * The root over a run of nodes, added from left to right, in memory of the tree's height.
 * Height 0 takes blocks; height h takes nodes that cover 2^h blocks each (a piece layer).
 */
export class RootBuilder {
  readonly #base: number
  /** At index i the left node of height base + i that still waits for its right one. */
  readonly #waiting: (string | undefined)[] = []
  #count = 0

  constructor(height = 0) {
    this.#base = height
  }

  /** Add the leaf of one block: 1 to 16,384 bytes, less than 16,384 only for the last one. */
  addBlock(bytes: Uint8Array): void {
    this.#add(nodeOf(bytes))
  }

  /** Add a run of bytes that begins at a block; all but the last run must be whole blocks. */
  addBlocks(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += BLOCK_BYTES) this.addBlock(bytes.subarray(at, at + BLOCK_BYTES))
  }

  /** Add a node of the builder's height: 32 bytes. */
  addNode(node: Uint8Array): void {
    this.#add(Buffer.from(node.buffer, node.byteOffset, NODE_BYTES).toString('latin1'))
  }

  /**
   * The root of what was added, padded with missing leaves to a power of two and to at least `minimumHeight`
   * (a short last piece has the height of a whole one). Nothing added: the hash of no bytes. Call it once, at the end.
   * @returns 32 bytes
   */
  root(minimumHeight = 0): Uint8Array {
    const waiting = this.#waiting
    const top = waiting.length - 1
    if (top < 0) return Buffer.from(EMPTY, 'latin1')
    let level = waiting.findIndex((node) => node !== undefined)
    let node = waiting[level] ?? ''
    // Anything below the top is a lone node: it goes up beside a missing one, then beside what waits on its left.
    if (level < top) {
      node = joined(node, zeroNode(this.#base + level++))
      for (; level <= top; level++) {
        const left = waiting[level]
        node = left === undefined ? joined(node, zeroNode(this.#base + level)) : joined(left, node)
      }
    }
    for (let height = this.#base + level; height < minimumHeight; height++) node = joined(node, zeroNode(height))
    return Buffer.from(node, 'latin1')
  }

  #add(node: string): void {
    if (++this.#count > 2 ** MAX_HEIGHT) throw new RangeError('too many leaves')
    let carry = node
    for (let index = 0; ; index++) {
      const left = this.#waiting[index]
      if (left === undefined) {
        this.#waiting[index] = carry
        return
      }
      this.#waiting[index] = undefined
      carry = joined(left, carry)
    }
  }
}
