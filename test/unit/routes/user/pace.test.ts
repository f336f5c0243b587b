import { expect, test } from 'vitest'
import { Pace, SECONDS } from '../../../../src/routes/user/pace.ts'

test('before anything came the last minute is nothing', () => {
  expect(new Pace().lastMinute(5_000_000)).toEqual(Array(SECONDS).fill(0))
})

test('each second has what was noted in it, once, and the oldest comes first', () => {
  const pace = new Pace()
  expect(pace.wants(100_000)).toBe(true)
  pace.note(7, 100_000)
  expect([pace.wants(100_999), pace.wants(101_000)]).toEqual([false, true])
  pace.note(8, 101_000)
  expect(pace.lastMinute(101_500).slice(-3)).toEqual([0, 7, 8])
})

test('seconds in which nothing was noted had nothing, and a minute later all is forgotten', () => {
  const pace = new Pace()
  pace.note(7, 100_000)
  pace.note(8, 103_000)
  expect(pace.lastMinute(105_000).slice(-6)).toEqual([7, 0, 0, 8, 0, 0])
  expect(pace.lastMinute(159_000)[0]).toBe(7)
  expect(pace.lastMinute(400_000)).toEqual(Array(SECONDS).fill(0))
  pace.note(9, 4_000_000)
  expect(pace.lastMinute(4_000_000)).toEqual([...Array(SECONDS - 1).fill(0), 9])
})
