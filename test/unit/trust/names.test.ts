import fc from 'fast-check'
import { expect, test } from 'vitest'
import { looksLike, petnameOf, skeletonOf } from '../../../src/trust/names.ts'

test.each<readonly string[]>([
  ['Library PC', 'library  pc'],
  ['Library PC', ' LIBRARY-PC '],
  ['Library PC', 'Librаry РС', 'three letters of the Cyrillic alphabet'],
  ['Library PC', 'Library\u200b PC', 'something nobody sees in it'],
  ['Library PC', 'Libr\u0101ry PC', 'a bar above the a'],
  ['Library PC', 'Ｌｉｂｒａｒｙ ＰＣ', 'wide letters'],
  ['Library PC', 'L1brary PC', 'a one for an i'],
  ['Library PC', 'Iibrary PC', 'an I for an L'],
  ['modem', 'modern', 'two letters that look like one'],
  ['Chloé', 'Chloe\u0301', 'an accent of its own'],
  ['Straße', 'STRASSE'],
  ['node 0', 'node O'],
  ['📚', ' 📚 '],
])('%j and %j look the same', (a = '', b = '') => {
  expect(looksLike(a, b)).toBe(true)
})

test.each([
  ['Library PC', 'Library PC 2'],
  ['Ana', 'Ben'],
  ['mesh-1', 'mesh-2'],
  ['📚', '📕'],
  ['Library PC', ''],
  ['…', '—'],
])('%j and %j do not', (a, b) => {
  expect(looksLike(a, b)).toBe(false)
})

/** Names as people and their enemies write them. */
const names = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: fc.constantFrom(...'aаАrnvv1lI0оO -_\u0301\u200bßſİKÅﬁ') }),
)

test('comparing is like being the same: everybody looks like himself, and what is left of a name looks like it', () => {
  fc.assert(
    fc.property(names, (name) => {
      expect(looksLike(name, name)).toBe(true)
      expect(skeletonOf(skeletonOf(name))).toBe(skeletonOf(name))
    }),
    { numRuns: 2_000 },
  )
})

test('case, width, spaces at the ends and what nobody sees make no difference', () => {
  fc.assert(
    fc.property(names, fc.constantFrom('', ' ', '\t', '\u00a0', '\u200b', '\u202e', '\ufeff'), (name, hidden) => {
      // A name of nothing but signs is compared as it is.
      fc.pre(/[a-z]/.test(skeletonOf(name)))
      expect(looksLike(`${hidden}${name}${hidden}`, name)).toBe(true)
      expect(looksLike(name.toWellFormed().normalize('NFD'), name)).toBe(true)
      expect(looksLike(name.toUpperCase(), name)).toBe(true)
    }),
    { numRuns: 2_000 },
  )
})

test('a name of the person is kept as it was typed, without what cannot be seen', () => {
  expect(petnameOf('  Ben’s \u202e desktop\n')).toBe('Ben’s desktop')
  expect(petnameOf(' \u200b ')).toBe('')
  expect(petnameOf('é'.repeat(32))).toBe('é'.repeat(32))
  expect(petnameOf('é'.repeat(33))).toBeUndefined()
})
