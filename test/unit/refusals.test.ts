import { expect, test } from 'vitest'
import { Metrics } from '../../src/metrics.ts'
import { Refusals } from '../../src/refusals.ts'

test('refusals are counted by code, and the log hears of each once a minute, with what came meanwhile', () => {
  let now = 0
  const lines: object[] = []
  const metrics = new Metrics()
  metrics.add('handshakes_in')
  const refusals = new Refusals({ metrics, log: { info: (fields) => lines.push(fields) }, clock: () => now })
  for (let i = 0; i < 5; i++) refusals.count('PM_BUSY')
  refusals.count('hint')
  now = 59_999
  refusals.count('PM_BUSY')
  expect(lines).toEqual([
    { code: 'PM_BUSY', times: 1, total: 1 },
    { code: 'hint', times: 1, total: 1 },
  ])
  now = 60_000
  refusals.count('PM_BUSY')
  expect(lines.at(-1)).toEqual({ code: 'PM_BUSY', times: 6, total: 7 })
  expect(refusals.all()).toEqual({ PM_BUSY: 7, hint: 1 })
})
