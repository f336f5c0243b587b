/** A hundred thousand files in slices: how much is done between two turns of the event loop, and what others see meanwhile. */
import { createHash } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { toHex } from '../../../src/bytes.ts'
import { Catalogue } from '../../../src/dht/catalogue.ts'
import { FilesDigest, type SharedFile } from '../../../src/dht/digest.ts'
import { OwnRow } from '../../../src/dht/row.ts'
import { atOnce, FILES_A_SLICE, inSlices, type Steps, sorted } from '../../../src/dht/slices.ts'
import { PeerTable, type RowChange } from '../../../src/dht/table.ts'
import { News } from '../../../src/news.ts'
import type { RowPage } from '../../../src/protocol/messages.ts'

const ID = new Uint8Array(32).fill(9)
const BEN = toHex(ID)
const HERE = '127.0.0.1:5001'
const MANY = 3_000

const hex = (text: string): string => createHash('sha256').update(text).digest('hex')
const file = (name: string, content = name): SharedFile => ({
  name,
  size: content.length,
  hash: hex(content),
  root: hex(content),
  publishedMs: 1,
})
const filesOf = (content: string, count = MANY): Map<string, SharedFile> =>
  new Map(Array.from({ length: count }, (_, at) => [`file ${at}`, file(`file ${at}`, `${content} ${at}`)]))
const rowOf = (files: ReadonlyMap<string, SharedFile>, epoch = 1): OwnRow => {
  const row = new OwnRow({ id: ID, name: 'Ben', epoch, sign: () => new Uint8Array(64) })
  row.sync(files)
  return row
}

/** Everything a row says to who knows it up to a version, or to a stranger. */
const pagesOf = (row: OwnRow, since = 0): RowPage[] => {
  const pages: RowPage[] = []
  for (let at = since; pages.length === 0 || at < row.version; at = pages.at(-1)?.upTo ?? row.version)
    pages.push(row.page(at === 0 ? {} : { epoch: row.head().head.epoch, since: at }))
  return pages
}

const setUp = () => {
  const changes: RowChange[] = []
  const catalogue = new Catalogue()
  const news = new News()
  let told = 0
  news.on('table', () => {
    told += 1
  })
  const onRow = (change: RowChange): void => {
    changes.push(change)
    catalogue.change(change)
  }
  const table = new PeerTable({ news, verify: () => true, onRow })
  const take = async (pages: readonly RowPage[], moment?: number): Promise<boolean> =>
    await table.accept({ id: BEN, address: HERE, pages, ...(moment === undefined ? {} : { moment }) })
  return { table, catalogue, changes, take, told: () => told }
}

/** Look at every turn of the event loop until some work is done. */
const watching = async <Result>(work: Promise<Result>, look: () => void): Promise<Result> => {
  let over = false
  const done = work.finally(() => {
    over = true
  })
  done.catch(() => {})
  while (!over) {
    look()
    await turn()
  }
  return await done
}

/** The most that was counted between two turns of the event loop, and how often there was anything. */
const counter = () => {
  let now = 0
  let most = 0
  let turns = 0
  const look = (): void => {
    most = Math.max(most, now)
    if (now > 0) turns += 1
    now = 0
  }
  return {
    add: (count: number) => {
      now += count
    },
    look,
    most: () => most,
    turns: () => turns,
  }
}

test('work in slices has a turn of the event loop after each, two such works share the turns', async () => {
  const count = counter()
  function* steps(): Steps<string> {
    for (let at = 0; at < 2_000; at++) {
      count.add(1)
      yield 1
    }
    return 'done'
  }
  const both = Promise.all([inSlices(steps()), inSlices(steps())])
  expect(await watching(both, count.look)).toEqual(['done', 'done'])
  // The first slices of both are done at once.
  expect(count.most()).toBeLessThanOrEqual(2 * FILES_A_SLICE)
  expect(count.turns()).toBeGreaterThanOrEqual(4_000 / FILES_A_SLICE - 2)
})

test('sorting in slices is sorting', () => {
  const items = fc.array(fc.tuple(fc.nat(9), fc.nat()), { maxLength: 1_200 })
  fc.assert(
    fc.property(items, (all) => {
      const order = ([a]: [number, number], [b]: [number, number]): number => a - b
      expect(atOnce(sorted(all, order))).toEqual([...all].sort(order))
    }),
    { numRuns: 50 },
  )
})

test('a page of names, a part for the catalogue: never more than a slice of a row in one turn', async () => {
  const { catalogue, changes, take } = setUp()
  const read = counter()
  const pages = pagesOf(rowOf(filesOf('one'))).map((page) => ({
    ...page,
    files: page.files.map(({ name, ...rest }) => ({
      ...rest,
      get name() {
        read.add(1)
        return name
      },
    })),
  }))
  let parts = 0
  const told = counter()
  const look = (): void => {
    for (; parts < changes.length; parts++) told.add(changes[parts]?.added.length ?? 0)
    read.look()
    told.look()
  }
  expect(await watching(take(pages), look)).toBe(true)
  expect(catalogue.count).toBe(MANY)
  // A name is read some times in its own step, and never again.
  expect(read.most()).toBeLessThanOrEqual(8 * FILES_A_SLICE)
  expect(told.most()).toBe(FILES_A_SLICE)
  expect(told.turns()).toBe(MANY / FILES_A_SLICE)
})

test('a digest of a bucket that has all the files is worked out in small steps, too, and is the same', () => {
  const inFirstBucket: SharedFile[] = []
  for (let at = 0; inFirstBucket.length < 3 * FILES_A_SLICE; at++) {
    const name = `chosen ${at}`
    if (hex(name).startsWith('00')) inFirstBucket.push(file(name))
  }
  const changes = inFirstBucket.map((after) => ({ before: undefined, after }))
  const stepsOf = <Result>(steps: Steps<Result>): { most: number; sum: number; result: Result } => {
    for (let most = 0, sum = 0; ; ) {
      const step = steps.next()
      if (step.done) return { most, sum, result: step.value }
      most = Math.max(most, step.value)
      sum += step.value
    }
  }
  const put = stepsOf(new FilesDigest().after(changes))
  const hashed = stepsOf(put.result.valueSteps())
  for (const { most } of [put, hashed]) expect(most).toBeLessThanOrEqual(FILES_A_SLICE)
  expect(put.sum).toBe(inFirstBucket.length)
  // Gathered, sorted, merged and written: each of them counts.
  expect(hashed.sum).toBeGreaterThan(3.5 * inFirstBucket.length)
  const anew = new FilesDigest()
  for (const one of inFirstBucket.toReversed()) anew.set(one)
  expect(hashed.result).toBe(anew.value())
})

test('a digest after changes leaves the one before as it was', () => {
  const digest = new FilesDigest()
  const same = new FilesDigest()
  for (const one of ['a', 'b', 'c'].map((name) => file(name))) {
    digest.set(one)
    same.set(one)
  }
  const changes = [
    { before: file('a'), after: undefined },
    { before: file('b'), after: file('b', 'other') },
    { before: undefined, after: file('d') },
  ]
  const after = atOnce(digest.after(changes))
  const anew = new FilesDigest()
  for (const one of [file('b', 'other'), file('c'), file('d')]) anew.set(one)
  expect(after.value()).toBe(anew.value())
  expect([after.count, after.size]).toEqual([anew.count, anew.size])
  expect([digest.value(), digest.count]).toEqual([same.value(), 3])
})

test('an old row is there until the new one is complete, and the catalogue never has both of a name or neither', async () => {
  const { table, catalogue, take } = setUp()
  await take(pagesOf(rowOf(filesOf('one'))))
  const seen = new Set<string>()
  const look = (): void => {
    const { epoch, files } = table.get(BEN) ?? {}
    const contents = new Set([...(files?.values() ?? [])].map((one) => one.hash === hex(`one ${one.name.slice(5)}`)))
    seen.add(`epoch ${epoch}, ${files?.size} files, ${[...contents].join(' and ')}`)
    expect(catalogue.count).toBe(MANY)
  }
  expect(await watching(take(pagesOf(rowOf(filesOf('two'), 2))), look)).toBe(true)
  look()
  expect([...seen]).toEqual([`epoch 1, ${MANY} files, true`, `epoch 2, ${MANY} files, false`])
})

test('a wrong last page changes nothing, not even for a moment', async () => {
  const { table, changes, take, told } = setUp()
  await take(pagesOf(rowOf(filesOf('one'))))
  const [files, partsBefore, toldBefore] = [table.get(BEN)?.files, changes.length, told()]
  const pages = pagesOf(rowOf(filesOf('two'), 2))
  const [last] = pages.splice(-1)
  const lies: readonly Partial<RowPage>[] = [
    { files: last?.files.slice(1) ?? [] },
    { files: last?.files.map((one, at) => (at === 0 ? { ...one, published: 2 } : one)) ?? [] },
    { files: last?.files.map((one, at) => (at === 0 ? { ...one, name: '../up' } : one)) ?? [] },
    { gone: ['file 7'] },
  ]
  for (const lie of lies) {
    const wrong = [...pages, { ...last, ...lie } as RowPage]
    const look = (): void => {
      expect(table.get(BEN)?.files).toBe(files)
      expect(files?.get('file 0')?.hash).toBe(hex('one 0'))
    }
    expect(await watching(take(wrong), look)).toBe(false)
    look()
  }
  expect(table.get(BEN)).toMatchObject({ epoch: 1, version: MANY })
  expect([changes.length, told()]).toEqual([partsBefore, toldBefore])
})

test('a peer that starts anew with the same files changes nothing but its head', async () => {
  const { table, changes, take } = setUp()
  await take(pagesOf(rowOf(filesOf('one'))))
  const before = changes.length
  expect(await take(pagesOf(rowOf(filesOf('one'), 2)))).toBe(true)
  expect(table.get(BEN)?.epoch).toBe(2)
  expect(changes.slice(before).flatMap(({ removed, added }) => [...removed, ...added])).toEqual([])
})

test('two pulls of one peer at the same time are taken in one after the other, whichever comes first', async () => {
  for (const order of [0, 1]) {
    const { table, catalogue, take } = setUp()
    const files = filesOf('one')
    const row = rowOf(files)
    await take(pagesOf(row))
    const { moment } = table
    const since = row.version
    const publish = (content: string): void => {
      for (const [name, one] of filesOf(content, 1_000)) files.set(`new ${name}`, { ...one, name: `new ${name}` })
      row.sync(files)
    }
    publish('two')
    const earlier = pagesOf(row, since)
    files.delete('file 0')
    publish('three')
    const later = pagesOf(row, since)
    const pulls = order === 0 ? [earlier, later] : [later, earlier]
    expect(await Promise.all(pulls.map((pages) => take(pages, moment)))).toEqual([true, true])
    expect(table.get(BEN)).toMatchObject({ version: row.version, filesDigest: row.head().head.files })
    expect(catalogue.count).toBe(files.size)
  }
})

test('a peer that is forgotten while its row is taken in leaves nothing behind', async () => {
  const { table, catalogue, take } = setUp()
  const first = take(pagesOf(rowOf(filesOf('one'))))
  while (catalogue.count === 0) await turn()
  table.forget(BEN)
  await first
  while (catalogue.count > 0) await turn()
  expect(table.get(BEN)).toBeUndefined()
  expect(await take(pagesOf(rowOf(filesOf('two'), 2)))).toBe(true)
  expect(catalogue.count).toBe(MANY)
})

test('changes of a row that is forgotten meanwhile are put upon nothing', async () => {
  const { table, catalogue, take } = setUp()
  const files = filesOf('one')
  const row = rowOf(files)
  await take(pagesOf(row))
  const since = row.version
  for (const [name, one] of filesOf('two', 1_000)) files.set(name, one)
  row.sync(files)
  const changes = take(pagesOf(row, since))
  await turn()
  table.forget(BEN)
  expect(await changes).toBe(false)
  while (catalogue.count > 0) await turn()
  expect(table.get(BEN)).toBeUndefined()
})
