import { appendFile, rm } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { LayerMaker } from '../../../src/store/layer-maker.ts'
import { isLayerOf } from '../../../src/store/piece-layer.ts'
import { publishedHoldings } from '../../../src/transfer/published-holding.ts'
import { codeOf, put, startStore, vectorContent } from '../store/fixture.ts'

const SIZE = 300_000

const holdingsOf = async () => {
  const store = await startStore()
  const { home, state, hasher, published, news } = store
  const layers = new LayerMaker({ home, state, hasher, signal: new AbortController().signal })
  return { ...store, holdings: publishedHoldings({ published, news, layers }) }
}

test('holds what is published, wholly, and nothing else', async () => {
  const { folder, published, holdings } = await holdingsOf()
  await put(folder, 'a', vectorContent(SIZE))
  expect(holdings('ab'.repeat(32))).toBeUndefined()
  const { root } = await published.publish('a')
  const holding = holdings(root)
  expect(holding).toMatchObject({ root, size: SIZE, pieces: undefined })
  expect(isLayerOf(root, SIZE, (await holding?.layer()) ?? new Uint8Array())).toBe(true)
  // The same object, so that whoever has it open can use it again.
  expect(holdings(root)).toBe(holding)
  published.clear('a')
  expect(holdings(root)).toBeUndefined()
})

test('reads any part of it, and fails beyond its end', async () => {
  const { folder, published, holdings } = await holdingsOf()
  const content = vectorContent(SIZE)
  await put(folder, 'a', content)
  const open = await holdings((await published.publish('a')).root)?.open()
  const into = new Uint8Array(1_000)
  await open?.read(SIZE - 1_000, into)
  await open?.check()
  expect(Buffer.from(into).equals(content.subarray(SIZE - 1_000))).toBe(true)
  expect(await codeOf(open?.read(SIZE - 999, into) ?? Promise.resolve())).toBe('PM_FILE_CHANGED')
  await open?.close()
})

test('does not give another content that lies under its name now', async () => {
  const { folder, published, holdings } = await holdingsOf()
  await put(folder, 'a', vectorContent(SIZE))
  const before = holdings((await published.publish('a')).root)
  await put(folder, 'a', vectorContent(SIZE + 1))
  const { root } = await published.publish('a')
  expect(await codeOf(before?.open() ?? Promise.resolve())).toBe('PM_NOT_PUBLISHED')
  const open = await holdings(root)?.open()
  await open?.check()
  await open?.close()
})

test('what was opened is checked each time: changed, or taken out', async () => {
  const { folder, published, holdings } = await holdingsOf()
  const path = await put(folder, 'a', vectorContent(SIZE))
  const { root } = await published.publish('a')
  const first = await holdings(root)?.open()
  await appendFile(path, 'x')
  expect(await codeOf(first?.check() ?? Promise.resolve())).toBe('PM_FILE_CHANGED')
  expect(holdings(root)).toBeUndefined()
  await first?.close()
  const again = (await published.publish('a')).root
  const second = await holdings(again)?.open()
  published.clear('a')
  expect(await codeOf(second?.check() ?? Promise.resolve())).toBe('PM_NOT_PUBLISHED')
  await second?.close()
})

test('tells once when it ends: cleared, changed, or replaced; and not to those who listen no more', async () => {
  const { folder, published, news, holdings } = await holdingsOf()
  const paths = new Map<string, string>()
  for (const [at, name] of ['cleared', 'changed', 'gone', 'replaced', 'stays'].entries())
    paths.set(name, await put(folder, name, vectorContent(SIZE + at)))
  const ended: string[] = []
  for (const name of paths.keys()) {
    const holding = holdings((await published.publish(name)).root)
    holding?.onEnd(() => ended.push(name))
    holding?.onEnd(() => ended.push(`not ${name}`))()
  }
  news.tell('files')
  expect(ended).toEqual([])
  published.clear('cleared')
  expect(ended).toEqual(['cleared'])
  await appendFile(paths.get('changed') ?? '', 'x')
  await rm(paths.get('gone') ?? '')
  await published.check()
  expect(ended.toSorted()).toEqual(['changed', 'cleared', 'gone'])
  await put(folder, 'replaced', vectorContent(5))
  await published.publish('replaced')
  expect(ended.toSorted()).toEqual(['changed', 'cleared', 'gone', 'replaced'])
  published.clearAll()
  expect(ended.filter((name) => name === 'cleared')).toHaveLength(1)
  expect(ended).toHaveLength(5)
})

test('any of several names does', async () => {
  const { folder, published, holdings } = await holdingsOf()
  for (const name of ['a', 'b']) await put(folder, name, vectorContent(SIZE))
  const { root } = await published.publish('a')
  await published.publish('b')
  const first = holdings(root)
  published.clear('a')
  const second = holdings(root)
  expect(second).toMatchObject({ root, size: SIZE })
  expect(second).not.toBe(first)
  const open = await second?.open()
  await open?.check()
  await open?.close()
})
