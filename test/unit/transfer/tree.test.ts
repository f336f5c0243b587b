import { expect, test } from 'vitest'
import { isLayerOf } from '../../../src/store/piece-layer.ts'
import { layerFits } from '../../../src/transfer/tree.ts'
import { contentOf, PIECE } from './content-fixture.ts'

const SIZES = [PIECE + 1, 2 * PIECE, 5 * PIECE - 1, 8 * PIECE, 9 * PIECE + 16_385]

test.each(SIZES)('the layer of a content of %i bytes fits its root, and nothing else does', (size) => {
  const { root, layer } = contentOf(size)
  const other = contentOf(size, 2)
  expect(layerFits(layer, { root, size })).toBe(true)
  expect(isLayerOf(root, size, layer)).toBe(true)
  for (let at = 0; at < layer.length; at++) {
    const flipped = layer.slice()
    flipped[at] = (flipped[at] ?? 0) ^ 1
    expect(layerFits(flipped, { root, size })).toBe(false)
  }
  expect(layerFits(other.layer, { root, size })).toBe(false)
  expect(layerFits(layer, { root: other.root, size })).toBe(false)
})

test.each(SIZES)(
  'a layer that is too short or too long for %i bytes does not fit, also where its hash would',
  (size) => {
    const { root, layer } = contentOf(size)
    for (const cut of [0, 1, 31, 32, layer.length - 32, layer.length - 1])
      expect(layerFits(layer.subarray(0, cut), { root, size })).toBe(false)
    expect(layerFits(new Uint8Array([...layer, ...new Uint8Array(32)]), { root, size })).toBe(false)
    expect(layerFits(new Uint8Array([...layer, ...layer]), { root, size })).toBe(false)
    expect(layerFits(new Uint8Array([...layer, 0]), { root, size })).toBe(false)
    // The tree is filled up with the nodes of nothing: those may not be told as pieces.
    for (const wrong of [size + PIECE, size - PIECE, 1]) expect(layerFits(layer, { root, size: wrong })).toBe(false)
  },
)

test('a node higher up in the tree is no layer', () => {
  const { root, size } = contentOf(4 * PIECE)
  expect(layerFits(Buffer.from(root, 'hex'), { root, size })).toBe(false)
})

test.each([1, 16_384, 16_385, PIECE - 1, PIECE])('a content of one piece (%i bytes) is its own layer', (size) => {
  const { root } = contentOf(size)
  expect(layerFits(Buffer.from(root, 'hex'), { root, size })).toBe(true)
  expect(layerFits(Buffer.from(contentOf(size, 2).root, 'hex'), { root, size })).toBe(false)
  expect(layerFits(new Uint8Array(), { root, size })).toBe(false)
})
