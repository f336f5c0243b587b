import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { toB64u, toHex } from '../../src/bytes.ts'
import { LIMITS } from '../../src/routes/peer/limits.ts'
import { until } from '../helpers/api.ts'
import { codeOf, Line, Listening } from '../helpers/holder-client.ts'
import { MemoryHolding } from '../helpers/memory-holding.ts'
import { type RoomOptions, startRoom } from '../helpers/room.ts'
import { openSession, strangerIdentity } from '../helpers/stranger.ts'

/** 40 pieces. */
const SIZE = 40 * 128 * 1024

const relaying = async (here: readonly number[] | 'all' = [1, 2], options: RoomOptions = {}) => {
  const holding = new MemoryHolding(randomBytes(SIZE), here === 'all' ? undefined : here)
  const addresses = new Map<string, string>()
  const giving = { holdings: [holding.holdings], addressOf: (id: string) => addresses.get(id), ...options.giving }
  const room = await startRoom({ ...options, giving })
  /** A peer of its own; with an address when it is known here. */
  const newcomer = async (address?: string) => {
    const identity = strangerIdentity()
    if (address !== undefined) addresses.set(toHex(identity.id), address)
    const session = await openSession(room.url, identity)
    return { id: toHex(identity.id), session, follow: () => new Listening(session, holding.root) }
  }
  return { room, holding, addresses, newcomer }
}

const said = async (stream: Listening, count: number): Promise<unknown[]> =>
  await until(
    async () => stream.messages,
    (messages) => messages.length >= count,
    5_000,
  )

const ended = async (stream: Listening, withinMs = 5_000) =>
  await until(
    async () => stream.end,
    (end) => end !== undefined,
    withinMs,
  )

test('a full holder says so, and that it is there every five seconds', { timeout: 20_000 }, async () => {
  const { newcomer } = await relaying('all')
  const stream = (await newcomer()).follow()
  await said(stream, 1)
  const before = performance.now()
  expect(
    await until(
      async () => stream.messages,
      ({ length }) => length > 1,
      8_000,
    ),
  ).toEqual([{ all: true }, {}])
  expect(performance.now() - before).toBeGreaterThan(4_500)
  expect(stream.headers).toMatchObject({ 'portmesh-sealed': 'v=1', 'transfer-encoding': 'chunked' })
  expect(stream.headers['content-length']).toBeUndefined()
})

test('a part is told in bits, then what comes, gathered, and at last that all of it is here', async () => {
  const { holding, newcomer } = await relaying([0, 9])
  const stream = (await newcomer()).follow()
  expect(await said(stream, 1)).toEqual([{ bits: toB64u(Uint8Array.of(0x80, 0x40, 0, 0, 0)) }])
  holding.add(1)
  holding.add(2, 3)
  await sleep(100)
  holding.add(4)
  expect(await said(stream, 3)).toEqual([expect.anything(), { new: [1, 2, 3] }, { new: [4] }])
  for (let piece = 0; piece < 40; piece++) holding.add(piece)
  expect(await said(stream, 4)).toMatchObject([{}, {}, {}, { all: true }])
  await sleep(100)
  expect(stream.messages).toHaveLength(4)
})

test('whoever begins to follow later hears what is here then', async () => {
  const { holding, newcomer } = await relaying([])
  const first = (await newcomer()).follow()
  await said(first, 1)
  holding.add(39)
  await said(first, 2)
  const second = (await newcomer()).follow()
  expect(await said(second, 1)).toEqual([{ bits: toB64u(Uint8Array.of(0, 0, 0, 0, 1)) }])
})

test('followers are named to each other, newcomers as they come, and never to themselves', async () => {
  const { holding, newcomer } = await relaying()
  const ana = await newcomer('10.0.0.1:5001')
  const a1 = ana.follow()
  await said(a1, 1)
  const ben = await newcomer('10.0.0.2:5001')
  const b = ben.follow()
  expect((await said(b, 2))[1]).toEqual({ peers: ['10.0.0.1:5001'] })
  expect((await said(a1, 2))[1]).toEqual({ peers: ['10.0.0.2:5001'] })
  // A second stream of one that follows already is no newcomer.
  const a2 = ana.follow()
  expect((await said(a2, 2))[1]).toEqual({ peers: ['10.0.0.2:5001'] })
  const stranger = (await newcomer()).follow()
  expect((await said(stranger, 2))[1]).toEqual({ peers: ['10.0.0.1:5001', '10.0.0.2:5001'] })
  await sleep(100)
  expect([a1.messages.length, a2.messages.length, b.messages.length]).toEqual([2, 2, 2])
  expect(holding.followers).toHaveLength(4)
  expect(new Set(holding.followers).size).toBe(3)
})

test('one whose address becomes known while it follows is named then', async () => {
  const { addresses, newcomer } = await relaying([1], { giving: { quietMs: 200 } })
  const ana = await newcomer()
  const a = ana.follow()
  const b = (await newcomer('10.0.0.2:5001')).follow()
  await said(b, 1)
  addresses.set(ana.id, '10.0.0.1:5001')
  const named = () => b.messages.some((message) => JSON.stringify(message) === '{"peers":["10.0.0.1:5001"]}')
  await until(async () => named(), Boolean, 5_000)
  await said(a, 2)
})

test('a content that is taken out ends its news cleanly, and one that is here still does not', async () => {
  const room = await startRoom()
  const content = randomBytes(300_000)
  for (const name of ['a.bin', 'b.bin']) await writeFile(join(room.home, name), content)
  const { root } = await room.published.publish('a.bin')
  await room.published.publish('b.bin')
  const session = await openSession(room.url)
  const stream = new Listening(session, root)
  await said(stream, 1)
  room.published.clear('a.bin')
  await sleep(200)
  expect(stream.end).toBeUndefined()
  room.published.clear('b.bin')
  expect(await ended(stream)).toBe('clean')
  expect(codeOf(await new Line(session).ask(`/content/${root}/have`))).toBe('PM_NOT_PUBLISHED')
})

test('a part that is given up ends cleanly for all who follow it', async () => {
  const { holding, newcomer } = await relaying()
  const streams = [(await newcomer()).follow(), (await newcomer()).follow()]
  for (const stream of streams) await said(stream, 1)
  holding.end()
  for (const stream of streams) expect(await ended(stream)).toBe('clean')
  expect(holding.listeners).toBe(0)
})

test('a node that stops ends its news at once', async () => {
  const { room, newcomer } = await relaying()
  const { session, follow } = await newcomer()
  const stream = follow()
  await said(stream, 1)
  await room.giving.stop()
  expect(await ended(stream, 1_000)).toBe('clean')
  expect(codeOf(await new Line(session).ask(`/content/${stream.root}/have`))).toBe('PM_STOPPING')
})

test('two streams of a peer for a content, sixty-four for a content: more are told to wait', async () => {
  const { holding, newcomer } = await relaying()
  const first = await newcomer()
  const streams = [first.follow(), first.follow()]
  for (const stream of streams) await said(stream, 1)
  const refused = await new Line(first.session).ask(`/content/${holding.root}/have`)
  expect([refused.status, codeOf(refused)]).toEqual([429, 'PM_BUSY'])
  for (let count = 2; count < 64; count++) streams.push((await newcomer()).follow())
  for (const stream of streams) await said(stream, 1)
  const last = await newcomer()
  expect(codeOf(await new Line(last.session).ask(`/content/${holding.root}/have`))).toBe('PM_BUSY')
  for (const stream of streams) stream.leave()
  await until(
    async () => holding.listeners,
    (count) => count === 0,
    5_000,
  )
  await said(last.follow(), 1)
  expect((await first.session.ask('GET', '/table')).status).toBe(200)
})

test('a stream with nothing to say stays, and one whose reader takes nothing ends', { timeout: 30_000 }, async () => {
  const holding = new MemoryHolding(new Uint8Array(SIZE), [])
  const limits = { ...LIMITS, slowMs: 500 }
  const room = await startRoom({ peer: { limits }, giving: { holdings: [holding.holdings] } })
  const quiet = new Listening(await openSession(room.url), holding.root)
  const deaf = new Listening(await openSession(room.url), holding.root)
  await said(quiet, 1)
  await said(deaf, 1)
  deaf.pause()
  await sleep(2_000)
  expect(quiet.end).toBeUndefined()
  // The system takes some megabytes before anybody sees that they are not read.
  const many = Array.from({ length: 20_000 }, (_, at) => at % 39)
  const noise = setInterval(() => holding.add(...many), 20)
  try {
    await until(
      async () => holding.listeners,
      () => room.giving.followers === 1,
      20_000,
    )
    expect(quiet.end).toBeUndefined()
    const before = quiet.messages.length
    await sleep(500)
    expect(quiet.messages.length).toBeGreaterThan(before)
  } finally {
    clearInterval(noise)
  }
})

test('whoever asks for news behind an answer that it does not read is bounded, too', async () => {
  const { holding, newcomer } = await relaying('all', { giving: { quietMs: 60_000 } })
  const { session } = await newcomer()
  const line = new Line(session)
  await line.ask('/table')
  line.socket.pause()
  line.ask(`/content/${holding.root}?pieces=0-39`).catch(() => undefined)
  const waiting = Array.from({ length: 80 }, () => line.ask(`/content/${holding.root}/have`).catch(() => undefined))
  await sleep(200)
  // The last ones are refused already, and wait behind the others.
  const other = new Line(session)
  const refused = await other.ask(`/content/${holding.root}?pieces=0`)
  expect([refused.status, codeOf(refused)]).toEqual([429, 'PM_BUSY'])
  line.socket.destroy()
  await Promise.all(waiting)
  await until(
    async () => (await other.ask(`/content/${holding.root}?pieces=0`)).status,
    (status) => status === 200,
    5_000,
  )
})
