/** What a person says at any moment of a fetch: the last word counts, and nothing goes on behind it. */
import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { until } from '../helpers/api.ts'
import { LONG, partials, printedSeed, seeded } from '../helpers/faults.ts'
import { type HolderServer, shared, startHolder } from '../helpers/holder-server.ts'
import { failureOf } from '../helpers/stranger.ts'
import { reached, startTaking, type Taking } from '../helpers/taking.ts'

const PIECE = 128 * 1024
const content = shared(randomBytes(24 * PIECE + 1_000))

/** A fetch that waits in the middle of its run: somebody is there, and gives nothing. */
const waiting = async () => {
  const holder = await startHolder(content)
  holder.does.set('pieces', ({ plain }) => plain(503))
  const taking = await startTaking([holder])
  const transfer = await taking.begin(content)
  await reached(transfer, 'waiting')
  return { holder, taking, transfer }
}

const isQuiet = async (holder: HolderServer): Promise<void> => {
  await until(
    async () => holder.following(),
    (following) => following === 0,
  )
  const asked = holder.stranger.asked.length
  await sleep(1_500)
  expect(holder.stranger.asked.length).toBe(asked)
}

test('a fetch that waits while it runs is paused by the word, and stays so', async () => {
  const { holder, taking, transfer } = await waiting()
  await taking.transfers.pause(transfer.record.id)
  expect(transfer.state).toBe('paused')
  holder.does.clear()
  await isQuiet(holder)
  expect([transfer.state, transfer.done]).toEqual(['paused', 0])
  await taking.transfers.resume(transfer.record.id)
  await reached(transfer, 'done')
})

test('a fetch that waits while it runs is cancelled by the word, and leaves nothing', async () => {
  const { holder, taking, transfer } = await waiting()
  await taking.transfers.cancel(transfer.record.id)
  holder.does.clear()
  await isQuiet(holder)
  expect([transfer.state, await partials(taking.home)]).toEqual(['cancelled', []])
})

test('when the node stops, what waits is gone on with by the next one, and what was paused is not', async () => {
  const { holder, taking, transfer } = await waiting()
  const other = shared(randomBytes(3 * PIECE))
  const second = await taking.begin(other, 'other.bin')
  await Promise.all([taking.transfers.pause(second.record.id), taking.stop()])
  holder.does.clear()
  const next = await startTaking([holder], { home: taking.home })
  const again = next.transfers.get(transfer.record.id)
  await reached(again, 'done')
  expect((await next.fileOf(again)).equals(content.bytes)).toBe(true)
  expect(next.transfers.get(second.record.id).state).toBe('paused')
})

test('resume makes one that waits for its next attempt try at once', async () => {
  const { holder, taking, transfer } = await waiting()
  holder.does.clear()
  const began = performance.now()
  await taking.transfers.pause(transfer.record.id)
  await taking.transfers.resume(transfer.record.id)
  await reached(transfer, 'done')
  expect(performance.now() - began).toBeLessThan(3_000)
})

test('only one of two orders of the same content is under way', async () => {
  const { taking, transfer } = await waiting()
  const { root, hash, size } = content
  expect((await taking.transfers.add({ root, hash, size }, 'x')).transfer).toBe(transfer)
  await taking.transfers.cancel(transfer.record.id)
  const both = await Promise.all([1, 2, 3].map(() => taking.transfers.add({ root, hash, size }, 'x')))
  expect(both.map(({ isNew }) => isNew)).toEqual([true, false, false])
  expect(await failureOf(taking.transfers.retry(transfer.record.id))).toBe('PM_NOT_NOW')
  expect(await failureOf(taking.transfers.pause(transfer.record.id))).toBe('PM_NOT_NOW')
})

/** Words at random moments; whatever was said, what is here is right, and the end is the content. */
const monkey = async (taking: Taking, random: () => number, rounds: number): Promise<void> => {
  const { transfers } = taking
  let transfer = await taking.begin(content)
  for (let round = 0; round < rounds; round++) {
    await sleep(random() * 60)
    const { id } = transfer.record
    const word = (['pause', 'resume', 'cancel', 'retry'] as const)[Math.floor(random() * 4)] ?? 'pause'
    const said = transfers[word](id)
    if (random() < 0.3) void transfers.resume(id).catch(() => {})
    const code = await failureOf(said)
    expect([undefined, 'PM_NOT_NOW']).toContain(code)
    if (code === undefined && word === 'pause')
      expect(['paused', 'queued', 'running', 'done']).toContain(transfer.state)
    if (transfer.state === 'cancelled' || transfer.state === 'done') transfer = await taking.begin(content)
  }
  await transfers.resume(transfer.record.id).catch(() => {})
  await reached(transfer, 'done')
  expect((await taking.fileOf(transfer)).equals(content.bytes)).toBe(true)
}

test('any words at any moments end in the right content, and in nothing else', async () => {
  const random = seeded(printedSeed())
  const holders = await Promise.all([startHolder(content, { slowMs: 5 }), startHolder(content, { slowMs: 15 })])
  const taking = await startTaking(holders)
  await monkey(taking, random, LONG ? 600 : 60)
  expect(taking.transfers.all().filter(({ state }) => state === 'failed')).toEqual([])
  expect(taking.troubles).toEqual([])
  expect(await partials(taking.home)).toEqual([])
  const names = (await readdir(taking.home)).filter((name) => !name.startsWith('.'))
  expect(names).toContain('content.bin')
  await taking.stop()
  await until(
    async () => holders.reduce((sum, holder) => sum + holder.following(), 0),
    (following) => following === 0,
  )
})

test.skipIf(!LONG)('fetches that nobody helps give their places to others', async () => {
  const stuck = [1, 2, 3].map(() => shared(randomBytes(3 * PIECE)))
  const holders = await Promise.all(
    stuck.map(async (one) => {
      const holder = await startHolder(one)
      holder.does.set('pieces', () => {})
      holder.does.set('have', ({ plain }) => plain(503))
      return holder
    }),
  )
  const honest = await startHolder(content)
  const taking = await startTaking([...holders, honest])
  for (const one of stuck) await taking.begin(one)
  const transfer = await taking.begin(content, 'served.bin')
  await reached(transfer, 'done', 45_000)
  expect((await taking.fileOf(transfer)).equals(content.bytes)).toBe(true)
})
