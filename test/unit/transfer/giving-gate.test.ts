import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Gate } from '../../../src/transfer/giving-gate.ts'
import { codeOf } from '../store/fixture.ts'

const never = new AbortController().signal

/** Notes who got in, in order. */
const visits = (gate: Gate) => {
  const inside: string[] = []
  const leaves = new Map<string, () => void>()
  const visit = (asker: string, signal = never): Promise<void> =>
    gate.enter(asker, signal).then((leave) => {
      inside.push(asker)
      leaves.set(asker, leave)
    })
  return { inside, visit, leave: (asker: string) => leaves.get(asker)?.() }
}

test('lets so many askers in, each with any number of answers, and the others as they leave', async () => {
  const gate = new Gate({ askers: 2, waitMs: 5_000 })
  const { inside, visit, leave } = visits(gate)
  await Promise.all([visit('a'), visit('a'), visit('b'), visit('a')])
  const third = visit('c')
  await sleep(20)
  expect(inside).toEqual(['a', 'a', 'b', 'a'])
  leave('a')
  await sleep(20)
  expect(inside).not.toContain('c')
  leave('b')
  await third
  expect(inside).toContain('c')
})

test('lets in first who got the fewest bytes, and of several who came first', async () => {
  const gate = new Gate({ askers: 1, waitMs: 5_000 })
  const { inside, visit, leave } = visits(gate)
  gate.gave('b', 3_000)
  gate.gave('c', 2_000)
  gate.gave('c', 500)
  await visit('a')
  const waiting = [visit('b'), visit('c'), visit('d'), visit('e')]
  for (const asker of ['a', 'd', 'e', 'c']) {
    leave(asker)
    await sleep(10)
  }
  await Promise.all(waiting)
  expect(inside).toEqual(['a', 'd', 'e', 'c', 'b'])
})

test('takes along all that waits for one who comes in', async () => {
  const gate = new Gate({ askers: 1, waitMs: 5_000 })
  const { inside, visit, leave } = visits(gate)
  await visit('a')
  const waiting = [visit('b'), visit('c'), visit('b')]
  leave('a')
  await Promise.all([waiting[0], waiting[2]])
  expect(inside).toEqual(['a', 'b', 'b'])
  leave('b')
  leave('b')
  await waiting[1]
})

test('sends those away who waited too long, and nothing of them stays', async () => {
  const gate = new Gate({ askers: 1, waitMs: 50 })
  const { visit, leave, inside } = visits(gate)
  await visit('a')
  const began = performance.now()
  expect(await codeOf(visit('b'))).toBe('PM_BUSY')
  expect(performance.now() - began).toBeGreaterThanOrEqual(45)
  leave('a')
  expect(gate.idle).toBe(true)
  await visit('c')
  expect(inside).toEqual(['a', 'c'])
})

test('forgets one that has gone while it waited, also at the very moment of its turn', async () => {
  const gate = new Gate({ askers: 1, waitMs: 5_000 })
  const { visit, leave, inside } = visits(gate)
  await visit('a')
  const gone = new AbortController()
  const waiting = codeOf(visit('b', gone.signal))
  gone.abort(Object.assign(new Error('gone'), { code: 'GONE' }))
  leave('a')
  expect(await waiting).toBe('GONE')
  expect([gate.idle, inside]).toEqual([true, ['a']])
  expect(await codeOf(visit('c', gone.signal))).toBe('GONE')
})

test('sends everybody away when it stops', async () => {
  const gate = new Gate({ askers: 1, waitMs: 5_000 })
  const { visit } = visits(gate)
  await visit('a')
  const waiting = [codeOf(visit('b')), codeOf(visit('c'))]
  gate.stop()
  expect(await Promise.all(waiting)).toEqual(['PM_STOPPING', 'PM_STOPPING'])
})

test('remembers the bytes of a thousand askers at most', async () => {
  const gate = new Gate({ askers: 1, waitMs: 5_000 })
  for (let asker = 0; asker < 5_000; asker++) gate.gave(`${asker}`, 1)
  const { visit, leave, inside } = visits(gate)
  await visit('x')
  const waiting = [visit('4999'), visit('0')]
  leave('x')
  await waiting[1]
  expect(inside).toEqual(['x', '0'])
})
