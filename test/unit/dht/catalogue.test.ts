import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { Catalogue } from '../../../src/dht/catalogue.ts'
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
