/** Piece layers: computed while a file is hashed, kept, made again where they are missing. */
import { readFileSync } from 'node:fs'
import { appendFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { toHex } from '../../../src/bytes.ts'
import { LayerMaker } from '../../../src/store/layer-maker.ts'
import { RootBuilder } from '../../../src/store/merkle.ts'
import { isLayerOf, LayerBuilder, shortLayerOf } from '../../../src/store/piece-layer.ts'
import { pieceBytesOf, pieceCountOf, pieceHeightOf } from '../../../src/store/pieces.ts'
import { openState } from '../../../src/store/state.ts'
import { codeOf, put, type Store, startHasher, startStore, tempDir, vectorContent } from './fixture.ts'

interface Vector {
  readonly size: number
  readonly root: string
  readonly pieceLayer?: string
}
const { files }: { files: readonly Vector[] } = JSON.parse(
  readFileSync(new URL('../../vectors/bep52.json', import.meta.url), 'utf8'),
)
const PIECE = 128 * 1024

const rootOver = (size: number, layer: Uint8Array): string => {
  const tree = new RootBuilder(pieceHeightOf(size))
  for (let at = 0; at < layer.length; at += 32) tree.addNode(layer.subarray(at, at + 32))
  return toHex(tree.root())
}

const makerOf = ({ home, state, hasher }: Store): { maker: LayerMaker; ending: AbortController } => {
  const ending = new AbortController()
  return { maker: new LayerMaker({ home, state, hasher, signal: ending.signal }), ending }
}

test('agrees with libtorrent on the layer of every file of more than one piece, and has none of the others', async () => {
  const [folder, hasher] = [await tempDir(), startHasher()]
  let layers = 0
  for (const { size, root, pieceLayer } of files) {
    const hashed = await hasher.hash(await put(folder, 'content', vectorContent(size)))
    expect(hashed.root).toBe(root)
    expect(hashed.layer && toHex(hashed.layer)).toBe(pieceLayer)
    if (!hashed.layer) continue
    layers += 1
    expect(hashed.layer).toHaveLength(32 * pieceCountOf(size))
    expect(rootOver(size, hashed.layer)).toBe(root)
    expect(isLayerOf(root, size, hashed.layer)).toBe(true)
  }
  expect(layers).toBeGreaterThan(10)
})

test('pads a short last piece to the height of the others', () => {
  for (const rest of [1, 16_384, 16_385, 40_000, PIECE - 1]) {
    const content = vectorContent(2 * PIECE + rest)
    const builder = new LayerBuilder(content.length)
    builder.addBlocks(content)
    const { root, layer = new Uint8Array() } = builder.result()
    const last = new RootBuilder()
    last.addBlocks(content.subarray(2 * PIECE))
    expect(toHex(layer.subarray(64))).toBe(toHex(last.root(3)))
    const whole = new RootBuilder()
    whole.addBlocks(content)
    expect(toHex(root)).toBe(toHex(whole.root()))
    expect(rootOver(content.length, layer)).toBe(toHex(root))
  }
})

test('pieces grow with the content, so that a layer never has more than 512 KiB', () => {
  const GIB = 2 ** 30
  for (const [size, bytes] of [
    [0, PIECE],
    [2 * GIB, PIECE],
    [2 * GIB + 1, 2 * PIECE],
    [16 * GIB, 8 * PIECE],
    [2 ** 53 - 1, 2 ** 39],
  ] as const) {
    expect(pieceBytesOf(size)).toBe(bytes)
    expect(pieceCountOf(size)).toBeLessThanOrEqual(16_384)
    expect(pieceHeightOf(size)).toBe(Math.log2(bytes / 16_384))
  }
})

test('refuses a layer that is too short, too long, of another content or of other pieces', () => {
  const content = vectorContent(3 * PIECE)
  const builder = new LayerBuilder(content.length)
  builder.addBlocks(content)
  const { root, layer = new Uint8Array() } = builder.result()
  const hex = toHex(root)
  expect(isLayerOf(hex, content.length, layer)).toBe(true)
  expect(isLayerOf(hex, content.length, layer.subarray(32))).toBe(false)
  expect(isLayerOf(hex, content.length, new Uint8Array([...layer, ...new Uint8Array(32)]))).toBe(false)
  expect(isLayerOf(hex, 4 * PIECE, new Uint8Array([...layer, ...new Uint8Array(32)]))).toBe(false)
  const swapped = new Uint8Array([...layer.subarray(32, 64), ...layer.subarray(0, 32), ...layer.subarray(64)])
  expect(isLayerOf(hex, content.length, swapped)).toBe(false)
  expect(isLayerOf('ab'.repeat(32), content.length, layer)).toBe(false)
})

test('a content of one piece has its root as layer, an empty one has none', () => {
  const root = 'ab'.repeat(32)
  expect(shortLayerOf(root, 0)).toHaveLength(0)
  for (const size of [1, PIECE]) {
    const layer = shortLayerOf(root, size) ?? new Uint8Array()
    expect([toHex(layer), isLayerOf(root, size, layer)]).toEqual([root, true])
  }
  expect(shortLayerOf(root, PIECE + 1)).toBeUndefined()
  expect(isLayerOf(root, 0, new Uint8Array())).toBe(true)
})

test('a file that is published leaves its layer in the store, and one of a single piece leaves none', async () => {
  const store = await startStore()
  await put(store.folder, 'large', vectorContent(3 * PIECE + 5))
  await put(store.folder, 'small', vectorContent(PIECE))
  const large = await store.published.publish('large')
  const small = await store.published.publish('small')
  expect(isLayerOf(large.root, large.size, store.state.layers.get(large.root) ?? new Uint8Array())).toBe(true)
  expect(store.state.layers.get(small.root)).toBeUndefined()
  const again = await store.restart()
  expect(again.state.layers.get(large.root)).toHaveLength(4 * 32)
})

test('a layer that is missing or damaged is made once for all who wait, and kept', async () => {
  const store = await startStore()
  await put(store.folder, 'large', vectorContent(20 * PIECE + 5))
  const file = await store.published.publish('large')
  const kept = store.state.layers.get(file.root) ?? new Uint8Array()
  store.state.layers.prune(new Set())
  let hashed = 0
  const { home, state, hasher } = store
  const counting = {
    hash: async (...all: Parameters<typeof hasher.hash>) => {
      hashed += 1
      return await hasher.hash(...all)
    },
  }
  const { signal } = new AbortController()
  const maker = new LayerMaker({ home, state, hasher: counting, signal })
  const all = await Promise.all(Array.from({ length: 10 }, () => maker.of(file)))
  for (const layer of all) expect(toHex(layer)).toBe(toHex(kept))
  expect(toHex(await maker.of(file))).toBe(toHex(kept))
  expect([hashed, toHex(state.layers.get(file.root) ?? new Uint8Array())]).toEqual([1, toHex(kept)])
  state.layers.put(file.root, new Uint8Array(kept.length))
  expect(toHex(await new LayerMaker({ home, state, hasher, signal }).of(file))).toBe(toHex(kept))
})

test('no layer is made of a file that has another content now, or is gone', async () => {
  const store = await startStore()
  const path = await put(store.folder, 'large', vectorContent(2 * PIECE))
  const file = await store.published.publish('large')
  store.state.layers.prune(new Set())
  const { maker } = makerOf(store)
  await appendFile(path, 'x')
  expect(await codeOf(maker.of(file))).toBe('PM_FILE_CHANGED')
  await rm(path)
  expect(await codeOf(maker.of(file))).toBe('PM_FILE_CHANGED')
  expect(store.state.layers.get(file.root)).toBeUndefined()
})

test('layers are made one after the other; more than 32 contents do not wait, and a stop ends all of them', async () => {
  const store = await startStore()
  const published = []
  for (let at = 0; at < 34; at++) {
    await put(store.folder, `${at}`, Buffer.alloc(2 * PIECE, at))
    published.push(await store.published.publish(`${at}`))
  }
  store.state.layers.prune(new Set())
  const { maker, ending } = makerOf(store)
  const codes = published.map((file) => codeOf(maker.of(file)))
  expect(await codes[33]).toBe('PM_BUSY')
  ending.abort(Object.assign(new Error('stopping'), { code: 'PM_STOPPING' }))
  const all = await Promise.all(codes)
  expect(all.filter((code) => code === 'PM_STOPPING').length).toBeGreaterThanOrEqual(30)
})

test('the store forgets the layers that nobody needs', async () => {
  const { state } = await startStore()
  const roots = ['a', 'b', 'c'].map((letter) => letter.repeat(64))
  for (const root of roots) state.layers.put(root, Buffer.from(root, 'hex'))
  state.layers.put('b'.repeat(64), new Uint8Array(64))
  state.layers.prune(new Set(roots.slice(1)))
  expect(roots.map((root) => state.layers.get(root)?.length)).toEqual([undefined, 64, 32])
})

test('a store of the first version is brought forward with everything in it', async () => {
  const store = await startStore()
  await put(store.folder, 'large', vectorContent(3 * PIECE))
  const file = await store.published.publish('large')
  store.state.setNote('kept', 'yes')
  await store.published.stop()
  store.state.close()
  const path = join(store.folder, '.portmesh', 'state.db')
  const old = new DatabaseSync(path)
  const tables = old.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all()
  for (const { name } of tables) {
    if (!['note', 'published', 'cache', 'peer', 'peer_file'].includes(String(name))) old.exec(`DROP TABLE ${name}`)
  }
  old.exec('ALTER TABLE published DROP COLUMN reach; PRAGMA user_version = 1')
  old.close()

  const state = await openState(join(store.folder, '.portmesh'))
  onTestFinished(() => state.close())
  expect(state.notices).toEqual([])
  expect(state.published.all()).toEqual([file])
  expect([state.note('kept'), state.cache.get('large')?.root]).toEqual(['yes', file.root])
  expect(state.layers.get(file.root)).toBeUndefined()
  state.layers.put(file.root, new Uint8Array(96))
  expect(state.layers.get(file.root)).toHaveLength(96)
  const copy = new DatabaseSync(`${path}.before-1`)
  onTestFinished(() => copy.close())
  expect(copy.prepare('SELECT name FROM published').get()?.name).toBe('large')
})
