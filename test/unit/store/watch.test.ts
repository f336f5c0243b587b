import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { watchPublished } from '../../../src/store/watch.ts'

test('looks again and again, after a round that failed too, and ends with its signal', async () => {
  const end = new AbortController()
  const troubles: unknown[] = []
  let rounds = 0
  const check = async (): Promise<void> => {
    rounds += 1
    if (rounds === 1) throw new Error('the disk is gone')
    if (rounds === 3) end.abort()
  }
  await watchPublished({ check }, { pauseMs: 10, signal: end.signal, onTrouble: (error) => troubles.push(error) })
  expect(rounds).toBe(3)
  expect(troubles.length).toBe(1)
})

test('a long round is followed by a long rest', async () => {
  const end = new AbortController()
  const began: number[] = []
  const check = async (): Promise<void> => {
    began.push(performance.now())
    if (began.length === 2) end.abort()
    await sleep(150)
  }
  await watchPublished({ check }, { pauseMs: 2_500, signal: end.signal, onTrouble: () => {} })
  expect((began[1] ?? 0) - (began[0] ?? 0)).toBeGreaterThan(2_550)
})
