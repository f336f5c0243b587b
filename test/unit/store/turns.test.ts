import { expect, test } from 'vitest'
import { Turns } from '../../../src/store/turns.ts'
import { codeOf } from './fixture.ts'

const never = new AbortController().signal

/** Work that the test ends itself. */
const job = (): { work: () => Promise<void>; end: () => void; begun: () => boolean } => {
  const { promise, resolve } = Promise.withResolvers<void>()
  let begun = false
  return {
    work: () => {
      begun = true
      return promise
    },
    end: resolve,
    begun: () => begun,
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))

test('lets so many work and no more, in order', async () => {
  const turns = new Turns(2)
  const jobs = [job(), job(), job(), job()]
  const all = jobs.map(({ work }) => turns.run(work, () => false, never))
  await settled()
  expect(jobs.map(({ begun }) => begun())).toEqual([true, true, false, false])
  jobs[1]?.end()
  await settled()
  expect(jobs.map(({ begun }) => begun())).toEqual([true, true, true, false])
  for (const { end } of jobs) end()
  await Promise.all(all)
})

test('prefers what has become urgent', async () => {
  const turns = new Turns(1)
  const [first, patient, impatient] = [job(), job(), job()]
  let urgent = false
  const all = [
    turns.run(first.work, () => false, never),
    turns.run(patient.work, () => false, never),
    turns.run(impatient.work, () => urgent, never),
  ]
  urgent = true
  first.end()
  await settled()
  expect([patient.begun(), impatient.begun()]).toEqual([false, true])
  impatient.end()
  patient.end()
  await Promise.all(all)
})

test('gives the turn on when the work fails or the one in line has left', async () => {
  const turns = new Turns(1)
  const [leaves, last] = [job(), job()]
  const abort = new AbortController()
  const failing = turns.run(
    () => Promise.reject(new Error('failed')),
    () => false,
    never,
  )
  const leaving = turns.run(leaves.work, () => false, abort.signal)
  const waiting = turns.run(last.work, () => false, never)
  abort.abort(new Error('left'))
  expect(await codeOf(failing)).toBe('Error: failed')
  expect(await codeOf(leaving)).toBe('Error: left')
  await settled()
  expect([leaves.begun(), last.begun()]).toEqual([false, true])
  last.end()
  await waiting
  expect(await codeOf(turns.run(leaves.work, () => false, abort.signal))).toBe('Error: left')
})
