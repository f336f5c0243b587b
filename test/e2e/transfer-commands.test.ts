/** What a person says about a fetch into the home, and where its file ends up. */
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { publish } from '../helpers/api.ts'
import { LONG, partials, sha256 } from '../helpers/faults.ts'
import { type RunningNode, startMesh, startNode } from '../helpers/process.ts'
import {
  act,
  begin,
  filesIn,
  hashOfFile,
  type Pair,
  startPair,
  transferOf,
  transfersOf,
  untilShared,
  untilTransfer,
} from '../helpers/transfers.ts'

const MIB = 1024 * 1024
const PIECE = 128 * 1024
const WELCOME = 'Welcome to portmesh.txt'

/** Publish on one node, and wait until the other knows. */
const shared = async (from: RunningNode, to: RunningNode, name: string, content: Uint8Array) => {
  await mkdir(join(from.home, name, '..'), { recursive: true })
  await writeFile(join(from.home, name), content)
  const published = await publish(from.url, name)
  await untilShared(to.url, published.root)
  return published
}

test('pause, restart, resume, cancel, and again: each does what it says, and nothing is left of what was cancelled', async () => {
  const pair = await startPair(6 * MIB)
  let { taker } = pair
  const content = randomBytes(16 * MIB)
  const { root, hash } = await shared(pair.holder, taker, 'large.bin', content)
  const { json, status } = await begin(taker.url, { root })
  expect([status, json.state]).toEqual([202, 'queued'])
  const { id } = json
  // The same content asked for again is the same transfer, by either of its names.
  const joined = await Promise.all([
    begin(taker.url, { root }),
    begin(taker.url, { hash }),
    begin(taker.url, { root, hash }),
  ])
  expect(joined.map((one) => [one.status, one.json.id])).toEqual([200, 200, 200].map((code) => [code, id]))
  await untilTransfer(taker.url, id, ({ done }) => done > MIB)

  const paused = await act(taker.url, id, 'pause')
  expect([paused.status, paused.json.state, paused.json.rate]).toEqual([200, 'paused', 0])
  expect(paused.json.done).toBeGreaterThan(MIB)
  expect(await partials(taker.home)).toEqual([`${id}.part`])
  expect((await begin(taker.url, { root })).json).toMatchObject({ id, state: 'paused' })
  await taker.kill()
  taker = await pair.restart()
  await untilShared(taker.url, root)
  expect(await transferOf(taker.url, id)).toMatchObject({ state: 'paused', done: paused.json.done })

  const resumed = await act(taker.url, id, 'resume')
  expect(resumed.status).toBe(200)
  await untilTransfer(taker.url, id, ({ done }) => done > paused.json.done)
  // Quickly one after the other: the last word counts.
  const words = await Promise.all([
    act(taker.url, id, 'pause'),
    act(taker.url, id, 'resume'),
    act(taker.url, id, 'pause'),
  ])
  expect(words.map((one) => one.status)).toEqual([200, 200, 200])
  expect((await transferOf(taker.url, id)).state).toBe('paused')

  const cancelled = await act(taker.url, id, 'cancel')
  expect([cancelled.status, cancelled.json.state, cancelled.json.done]).toEqual([200, 'cancelled', 0])
  expect([await partials(taker.home), await filesIn(taker.home)]).toEqual([[], [WELCOME]])
  expect((await act(taker.url, id, 'pause')).code).toBe('PM_NOT_NOW')
  // Two who ask for it at the same time begin one.
  const again = await Promise.all([begin(taker.url, { root }), begin(taker.url, { root }), begin(taker.url, { hash })])
  expect(new Set(again.map((one) => one.json.id)).size).toBe(1)
  expect(again.map((one) => one.status).sort()).toEqual([200, 200, 202])
  const second = again[0]?.json.id ?? ''
  expect((await act(taker.url, id, 'retry')).code).toBe('PM_NOT_NOW')
  pair.line.limit(Number.POSITIVE_INFINITY)
  await untilTransfer(taker.url, second, 'done')
  expect(await hashOfFile(join(taker.home, 'large.bin'))).toBe(hash)
  for (const word of ['pause', 'resume', 'cancel', 'retry'] as const)
    expect((await act(taker.url, second, word)).code, word).toBe('PM_NOT_NOW')
  expect((await begin(taker.url, { root })).json).toMatchObject({ id: second, state: 'done' })
  expect((await act(taker.url, '0'.repeat(16), 'pause')).code).toBe('PM_UNKNOWN_TRANSFER')
  expect((await begin(taker.url, { root: '0'.repeat(64) })).code).toBe('PM_UNKNOWN_CONTENT')
  // Once its file is gone it is fetched anew.
  await rm(join(taker.home, 'large.bin'))
  const anew = await begin(taker.url, { root })
  expect(anew.status).toBe(202)
  await untilTransfer(taker.url, anew.json.id, 'done')
  expect(await partials(taker.home)).toEqual([])
})

test.skipIf(!LONG)(
  'words that come while nobody is there are heard, too, and begin nothing by themselves',
  async () => {
    const pair = await startPair(6 * MIB)
    const { taker, holder, line } = pair
    const content = randomBytes(16 * MIB)
    const { root } = await shared(holder, taker, 'large.bin', content)
    const { json } = await begin(taker.url, { root })
    await untilTransfer(taker.url, json.id, ({ done }) => done > MIB)
    // The node is there, its pieces do not come: the fetch waits while it runs.
    await holder.kill()
    await untilTransfer(taker.url, json.id, 'waiting')
    expect((await act(taker.url, json.id, 'pause')).json.state).toBe('paused')
    const again = await startPairHolder(pair)
    await untilShared(taker.url, root)
    const { done } = await transferOf(taker.url, json.id)
    line.limit(Number.POSITIVE_INFINITY)
    const other = await shared(again, taker, 'other.bin', randomBytes(MIB))
    const { json: next } = await begin(taker.url, { root: other.root })
    await untilTransfer(taker.url, next.id, 'done')
    expect(await transferOf(taker.url, json.id)).toMatchObject({ state: 'paused', done })
    await act(taker.url, json.id, 'resume')
    await untilTransfer(taker.url, json.id, 'done')
    expect(await hashOfFile(join(taker.home, 'large.bin'))).toBe(sha256(content))
  },
)

const startPairHolder = async ({ holder, taker }: Pair): Promise<RunningNode> =>
  await startNode({ home: holder.home, ports: [holder.port, `127.0.0.1:${taker.port}`], interval: 0.5 })

test('contents of any size arrive, in their folders, beside what has their name, and once under several names', async () => {
  const [holder, taker] = (await startMesh(2, { interval: 0.5 })) as [RunningNode, RunningNode]
  const sizes = [0, 1, 16_384, PIECE - 1, PIECE, PIECE + 1, 8 * PIECE, MIB + 1]
  const fetched = async (name: string, content: Uint8Array): Promise<string> => {
    const { root } = await shared(holder, taker, name, content)
    const { json } = await begin(taker.url, { root })
    const { file = '', done, size } = await untilTransfer(taker.url, json.id, 'done')
    expect([done, size]).toEqual([content.length, content.length])
    expect(await hashOfFile(join(taker.home, file)), name).toBe(sha256(content))
    return file
  }
  for (const size of sizes) {
    const content = randomBytes(size)
    expect(await fetched(`${size}.bin`, content)).toBe(`${size}.bin`)
    expect((await stat(join(taker.home, `${size}.bin`))).nlink).toBe(1)
  }
  await writeFile(join(taker.home, 'taken.txt'), 'mine')
  expect(await fetched('taken.txt', Buffer.from('theirs'))).toBe('taken (2).txt')
  expect(await readFile(join(taker.home, 'taken.txt'), 'utf8')).toBe('mine')
  expect(await fetched('album/disc 1/01.flac', randomBytes(100_000))).toBe('album/disc 1/01.flac')
  await writeFile(join(taker.home, 'other'), 'a file where a folder is wanted')
  expect(await fetched('other/02.flac', randomBytes(100_000))).toBe('other (2)/02.flac')
  // A content under several names is one.
  const content = randomBytes(300_000)
  const first = await shared(holder, taker, 'one name.bin', content)
  const second = await shared(holder, taker, 'another name.bin', content)
  expect(first.root).toBe(second.root)
  const both = await Promise.all([begin(taker.url, { root: first.root }), begin(taker.url, { hash: second.hash })])
  expect(both[0].json.id).toBe(both[1].json.id)
  await untilTransfer(taker.url, both[0].json.id, 'done')
  expect((await filesIn(taker.home)).filter((name) => name.endsWith('name.bin'))).toHaveLength(1)
  expect(await partials(taker.home)).toEqual([])
  // What came is given on under the same root, and can be published without being read again.
  const name = (await untilTransfer(taker.url, both[0].json.id, 'done')).file ?? ''
  expect((await publish(taker.url, name)).root).toBe(first.root)
})

test('content that the home has already is copied, not fetched, and not linked: also when nobody else is there, or it may not be written', async () => {
  const pair = await startPair()
  const { holder, taker, line } = pair
  const content = randomBytes(12 * MIB)
  const { root } = await shared(holder, taker, 'theirs.bin', content)
  await writeFile(join(taker.home, 'mine.bin'), content, { mode: 0o400 })
  expect((await publish(taker.url, 'mine.bin')).root).toBe(root)
  const before = line.bytes()
  const { json } = await begin(taker.url, { root })
  const { file = '', holders } = await untilTransfer(taker.url, json.id, 'done')
  expect(line.bytes() - before).toBeLessThan(MIB)
  expect(holders).toEqual([])
  expect(await hashOfFile(join(taker.home, file))).toBe(sha256(content))
  const [copy, own] = await Promise.all([stat(join(taker.home, file)), stat(join(taker.home, 'mine.bin'))])
  expect([copy.nlink, own.nlink, copy.ino === own.ino, copy.mode & 0o200]).toEqual([1, 1, false, 0o200])
  // Another one, of which nobody else knows: it is here, so it is copied all the same.
  await writeFile(join(taker.home, 'alone.bin'), 'alone')
  const alone = await publish(taker.url, 'alone.bin')
  const { json: second } = await begin(taker.url, { root: alone.root })
  expect((await untilTransfer(taker.url, second.id, 'done')).file).toBe('alone (2).bin')
  // One that is not what it was any more is fetched.
  await rm(join(taker.home, file))
  await chmod(join(taker.home, 'mine.bin'), 0o600)
  await writeFile(join(taker.home, 'mine.bin'), randomBytes(12 * MIB))
  const { json: third } = await begin(taker.url, { root })
  const { file: again = '' } = await untilTransfer(taker.url, third.id, 'done')
  expect(await hashOfFile(join(taker.home, again))).toBe(sha256(content))
  expect(line.bytes() - before).toBeGreaterThan(content.length)
})

test.skipIf(!LONG)('the list tells every transfer, the newest first, also after a restart', async () => {
  const pair = await startPair()
  const ids: string[] = []
  for (const name of ['a', 'b', 'c']) {
    const { root } = await shared(pair.holder, pair.taker, name, randomBytes(1_000))
    const { json } = await begin(pair.taker.url, { root })
    await untilTransfer(pair.taker.url, json.id, 'done')
    ids.unshift(json.id)
  }
  const before = await transfersOf(pair.taker.url)
  expect(before.map(({ id }) => id)).toEqual(ids)
  await pair.taker.stop()
  const taker = await pair.restart()
  const after = await transfersOf(taker.url)
  expect(after.map(({ id, state, file, done }) => [id, state, file, done])).toEqual(
    before.map(({ id, state, file, done }) => [id, state, file, done]),
  )
})
