import { expect, test } from 'vitest'
import { HolderRate } from '../../../src/transfer/holder-rate.ts'

/** It gives so much in each of these 10 ms. */
const give = (rate: HolderRate, bytes: number, fromMs: number, toMs: number): void => {
  for (let ms = fromMs + 10; ms <= toMs; ms += 10) rate.received(bytes, ms)
}

test('nothing is known before the first 20 ms in which something came', () => {
  const rate = new HolderRate()
  rate.asked(0)
  rate.passed(90)
  expect(rate.known).toBe(false)
  rate.received(1_000, 95)
  expect(rate.value).toBeCloseTo(1_000_000 / 95)
  const mute = new HolderRate()
  mute.asked(0)
  mute.passed(100)
  expect(mute.known).toBe(true)
  expect(mute.value).toBe(0)
})

test('a new sample of 100 ms counts 0.3, a longer one as much as several', () => {
  const rate = new HolderRate()
  rate.asked(0)
  give(rate, 10_000, 0, 20)
  expect(rate.value).toBeCloseTo(1_000_000)
  rate.passed(110)
  expect(rate.value).toBeCloseTo(1_000_000)
  rate.passed(120)
  expect(rate.value).toBeCloseTo(700_000)
  rate.passed(320)
  expect(rate.value).toBeCloseTo(343_000)
})

test('idle time is left out', () => {
  const rate = new HolderRate()
  rate.asked(0)
  give(rate, 10_000, 0, 70)
  rate.idle(70)
  rate.passed(5_000)
  rate.asked(10_000)
  rate.asked(10_010)
  give(rate, 10_000, 10_000, 10_050)
  expect(rate.value).toBeCloseTo(1_000_000)
  expect(rate.silent).toBe(false)
})

test('it is silent from 700 ms without a byte until the next one, also while it is asked anew', () => {
  const rate = new HolderRate()
  expect(rate.passed(9_999)).toBe(false)
  rate.asked(10_000)
  rate.received(1, 10_300)
  expect(rate.passed(10_999)).toBe(false)
  expect(rate.silent).toBe(false)
  expect(rate.passed(11_000)).toBe(true)
  expect(rate.silent).toBe(true)
  rate.idle(11_100)
  expect(rate.passed(20_000)).toBe(false)
  rate.asked(20_000)
  expect(rate.silent).toBe(true)
  expect(rate.passed(20_699)).toBe(false)
  expect(rate.passed(20_700)).toBe(true)
  rate.received(1, 20_800)
  expect(rate.silent).toBe(false)
  expect(rate.passed(20_900)).toBe(false)
})
