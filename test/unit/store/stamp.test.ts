import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fitsStamp, formatStamp, parseStamp, type Stamp, sameStamp } from '../../../src/store/stamp.ts'

const stamp: Stamp = {
  dev: '2049',
  ino: '18446744073709551615',
  size: 7,
  mtimeNs: '-5',
  ctimeNs: '1799999999999999999',
}

test.each<[string, Partial<Stamp>]>([
  ['file', { ino: '1' }],
  ['size', { size: 8 }],
  ['modification time', { mtimeNs: '-4' }],
  ['change time, by one nanosecond', { ctimeNs: '1799999999999999998' }],
])('shows another %s', (_what, other) => {
  expect(sameStamp(stamp, { ...stamp })).toBe(true)
  expect(sameStamp(stamp, { ...stamp, ...other })).toBe(false)
  expect(fitsStamp(stamp, { ...stamp, ...other })).toBe(false)
})

test('tells another device apart within a run, and not across restarts', () => {
  expect(sameStamp(stamp, { ...stamp, dev: '2050' })).toBe(false)
  expect(fitsStamp(stamp, { ...stamp, dev: '2050' })).toBe(true)
})

test('survives the store, and nothing else is taken for one', () => {
  const whole = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String)
  const time = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String)
  const any = fc.record({ dev: whole, ino: whole, size: fc.maxSafeNat(), mtimeNs: time, ctimeNs: time })
  fc.assert(
    fc.property(any, (one) => {
      expect(parseStamp(formatStamp(one))).toEqual(one)
    }),
  )
  for (const text of ['', '1 2 3 4', '1 2 3 4 5 6', '1 2 -3 4 5', 'a b c d e', '1 2 3 4 5\n']) {
    expect(parseStamp(text), text).toBeUndefined()
  }
})
