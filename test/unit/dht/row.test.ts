import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FilesDigest, type SharedFile } from '../../../src/dht/digest.ts'
import { headOf, OwnRow } from '../../../src/dht/row.ts'

const hex = (text: string): string => createHash('sha256').update(text).digest('hex')
const file = (name: string, content = name): SharedFile => ({
  name,
  size: content.length,
  hash: hex(content),
  root: hex(content),
  publishedMs: 1_000,
})
const mapOf = (...files: SharedFile[]): Map<string, SharedFile> => new Map(files.map((one) => [one.name, one]))
const newRow = (): OwnRow =>
  new OwnRow({ id: new Uint8Array(32).fill(7), name: 'Ana', epoch: 5, sign: () => new Uint8Array(64) })

test('a digest depends on what is there, not on how it came there', () => {
  const one = new FilesDigest()
  const other = new FilesDigest()
  for (const name of ['a', 'b', 'c']) one.set(file(name))
  for (const name of ['c', 'x', 'a', 'b']) other.set(file(name))
  other.delete('x')
  expect(other.value()).toBe(one.value())
  other.set(file('a', 'changed'))
  expect(other.value()).not.toBe(one.value())
})

test('a first pull brings everything, the next one only what changed', () => {
  const row = newRow()
  const [a, b, c] = [file('a'), file('b'), file('c')]
  row.sync(mapOf(a, b))
  const first = row.page({})
  expect(first).toMatchObject({ whole: true, upTo: 2, gone: [] })
  expect(first.files.map(({ name }) => name)).toEqual(['a', 'b'])
  row.sync(mapOf(b, c))
  const next = row.page({ epoch: 5, since: first.upTo })
  expect(next).toMatchObject({ whole: false, gone: ['a'] })
  expect(next.files.map(({ name }) => name)).toEqual(['c'])
})

test('who has the same files already is sent none', () => {
  const row = newRow()
  row.sync(mapOf(file('a')))
  expect(row.page({ files: row.head().head.files })).toMatchObject({ whole: false, upTo: 1, files: [], gone: [] })
})

test('an unknown epoch or a version from the future is answered with everything', () => {
  const row = newRow()
  row.sync(mapOf(file('a')))
  expect(row.page({ epoch: 4, since: 1 }).whole).toBe(true)
  expect(row.page({ epoch: 5, since: 99 }).whole).toBe(true)
})

test('a large row comes in pages of at most 1 MiB, and the pages together are the row', () => {
  const row = newRow()
  const many = Array.from({ length: 9_000 }, (_, at) => file(`folder/file number ${at}.bin`))
  row.sync(mapOf(...many))
  const names: string[] = []
  let pages = 0
  for (let query: Parameters<OwnRow['page']>[0] | undefined = {}; query; pages++) {
    const page = row.page(query)
    expect(JSON.stringify(page).length).toBeLessThanOrEqual(1024 * 1024)
    expect(page.whole).toBe(pages === 0)
    names.push(...page.files.map(({ name }) => name))
    query = page.upTo < row.version ? { epoch: 5, since: page.upTo } : undefined
  }
  expect(pages).toBeGreaterThan(1)
  expect(new Set(names).size).toBe(9_000)
  expect(names.length).toBe(9_000)
})

const pagesOf = (row: OwnRow): ReturnType<OwnRow['page']>[] => {
  const pages = [row.page({})]
  for (let upTo = pages[0]?.upTo ?? 0; upTo < row.version; upTo = pages.at(-1)?.upTo ?? row.version)
    pages.push(row.page({ epoch: 5, since: upTo }))
  return pages
}

test('a page is small enough to be handled in one go, and large enough for a row of as many files as there may be', () => {
  const row = newRow()
  row.sync(mapOf(...Array.from({ length: 5_000 }, (_, at) => file(`folder/file number ${at}.bin`))))
  for (const page of pagesOf(row)) expect(JSON.stringify(page).length).toBeLessThan(300 * 1024)
  const long = newRow()
  const names = Array.from({ length: 1_500 }, (_, at) => `${`${'x'.repeat(249)}/`.repeat(3)}${at}${'y'.repeat(240)}`)
  long.sync(mapOf(...names.map((name) => file(name))))
  const pages = pagesOf(long)
  for (const page of pages.slice(0, -1)) {
    expect(JSON.stringify(page).length).toBeLessThanOrEqual(1024 * 1024)
    // A pull brings 200,000 files and names at most, in at most 400 pages.
    expect(page.files.length).toBeGreaterThanOrEqual(200_000 / 400)
  }
  expect(pages.flatMap(({ files }) => files).length).toBe(names.length)
})

test('the row becomes what is published, some changes at a time, and nothing else gets a version', () => {
  const step = fc.record({ name: fc.nat(9), kind: fc.constantFrom('out', 'in', 'again', 'other', 'in place', 'sync') })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 1, max: 4 }), (steps, most) => {
      const row = newRow()
      const published = new Map<string, SharedFile>()
      let different = 0
      const sync = (): void => {
        for (let more = true; more; ) {
          const before = new Map(row.files())
          const change = row.sync(published, most)
          expect(change.removed.every((one) => before.get(one.name) === one)).toBe(true)
          expect(change.added.every((one) => published.get(one.name) === one)).toBe(true)
          expect(new Set([...change.removed, ...change.added].map(({ name }) => name)).size).toBeLessThanOrEqual(most)
          more = change.more
        }
      }
      for (const { name, kind } of [...steps, { name: 0, kind: 'sync' }]) {
        const key = `f${name}`
        const known = published.get(key)
        if (kind !== 'in place' && kind !== 'sync') published.delete(key)
        if (kind === 'again' && known) published.set(key, known)
        if (kind === 'in' || kind === 'other' || kind === 'in place')
          published.set(key, file(key, `${kind} ${different}`))
        if (kind !== 'sync') continue
        different += [...row.files()].filter(([one, now]) => published.get(one) !== now).length
        different += [...published.keys()].filter((one) => !row.files().has(one)).length
        sync()
        expect([...row.files().values()]).toEqual([...published.values()])
        expect(row.version).toBe(different)
      }
    }),
    { numRuns: 300 },
  )
})

test('one publish among ten thousand moves one entry', () => {
  const row = newRow()
  const many = mapOf(...Array.from({ length: 10_000 }, (_, at) => file(`f${at}`)))
  row.sync(many)
  const before = row.version
  many.set('new', file('new'))
  row.sync(many)
  const page = row.page({ epoch: 5, since: before })
  expect(page.files.length).toBe(1)
  expect(JSON.stringify(page).length).toBeLessThan(1_200)
})

test('a thousand changes of the same name do not pile up', () => {
  const row = newRow()
  for (let at = 0; at < 25_000; at++) row.sync(mapOf(file('a', String(at))))
  const page = row.page({ epoch: 5, since: 1 })
  expect(page.files.length).toBe(1)
  expect(page.upTo).toBe(25_000)
})

test('a head is read back as it was written, and nothing else is a head', () => {
  const row = newRow()
  row.sync(mapOf(file('a')))
  expect(headOf(row.page({}))).toEqual(row.head().head)
  expect(headOf({ head: Buffer.from('{"v":"portmesh/2"}').toString('base64url') })).toBeUndefined()
  expect(headOf({ head: '!!' })).toBeUndefined()
})
