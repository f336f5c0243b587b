import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import { sign, verify } from '../../src/crypto/identity.ts'
import type { RowChange } from '../../src/dht/table.ts'
import { OwnRows } from '../../src/own-rows.ts'
import type { Reach } from '../../src/store/reach.ts'
import { until } from '../helpers/api.ts'
import { strangerIdentity } from '../helpers/stranger.ts'
import { startStore } from './store/fixture.ts'

/** Files of some sizes, so that a sum shows what is in it. */
const FILES = { 'private.txt': 'x'.repeat(1_000), 'open.txt': 'y'.repeat(7), 'later.txt': 'z'.repeat(90) }

const identity = strangerIdentity()

const startRows = async (shown: Readonly<Record<string, Reach>> = {}) => {
  const store = await startStore()
  for (const [name, text] of Object.entries(FILES)) await writeFile(join(store.folder, name), text)
  for (const [name, reach] of Object.entries(shown)) await store.published.publish(name, reach)
  const changes: (RowChange & { seenFrom: Reach })[] = []
  const ending = new AbortController()
  const rows = new OwnRows({
    id: identity.id,
    ownId: toHex(identity.id),
    name: 'mine',
    epoch: 7,
    sign: (head) => sign(identity.seed, 'row', head),
    published: store.published,
    onChange: (change, seenFrom) => changes.push({ ...change, seenFrom }),
    signal: ending.signal,
  })
  await rows.start(store.news)
  const names = (from: Reach) => [...rows.seenFrom(from).files().keys()].sort()
  const head = (from: Reach) => rows.seenFrom(from).head()
  return { ...store, rows, changes, ending, names, head }
}

test('the network sees what is for the network, and this computer sees all', async () => {
  const { names, rows } = await startRows({ 'private.txt': 'computer', 'open.txt': 'network' })
  expect(names('computer')).toEqual(['open.txt', 'private.txt'])
  expect(names('network')).toEqual(['open.txt'])
  const page = rows.seenFrom('network').page({})
  expect(page.files.map(({ name }) => name)).toEqual(['open.txt'])
  expect(JSON.stringify(page)).not.toContain('reach')
})

test('what the network is told is the same with and without other files: count, size, digest, version and all', async () => {
  const alone = await startRows({ 'open.txt': 'network' })
  const among = await startRows({ 'private.txt': 'computer', 'open.txt': 'network', 'later.txt': 'computer' })
  const { files: _digest, ...said } = among.head('network').head
  expect(said).toMatchObject({ epoch: 7, version: 1, count: 1, size: 7 })
  // The digest has the time of publishing in it.
  expect({ ...alone.head('network').head, files: '' }).toEqual({ ...said, files: '' })
  expect(among.head('computer').head).toMatchObject({ epoch: 7, count: 3, size: 1_097 })
})

test('of files of this computer that come and go the network hears nothing', async () => {
  const { published, head, changes, names } = await startRows({ 'open.txt': 'network' })
  const before = head('network').bytes
  changes.length = 0
  await published.publish('private.txt', 'computer')
  await published.publish('later.txt', 'computer')
  expect(names('computer')).toHaveLength(3)
  published.clear('private.txt')
  expect(names('computer')).toHaveLength(2)
  expect(head('network').bytes).toEqual(before)
  expect(new Set(changes.map(({ seenFrom }) => seenFrom))).toEqual(new Set(['computer']))
})

test('a file that is shown comes, one that is taken back goes, and its name is said to have gone', async () => {
  const { published, names, rows, changes } = await startRows({ 'private.txt': 'computer', 'open.txt': 'network' })
  changes.length = 0
  published.show(['private.txt'], 'network')
  expect(names('network')).toEqual(['open.txt', 'private.txt'])
  published.show(['open.txt'], 'computer')
  expect(names('network')).toEqual(['private.txt'])
  expect(names('computer')).toEqual(['open.txt', 'private.txt'])
  expect(rows.seenFrom('network').page({ epoch: 7, since: 1 })).toMatchObject({ gone: ['open.txt'], whole: false })
  const ofNetwork = changes.filter(({ seenFrom }) => seenFrom === 'network')
  expect(ofNetwork.map(({ added, removed }) => [added.length, removed.length])).toEqual([
    [1, 0],
    [0, 1],
  ])
  published.clearAll()
  expect([names('network'), names('computer')]).toEqual([[], []])
})

test('a file that changed on disk is in neither', async () => {
  const { folder, published, names } = await startRows({ 'open.txt': 'network', 'private.txt': 'computer' })
  await rm(join(folder, 'open.txt'))
  await published.check()
  expect([names('network'), names('computer')]).toEqual([[], ['private.txt']])
})

test('both are signed, of one epoch, each with versions of its own', async () => {
  const { head } = await startRows({ 'private.txt': 'computer', 'later.txt': 'computer', 'open.txt': 'network' })
  for (const { bytes, sig } of [head('computer'), head('network')])
    expect(verify(identity.id, sig, 'row', bytes)).toBe(true)
  expect([head('computer').head.epoch, head('network').head.epoch]).toEqual([7, 7])
  expect([head('computer').head.version, head('network').head.version]).toEqual([3, 1])
})

test('more than a slice that is taken back at once leaves the network, all of it', async () => {
  const { folder, published, names, changes } = await startRows()
  const many = Array.from({ length: 300 }, (_, index) => `many-${index}.txt`)
  for (const name of many) await writeFile(join(folder, name), name)
  await Promise.all(many.map((name) => published.publish(name, 'network')))
  expect(names('network')).toHaveLength(300)
  changes.length = 0
  published.show(many, 'computer')
  await until(
    async () => names('network'),
    ({ length }) => length === 0,
  )
  expect(names('computer')).toHaveLength(300)
})
