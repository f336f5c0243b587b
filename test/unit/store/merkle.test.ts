import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fromHex, toHex } from '../../../src/bytes.ts'
import { BLOCK_BYTES, RootBuilder } from '../../../src/store/merkle.ts'
import { vectorContent } from './fixture.ts'

interface Vectors {
  readonly pieceBytes: number
  readonly files: readonly { size: number; hash: string; root: string; pieceLayer?: string }[]
  readonly zeros: readonly { size: number; root: string }[]
}

const vectors: Vectors = JSON.parse(readFileSync(new URL('../../vectors/bep52.json', import.meta.url), 'utf8'))
const sha256 = (...parts: Uint8Array[]): Uint8Array =>
  parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest()

/** The definition, spelled out: all leaves, padded, joined layer by layer. */
const plainRoot = (leaves: Uint8Array[], height = 0): Uint8Array => {
  let missing: Uint8Array = new Uint8Array(32)
  for (let level = 0; level < height; level++) missing = sha256(missing, missing)
  let layer = [...leaves]
  while (Math.log2(layer.length) % 1 !== 0) layer.push(missing)
  while (layer.length > 1) {
    const pairs: Uint8Array[] = []
    for (let i = 0; i < layer.length; i += 2) pairs.push(sha256(layer[i] ?? missing, layer[i + 1] ?? missing))
    layer = pairs
  }
  return layer[0] ?? sha256()
}

const rootOf = (content: Uint8Array): string => {
  const tree = new RootBuilder()
  tree.addBlocks(content)
  return toHex(tree.root())
}

test.each(vectors.files)('agrees with libtorrent on the root of $size bytes', ({ size, hash, root }) => {
  const content = vectorContent(size)
  expect(toHex(sha256(content))).toBe(hash)
  expect(rootOf(content)).toBe(root)
})

test.each(vectors.zeros)('tells $size zero bytes from missing leaves', ({ size, root }) => {
  expect(rootOf(new Uint8Array(size))).toBe(root)
})

test('joins a piece layer to the same root, also when its last piece is short', () => {
  const height = Math.log2(vectors.pieceBytes / BLOCK_BYTES)
  const layered = vectors.files.filter(({ pieceLayer }) => pieceLayer !== undefined)
  expect(layered.length).toBeGreaterThan(10)
  for (const { size, root, pieceLayer = '' } of layered) {
    const content = vectorContent(size)
    const whole = new RootBuilder(height)
    let layer = ''
    for (let at = 0; at < size; at += vectors.pieceBytes) {
      const piece = new RootBuilder()
      piece.addBlocks(content.subarray(at, at + vectors.pieceBytes))
      const node = piece.root(height)
      layer += toHex(node)
      whole.addNode(node)
    }
    expect(layer).toBe(pieceLayer)
    expect(toHex(whole.root())).toBe(root)
  }
})

test('has the hash of nothing as the root of nothing', () => {
  expect(rootOf(new Uint8Array(0))).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
})

test('agrees with the definition for any number of nodes at any height, zero nodes among them', () => {
  const node = fc.oneof(
    fc.uint8Array({ minLength: 32, maxLength: 32 }),
    fc.constant(new Uint8Array(32)),
    fc.constant(sha256(new Uint8Array(64))),
  )
  fc.assert(
    fc.property(fc.array(node, { minLength: 1, maxLength: 70 }), fc.nat(5), (nodes, height) => {
      const tree = new RootBuilder(height)
      for (const one of nodes) tree.addNode(one)
      expect(toHex(tree.root())).toBe(toHex(plainRoot(nodes, height)))
    }),
  )
})

test('reads nodes out of the middle of a larger array', () => {
  const bytes = fromHex('00'.repeat(7) + 'ab'.repeat(32) + 'cd'.repeat(32)) ?? new Uint8Array()
  const tree = new RootBuilder()
  tree.addNode(bytes.subarray(7, 39))
  tree.addNode(bytes.subarray(39))
  expect(toHex(tree.root())).toBe(toHex(sha256(bytes.subarray(7))))
})
