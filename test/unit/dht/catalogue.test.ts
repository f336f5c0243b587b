import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Catalogue, SORTS } from '../../../src/dht/catalogue.ts'
import type { SharedFile } from '../../../src/dht/digest.ts'
import { extensionOf, kindOf } from '../../../src/dht/kinds.ts'

const hex = (text: string): string => createHash('sha256').update(text).digest('hex')
const file = (name: string, content: string, publishedMs = 1): SharedFile => ({
  name,
  size: content.length,
  hash: hex(content),
  root: hex(content),
  publishedMs,
})

const filled = (): Catalogue => {
  const catalogue = new Catalogue()
  catalogue.change({ id: 'ana', removed: [], added: [file('Trip plan.pdf', 'plan', 5), file('song.mp3', 'la', 9)] })
  catalogue.change({ id: 'ben', removed: [], added: [file('copy of plan.pdf', 'plan', 7)] })
  return catalogue
}

test('the same content under two names is one entry with two holders', () => {
  const [entry] = filled().find(hex('plan'))
  expect(entry?.holders.map(({ id }) => id)).toEqual(['ana', 'ben'])
  expect([...(entry?.names ?? [])].sort()).toEqual(['Trip plan.pdf', 'copy of plan.pdf'])
  expect(filled().count).toBe(2)
})

test('an entry goes when its last holder takes it out', () => {
  const catalogue = filled()
  catalogue.change({ id: 'ana', removed: [file('Trip plan.pdf', 'plan')], added: [] })
  expect(catalogue.find(hex('plan'))[0]?.names).toEqual(['copy of plan.pdf'])
  catalogue.change({ id: 'ben', removed: [file('copy of plan.pdf', 'plan')], added: [] })
  expect(catalogue.find(hex('plan'))).toEqual([])
  expect(catalogue.count).toBe(1)
})

test('a peer that lies about the root of a hash stands alone, and both are found under the hash', () => {
  const catalogue = filled()
  catalogue.change({ id: 'eve', removed: [], added: [{ ...file('plan.pdf', 'plan'), root: hex('a lie') }] })
  const found = catalogue.find(hex('plan'))
  expect(found.map(({ root }) => root).sort()).toEqual([hex('plan'), hex('a lie')].sort())
  expect(catalogue.find(hex('a lie')).length).toBe(1)
})

test('searches all words in any order, whatever their case and accents are made of', () => {
  const catalogue = filled()
  expect(catalogue.search({ q: 'PLAN trip' }).entries.map(({ names }) => names[0])).toEqual(['Trip plan.pdf'])
  expect(catalogue.search({ q: 'nothing' }).total).toBe(0)
  catalogue.change({ id: 'ben', removed: [], added: [file('Caf\u00e9.txt', 'x')] })
  expect(catalogue.search({ q: 'cafe\u0301' }).total).toBe(1)
})

test('sorts by time, name and size, filters by kind, and turns pages', () => {
  const catalogue = filled()
  const first = (query: Parameters<Catalogue['search']>[0]) => catalogue.search(query).entries[0]?.names[0]
  expect(first({ sort: 'new' })).toBe('song.mp3')
  expect(first({ sort: 'name' })).toBe('song.mp3')
  expect(first({ sort: 'size' })).toBe('Trip plan.pdf')
  expect(first({ sort: 'holders' })).toBe('Trip plan.pdf')
  expect(catalogue.search({ kind: 'music' }).total).toBe(1)
  expect(catalogue.search({ page: 2, pageSize: 1 }).entries.length).toBe(1)
  expect(catalogue.search({ page: 9, pageSize: 1 }).entries.length).toBe(0)
})

test('kinds come from the last extension', () => {
  expect(kindOf('a.tar.JPG')).toBe('picture')
  expect(kindOf('noextension')).toBe('other')
  expect(extensionOf('.bashrc')).toBe('')
  expect(extensionOf('folder.d/file')).toBe('')
})

test('whatever comes and goes, each order is the one that sorting everything gives', () => {
  const change = fc.record({
    id: fc.constantFrom('ana', 'ben', 'chloe'),
    at: fc.nat(12),
    name: fc.nat(6),
    publishedMs: fc.nat(3),
    out: fc.boolean(),
    look: fc.constantFrom(undefined, ...SORTS),
  })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
      const catalogue = new Catalogue()
      const rows = new Map<string, Map<string, SharedFile>>()
      for (const { id, at, name, publishedMs, out, look } of changes) {
        const row = rows.get(id) ?? new Map<string, SharedFile>()
        rows.set(id, row)
        const next = file(`${name}.txt`, 'x'.repeat(at), publishedMs)
        const before = row.get(next.name)
        catalogue.change({ id, removed: before ? [before] : [], added: out ? [] : [next] })
        if (out) row.delete(next.name)
        else row.set(next.name, next)
        if (look) catalogue.search({ sort: look })
      }
      const anew = new Catalogue()
      for (const [id, row] of rows) anew.change({ id, removed: [], added: [...row.values()] })
      for (const sort of SORTS) {
        const rootsOf = (one: Catalogue) => one.search({ sort, pageSize: 100 }).entries.map(({ root }) => root)
        expect(rootsOf(catalogue)).toEqual(rootsOf(anew))
      }
    }),
    { numRuns: 300 },
  )
})

test('one publish among a hundred thousand costs a small part of what putting all in order costs', () => {
  const catalogue = new Catalogue()
  const many = Array.from({ length: 100_000 }, (_, at) => ({
    ...file('', ''),
    // In no order, as rows come: what is nearly sorted is quickly sorted.
    name: `report number ${(at * 7_919) % 100_000}.pdf`,
    size: (at * 104_729) % 100_000,
    root: at.toString(16).padStart(64, '0'),
    publishedMs: (at * 15_485_863) % 100_000,
  }))
  catalogue.change({ id: 'ana', removed: [], added: many })
  for (const sort of SORTS) catalogue.search({ sort })
  const another = new Catalogue()
  another.change({ id: 'ana', removed: [], added: many })
  const beginAll = performance.now()
  another.search({ sort: 'name' })
  const allMs = performance.now() - beginAll
  const timesMs: number[] = []
  for (let at = 0; at < 15; at += 1) {
    const begin = performance.now()
    catalogue.change({ id: 'ben', removed: [], added: [file(`new ${at}.pdf`, `new ${at}`, 200_000 + at)] })
    const [first] = catalogue.search({ sort: 'new' }).entries
    timesMs.push(performance.now() - begin)
    expect(first?.names).toEqual([`new ${at}.pdf`])
  }
  timesMs.sort((a, b) => a - b)
  // The middle one: a busy machine holds up some of them.
  expect(timesMs[7]).toBeLessThan(allMs / 4)
})
