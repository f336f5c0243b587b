import { getEventListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { inTime } from '../../../src/peer/patience.ts'

const FOREVER_MS = 2 ** 31 - 1
const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length

/** Waits for its signal, and says why it was aborted. */
const untilAborted = (signal: AbortSignal): Promise<unknown> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason), { once: true }))

test('what is done in time leaves no timer and no listener behind', async () => {
  const other = new AbortController()
  const before = timers()
  expect(await inTime(FOREVER_MS, other.signal, async () => 'done')).toBe('done')
  await expect(inTime(FOREVER_MS, other.signal, async () => await Promise.reject(new Error('no')))).rejects.toThrow(
    'no',
  )
  expect(timers()).toBe(before)
  expect(getEventListeners(other.signal, 'abort')).toEqual([])
})

test('what is not done in time is called off', async () => {
  const reason = await inTime(10, undefined, untilAborted)
  expect(reason).toEqual(new Error('too late'))
})

test('what is not needed any more is called off for the reason that was given, also when that was said before it began', async () => {
  const other = new AbortController()
  const work = inTime(FOREVER_MS, other.signal, untilAborted)
  await sleep(1)
  other.abort('enough')
  expect(await work).toBe('enough')
  expect(await inTime(FOREVER_MS, other.signal, async ({ aborted, reason }) => [aborted, reason])).toEqual([
    true,
    'enough',
  ])
})
