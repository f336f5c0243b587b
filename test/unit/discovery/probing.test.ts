import { expect, test } from 'vitest'
import { Probing } from '../../../src/discovery/probing.ts'
import { PeerUnreachable } from '../../../src/errors.ts'
import type { Alive } from '../../../src/peer/client.ts'
import { failureOf } from '../../helpers/stranger.ts'

const nodeOf = (id: string): Alive => ({
  portmesh: true,
  freshness: { id, epoch: 1, version: 0, headDigest: '' },
})

const probing = (alive: (address: string) => Alive) => {
  const clock = { now: 0 }
  const asked: string[] = []
  const client = {
    alive: async (address: string) => {
      asked.push(address)
      return alive(address)
    },
  }
  return { clock, asked, probing: new Probing(client, () => clock.now) }
}

test('only the asker itself counts, at the address it asks from', async () => {
  const answers: Record<string, Alive> = {
    '10.0.0.1:5000': nodeOf('aa'),
    '[fd00::1]:5000': nodeOf('aa'),
    '10.0.0.1:5001': nodeOf('bb'),
    '10.0.0.1:5002': { portmesh: true },
    '10.0.0.1:5003': { portmesh: false },
  }
  const {
    probing: one,
    clock,
    asked,
  } = probing((address) => {
    const answer = answers[address]
    if (!answer) throw new PeerUnreachable(address)
    return answer
  })
  const reached: boolean[] = []
  for (const [host, port] of [
    ['10.0.0.1', 5000],
    ['fd00::1', 5000],
    ['10.0.0.1', 5001],
    ['10.0.0.1', 5002],
    ['10.0.0.1', 5003],
    ['10.0.0.1', 5004],
  ] as const) {
    reached.push(await one.reaches('aa', host, port))
    clock.now += 2_000
  }
  expect(reached).toEqual([true, true, false, false, false, false])
  expect(asked).toEqual([...Object.keys(answers), '10.0.0.1:5004'])
})

test('a peer is looked at once in two seconds, and a refusal does not prolong that', async () => {
  const { probing: one, clock, asked } = probing(() => nodeOf('aa'))
  expect(await one.reaches('aa', '10.0.0.1', 5000)).toBe(true)
  for (clock.now = 100; clock.now < 2_000; clock.now += 100)
    expect(await failureOf(one.reaches('aa', '10.0.0.1', 5000 + clock.now))).toBe('PM_BUSY')
  expect(await one.reaches('bb', '10.0.0.1', 5000)).toBe(false)
  clock.now = 2_000
  expect(await one.reaches('aa', '10.0.0.1', 5000)).toBe(true)
  expect(asked).toHaveLength(3)
})

test('questions at the same time are one', async () => {
  const { probing: one, asked } = probing(() => nodeOf('aa'))
  const all = await Promise.all(Array.from({ length: 20 }, () => failureOf(one.reaches('aa', '10.0.0.1', 5000))))
  expect(all.filter((code) => code === 'PM_BUSY')).toHaveLength(19)
  expect(asked).toHaveLength(1)
})
