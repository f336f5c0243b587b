/** A fetch into the home that is killed, and its partial file spoiled: it goes on by itself, and fetches only what is missing. */
import { randomBytes } from 'node:crypto'
import { open, readdir, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { publish } from '../helpers/api.ts'
import { LONG, partials, printedSeed, seeded, sha256 } from '../helpers/faults.ts'
import { begin, filesIn, hashOfFile, type Pair, startPair, untilShared, untilTransfer } from '../helpers/transfers.ts'

const MIB = 1024 * 1024
const PIECE = 128 * 1024
const KILLS = LONG ? 20 : 3
const SIZE = LONG ? 200 * MIB : 48 * MIB
/** So that the kills fall into the fetch. */
const BYTES_PER_S = (LONG ? 20 : 12) * MIB
/** In flight at such a pace, and on the line. */
const IN_FLIGHT = 8 * MIB
const WELCOME = 'Welcome to portmesh.txt'

const fetching = async (pair: Pair, content: Buffer, name = 'large.bin') => {
  await writeFile(join(pair.holder.home, name), content)
  const { root } = await publish(pair.holder.url, name)
  await untilShared(pair.taker.url, root)
  const { status, json } = await begin(pair.taker.url, { root })
  expect(status).toBe(202)
  return { root, id: json.id }
}

test(`${KILLS} kills of the one who fetches: each time it goes on by itself with all it had, and ends with the right bytes`, async () => {
  const random = seeded(printedSeed())
  const content = randomBytes(SIZE)
  const pair = await startPair(BYTES_PER_S)
  const { line, restart } = pair
  let { taker } = pair
  const { id } = await fetching(pair, content)
  for (let kill = 1; kill <= KILLS; kill++) {
    const { done: before } = await untilTransfer(taker.url, id, ({ state, done }) => state === 'running' && done > 0)
    await sleep(random() * (LONG ? 600 : 700))
    const told = await untilTransfer(taker.url, id, () => true)
    await taker.kill()
    const where = `kill ${kill}, at ${told.done} bytes`
    if (told.state === 'done') break
    expect(await filesIn(taker.home), where).toEqual([WELCOME])
    expect(await partials(taker.home), where).toEqual([`${id}.part`])
    taker = await restart()
    // All that was told to be here is here.
    const again = await untilTransfer(taker.url, id, ({ done }) => done >= told.done)
    expect(again.done, where).toBeGreaterThanOrEqual(before)
    expect(['queued', 'waiting', 'running', 'verifying', 'done'], where).toContain(again.state)
  }
  line.limit(Number.POSITIVE_INFINITY)
  const { file, holders } = await untilTransfer(taker.url, id, 'done', 60_000)
  expect(file).toBe('large.bin')
  expect(await hashOfFile(join(taker.home, 'large.bin'))).toBe(sha256(content))
  expect(await filesIn(taker.home)).toEqual([WELCOME, 'large.bin'])
  expect(await partials(taker.home)).toEqual([])
  expect(line.bytes()).toBeGreaterThan(SIZE)
  expect(line.bytes()).toBeLessThan(SIZE * 1.01 + KILLS * IN_FLIGHT)
  expect(holders.map(({ name }) => name)).toEqual(['holder'])
}, 300_000)

test.skipIf(!LONG)('a kill right after a fetch went on costs nothing of what came since', async () => {
  const content = randomBytes(64 * MIB)
  const pair = await startPair(8 * MIB)
  const { id } = await fetching(pair, content)
  await untilTransfer(pair.taker.url, id, ({ done }) => done > 4 * MIB)
  // A clean end: what is kept says all that is here.
  await pair.taker.stop()
  pair.line.limit(32 * MIB)
  let taker = await pair.restart()
  const { done } = await untilTransfer(taker.url, id, (now) => now.state === 'running' && now.done > 10 * MIB)
  await taker.kill()
  taker = await pair.restart()
  await untilTransfer(taker.url, id, (now) => now.done >= done)
  pair.line.limit(Number.POSITIVE_INFINITY)
  await untilTransfer(taker.url, id, 'done')
  expect(await hashOfFile(join(taker.home, 'large.bin'))).toBe(sha256(content))
  expect(pair.line.bytes()).toBeLessThan(content.length * 1.01 + 2 * IN_FLIGHT)
})

test('a partial file that was edited and cut while the node was down: only what is spoiled comes again', async () => {
  const content = randomBytes(24 * MIB)
  const pair = await startPair(8 * MIB)
  const { id } = await fetching(pair, content)
  await untilTransfer(pair.taker.url, id, ({ done }) => done >= 16 * MIB)
  await pair.taker.stop()
  const path = join(pair.taker.home, '.portmesh', 'partial', `${id}.part`)
  const handle = await open(path, 'r+')
  for (const at of [MIB, 2 * MIB + 5_000]) await handle.write(randomBytes(10), 0, 10, at)
  await handle.truncate(12 * MIB + 1_000)
  await handle.close()
  const good = 12 * MIB - 2 * PIECE
  const before = pair.line.bytes()
  const taker = await pair.restart()
  pair.line.limit(Number.POSITIVE_INFINITY)
  await untilTransfer(taker.url, id, 'done')
  expect(await hashOfFile(join(taker.home, 'large.bin'))).toBe(sha256(content))
  expect(await partials(taker.home)).toEqual([])
  // And what a handshake and a row take.
  expect(pair.line.bytes() - before).toBeGreaterThan(content.length - good)
  expect(pair.line.bytes() - before).toBeLessThan((content.length - good) * 1.01 + MIB)
})

test.skipIf(!LONG)(
  'a partial file that is gone begins anew, and one that nobody knows is removed at the start',
  async () => {
    const content = randomBytes(8 * MIB)
    const pair = await startPair(4 * MIB)
    const { id } = await fetching(pair, content)
    await untilTransfer(pair.taker.url, id, ({ done }) => done > MIB)
    await pair.taker.kill()
    const folder = join(pair.taker.home, '.portmesh', 'partial')
    await truncate(join(folder, `${id}.part`), 0)
    await writeFile(join(folder, `${'0'.repeat(16)}.part`), randomBytes(1_000))
    await writeFile(join(folder, 'something else'), 'x')
    const taker = await pair.restart()
    expect(await readdir(folder)).toEqual([`${id}.part`])
    pair.line.limit(Number.POSITIVE_INFINITY)
    await untilTransfer(taker.url, id, 'done')
    expect(await hashOfFile(join(taker.home, 'large.bin'))).toBe(sha256(content))
  },
)
