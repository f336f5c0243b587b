import { describe, expect, test } from 'vitest'
import {
  count,
  countOf,
  either,
  listed,
  nameParts,
  partWords,
  plain,
  pointInTime,
  rateWords,
  shown,
  since,
  sizeWords,
  timeLeft,
} from '../../../../src/routes/user/words.ts'

/** Saturday, 21 November 2026, 10:30 by this computer's clock. */
const NOW = new Date(2026, 10, 21, 10, 30).getTime()
const MINUTE = 60_000
const at = (...when: [number, number, number, number, number]): number => new Date(...when).getTime()

test.each([
  [0, '0 bytes'],
  [1, '1 byte'],
  [999, '999 bytes'],
  [1_000, '1 kB'],
  [48_200, '48 kB'],
  [310_000, '310 kB'],
  [999_499, '999 kB'],
  [999_600, '1 MB'],
  [1_049_000, '1 MB'],
  [6_140_000, '6.1 MB'],
  [9_960_000, '10 MB'],
  [5_444_000_000, '5.4 GB'],
  [2 ** 53, '9 PB'],
])('%d bytes are called %s', (bytes, words) => {
  expect(sizeWords(bytes)).toBe(words)
})

test('numbers have a comma every three figures, and one thing is one thing', () => {
  expect([count(7), count(1284), count(1_000_000)]).toEqual(['7', '1,284', '1,000,000'])
  expect([countOf(1, 'file'), countOf(1284, 'file'), countOf(0, 'file')]).toEqual(['1 file', '1,284 files', '0 files'])
})

describe('when something happened', () => {
  test.each([
    [NOW - 5_000, 'just now'],
    [NOW + 3_600_000, 'just now'],
    [NOW - MINUTE, '1 minute ago'],
    [NOW - 4 * MINUTE, '4 minutes ago'],
    [NOW - 59 * MINUTE, '59 minutes ago'],
    [at(2026, 10, 21, 9, 5), 'at 9:05'],
    [at(2026, 10, 20, 23, 59), 'yesterday'],
    [at(2026, 4, 3, 12, 0), 'on 3 May'],
    [at(2025, 4, 3, 12, 0), 'on 3 May 2025'],
  ])('%d is said as "%s"', (ms, words) => {
    expect(since(ms, NOW)).toBe(words)
  })

  test.each([
    [at(2026, 10, 21, 10, 12), '10:12'],
    [at(2026, 10, 20, 10, 12), 'yesterday'],
    [at(2026, 4, 3, 12, 0), '3 May'],
    [at(2024, 4, 3, 12, 0), '3 May 2024'],
  ])('away since %d is said as "%s"', (ms, words) => {
    expect(pointInTime(ms, NOW)).toBe(words)
  })

  test('the day after the last of a month has a yesterday', () => {
    expect(since(at(2026, 9, 31, 12, 0), at(2026, 10, 1, 10, 0))).toBe('yesterday')
  })
})

test.each([
  [0, '1 second left'],
  [400, '1 second left'],
  [8_000, '8 seconds left'],
  [56_000, '1 minute left'],
  [130_000, '2 minutes left'],
  [3_500_000, '1 hour left'],
  [9_000_000, '3 hours left'],
])('%d ms are "%s"', (ms, words) => {
  expect(timeLeft(ms)).toBe(words)
})

test('names are listed as one says them', () => {
  expect(listed([])).toBe('')
  expect(listed(['Ana'])).toBe('Ana')
  expect(listed(['Ana', 'Ben'])).toBe('Ana and Ben')
  expect(listed(['Ana', 'Ben', 'Chloé'])).toBe('Ana, Ben and Chloé')
  expect(listed(['Ana', 'Ben', 'Chloé', 'Dmitri', 'Emeka'])).toBe('Ana, Ben, Chloé and 2 more')
})

test('one of several is named as one says it, each name by itself', () => {
  expect(either([])).toEqual([])
  expect(either(['Ana'])).toEqual([{ name: 'Ana' }])
  expect(either(['Ana', 'Ben'])).toEqual([{ name: 'Ana' }, ' or ', { name: 'Ben' }])
  expect(plain(either(['Ana', 'Ben', 'Chloé']))).toBe('Ana, Ben or Chloé')
  expect(plain(['Waiting for ', ...either(['Ana', 'Ben', 'Chloé', 'Dmitri', 'Emeka'])])).toBe(
    'Waiting for Ana, Ben or 3 more',
  )
})

test.each([
  [2_300_000_000, 5_400_000_000, '2.3 of 5.4 GB'],
  [340_000_000, 1_300_000_000, '340 MB of 1.3 GB'],
  [0, 1_000, '0 bytes of 1 kB'],
  [1, 5, '1 byte of 5 bytes'],
  [3, 5, '3 of 5 bytes'],
])('%d of %d bytes are "%s"', (part, size, words) => {
  expect(partWords(part, size)).toBe(words)
})

test('a rate is a size a second', () => {
  expect([rateWords(0.4), rateWords(61_700_000)]).toEqual(['0 bytes/s', '62 MB/s'])
})

describe('foreign names', () => {
  test.each([
    ['report.PDF', 'report', '.PDF'],
    ['album/01.flac', 'album/01', '.flac'],
    ['.gitignore', '.gitignore', ''],
    ['noextension', 'noextension', ''],
    ['a.tar.gz', 'a.tar', '.gz'],
    ['جدول الأسبوع.pdf', 'جدول الأسبوع', '.pdf'],
    ['v1.2 of it', 'v1.2 of it', ''],
    ['', '', ''],
  ])('%j is cut before its extension', (name, stem, extension) => {
    expect(nameParts(name)).toEqual({ stem, extension })
  })

  test('nothing in a name can break its line or turn the text around it', () => {
    expect(shown('in\u202evoice\u2066\r\n\u0000gpj.exe')).toBe('in\ufffdvoice\ufffd\ufffd\ufffd\ufffdgpj.exe')
    expect(shown('lone \ud800 half')).toBe('lone \ufffd half')
    expect(shown('family 👨‍👩‍👧')).toBe('family 👨‍👩‍👧')
  })
})
