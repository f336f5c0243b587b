import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { leavesOf } from '../../../src/peer/leaves.ts'
import { contentOf } from '../transfer/content-fixture.ts'

const BLOCK = 16_384

const cut = (bytes: Buffer, lengths: readonly number[]): Buffer[] => {
  const parts: Buffer[] = []
  for (let at = 0, index = 0; at < bytes.length; index++) {
    const length = lengths[index % lengths.length] ?? bytes.length
    parts.push(bytes.subarray(at, at + length))
    at += length
  }
  return parts
}

test.each([
  ['whole', [10 ** 9]],
  ['block by block', [BLOCK]],
  ['byte by byte around a border', [BLOCK - 1, 1, 1, BLOCK]],
  ['in pieces of a socket', [65_519, 65_536, 17]],
  ['in parts of a few bytes', [7]],
])('the leaves of bytes that come %s are those of the tree', (_how, lengths) => {
  for (const size of [1, BLOCK - 1, BLOCK, BLOCK + 1, 300_001]) {
    const { bytes } = contentOf(size)
    const expected = Array.from({ length: Math.ceil(size / BLOCK) }, (_, block) =>
      createHash('sha256')
        .update(bytes.subarray(block * BLOCK, (block + 1) * BLOCK))
        .digest(),
    )
    expect(Buffer.from(leavesOf(cut(bytes, lengths), size)).equals(Buffer.concat(expected))).toBe(true)
  }
})
