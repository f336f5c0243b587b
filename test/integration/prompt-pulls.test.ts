/** Nobody waits behind what is less urgent: handshakes with one address, and pulls from it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { until } from '../helpers/api.ts'
import { freePorts } from '../helpers/process.ts'
import { startRoom } from '../helpers/room.ts'
import { startStranger } from '../helpers/stranger-server.ts'
import { acquainted, QUICK } from './hostile-acquainted.ts'

/** The turns of handshakes do not come back while it stands still: who has to wait for one waits for seconds, and each time for longer. */
const STOPPED_CLOCK = () => 0
const FAR_TOO_LONG_MS = 10_000

test('a node that is started again and again at one address is met at once each time', async () => {
  const [port = 0] = await freePorts(1)
  const room = await startRoom({ clock: STOPPED_CLOCK })
  const began = performance.now()
  for (let round = 0; round < 10; round++) {
    const stranger = await startStranger({ port })
    // A connection to the one before may still be found broken.
    await until(
      async () => await room.client.table(stranger.address, {}).catch(() => undefined),
      (answer) => answer?.id === stranger.id,
    )
    await stranger.stop()
  }
  expect(room.metrics.get('handshakes_out')).toBe(10)
  expect(performance.now() - began).toBeLessThan(FAR_TOO_LONG_MS)
})

test('an address where nobody listens costs no turn', async () => {
  const [port = 0] = await freePorts(1)
  const room = await startRoom({ clock: STOPPED_CLOCK })
  const began = performance.now()
  for (let round = 0; round < 10; round++) {
    await expect(room.client.table(`127.0.0.1:${port}`, {})).rejects.toMatchObject({ code: 'PM_PEER_UNREACHABLE' })
  }
  const stranger = await startStranger({ port })
  expect((await room.client.table(stranger.address, {})).id).toBe(stranger.id)
  expect(performance.now() - began).toBeLessThan(FAR_TOO_LONG_MS)
})

test("a peer's own word is followed at once, though a pull that /alive hinted at is still waiting", async () => {
  const { stranger, room, news, names } = await acquainted({ keepAlive: { pace: { ...QUICK, pauseMs: 60_000 } } })
  await room.keepAlive.probe(stranger.address)
  await sleep(50)
  expect(stranger.count('table')).toBe(0)
  stranger.publish('more.txt', 'more')
  await news()
  expect(names().sort()).toEqual(['more.txt', 'true.txt'])
})

test('a peer that was waited for is not rested from: only what was work counts', async () => {
  const { stranger, news } = await acquainted()
  const slowMs = 2_000
  stranger.does.set('table', ({ send, honest }) => void setTimeout(() => send(honest()), slowMs))
  await news()
  stranger.does.delete('table')
  const began = performance.now()
  await news()
  // Twice the time of the pull would be 4 s.
  expect(performance.now() - began).toBeLessThan(1.5 * slowMs)
})
