import { expect, test } from 'vitest'
import { Rate } from '../../../src/transfer/rate.ts'

/** A rate, and a clock that stands where it is put. */
const at = (startMs = 0) => {
  let nowMs = startMs
  const rate = new Rate(() => nowMs)
  return {
    rate,
    pass: (ms: number) => {
      nowMs += ms
    },
  }
}

test('nothing is 0, at once and later', () => {
  const { rate, pass } = at(123)
  expect(rate.perSecond).toBe(0)
  pass(60_000)
  expect(rate.perSecond).toBe(0)
})

test.each([0, 250, 123_456.7])('a steady stream is its own rate, from the beginning (at %d ms) on', (startMs) => {
  const { rate, pass } = at(startMs)
  for (let ms = 0; ms < 20_000; ms += 10) {
    rate.add(1_000)
    pass(10)
    if (ms > 1_000) expect(rate.perSecond).toBeGreaterThan(97_000)
    if (ms > 1_000) expect(rate.perSecond).toBeLessThan(103_000)
  }
})

test('what is older than five seconds is forgotten', () => {
  const { rate, pass } = at()
  rate.add(5_000_000)
  pass(1_000)
  expect(rate.perSecond).toBeCloseTo(5_000_000)
  pass(3_900)
  expect(rate.perSecond).toBeGreaterThan(900_000)
  pass(700)
  expect(rate.perSecond).toBe(0)
})

test('a stream that stops counts down to nothing, and one that begins again after long is not measured by the pause', () => {
  const { rate, pass } = at(77)
  for (let ms = 0; ms < 10_000; ms += 10) {
    rate.add(1_000)
    pass(10)
  }
  let before = rate.perSecond
  for (let ms = 0; ms < 6_000; ms += 500) {
    pass(500)
    expect(rate.perSecond).toBeLessThanOrEqual(before)
    before = rate.perSecond
  }
  expect(before).toBe(0)
  pass(3_600_000)
  rate.add(1_000)
  pass(1)
  expect(rate.perSecond).toBeGreaterThan(0)
  expect(rate.perSecond).toBeLessThan(1_000)
})

test('many bytes in the first millisecond are no rate beyond all bounds', () => {
  const { rate } = at(500)
  rate.add(1_000_000)
  expect(rate.perSecond).toBeLessThanOrEqual(1_000_000 * 1_000)
})
