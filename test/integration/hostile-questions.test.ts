import { expect, test } from 'vitest'
import { LIMITS, Questions } from '../../src/routes/peer/limits.ts'
import { startRoom } from '../helpers/room.ts'
import { halfHandshake, openSession, plain } from '../helpers/stranger.ts'

test('a peer that asks and asks is told to wait, in its session, and another one is not', async () => {
  const refused: string[] = []
  const limits = { ...LIMITS, asking: { burst: 5, perS: 0 } }
  const room = await startRoom({ peer: { limits, refused: (code) => refused.push(code) } })
  const [greedy, other] = [await openSession(room.url), await openSession(room.url)]
  for (let i = 0; i < 5; i++) expect((await greedy.ask('GET', '/table')).status).toBe(200)
  const answer = await greedy.ask('GET', '/table')
  expect([answer.status, JSON.parse(await answer.text()).error.code]).toEqual([429, 'PM_BUSY'])
  // What is counted while it runs is not counted here.
  expect((await greedy.ask('GET', '/myfiles/nothing')).status).toBe(404)
  expect((await other.ask('GET', '/table')).status).toBe(200)
  expect(refused).toEqual(['PM_BUSY', 'PM_NOT_PUBLISHED'])
})

test('questions come back with the time, and one in vain costs nothing', () => {
  let now = 0
  const questions = new Questions({ burst: 2, perS: 4 }, () => now)
  questions.count('a')
  questions.count('a')
  for (let i = 0; i < 100; i++) expect(() => questions.count('a')).toThrow(expect.objectContaining({ code: 'PM_BUSY' }))
  now = 250
  questions.count('a')
  expect(() => questions.count('a')).toThrow()
  questions.count('b')
})

test('strangers together have a limit of handshakes, and this computer gets in all the same', async () => {
  let own = false
  const room = await startRoom({ clock: () => 0, peer: { isOwnAddress: () => own } })
  // The source has 64 at once; others come from elsewhere.
  const { begin } = await halfHandshake(room.url)
  const outcomes = new Map<string, number>()
  for (let i = 0; i < 140; i++) {
    const outcome = await room.responder.begin(begin.message, `source ${i % 4}`, false).then(
      () => 'begun',
      (error) => String(error.code),
    )
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
  }
  // One of the 128 was used by the first.
  expect(Object.fromEntries(outcomes)).toEqual({ begun: 127, PM_BUSY: 13 })
  const post = async (): Promise<number> => {
    const headers = { 'content-type': 'application/json' }
    return (await plain(room.url, '/session', { method: 'POST', headers, body: JSON.stringify(begin.message) })).status
  }
  expect(await post()).toBe(429)
  own = true
  expect(await post()).toBe(200)
})
