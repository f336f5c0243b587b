/** What askers may cost a holder: how many, how slowly, how much memory, and whatever they write into a request. */
import { randomBytes } from 'node:crypto'
import { readdir, readlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { LIMITS } from '../../src/routes/peer/limits.ts'
import { until } from '../helpers/api.ts'
import { codeOf, Line, openPieceAnswer } from '../helpers/holder-client.ts'
import { fuzz, PATIENT, type Random } from '../helpers/random.ts'
import { type Room, type RoomOptions, startRoom } from '../helpers/room.ts'
import { openSession } from '../helpers/stranger.ts'

const PIECE = 128 * 1024

const serving = async (pieces: number, options: RoomOptions = {}) => {
  const room = await startRoom(options)
  const content = randomBytes(pieces * PIECE - 1)
  await writeFile(join(room.home, 'a.bin'), content)
  const { root } = await room.published.publish('a.bin')
  const newLine = async (): Promise<Line> => new Line(await openSession(room.url))
  return { room, root, content, newLine }
}

/** A line that asks and reads nothing of the answer. */
const deafLine = async (line: Line, target: string): Promise<Line> => {
  await line.ask('/table')
  line.socket.pause()
  line.ask(target).catch(() => undefined)
  return line
}

/** How often the file is open in this process. */
const openOf = async (room: Room): Promise<number> => {
  const links = (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ''))
  return (await Promise.all(links)).filter((link) => link === join(room.home, 'a.bin')).length
}

test('answers many requests on one connection, in their order', async () => {
  const { root, content, newLine } = await serving(60)
  const line = await newLine()
  const asked = Array.from({ length: 300 }, (_, at) => ({ first: (at * 7) % 60, count: 1 + (at % 3) }))
  for (let at = 0; at < asked.length; at += 60) {
    const some = asked.slice(at, at + 60)
    const answers = await Promise.all(
      some.map(({ first, count }) => line.pieces(root, `${first}-${first + count - 1}`)),
    )
    for (const [i, { first, bytes }] of answers.entries()) {
      const { first: from = 0, count = 0 } = some[i] ?? {}
      expect(first).toBe(from)
      expect(bytes.equals(content.subarray(from * PIECE, (from + count) * PIECE))).toBe(true)
    }
  }
})

test('sixty-four answers of a peer run or wait, and one more is told to come back', async () => {
  const { root, newLine } = await serving(100)
  const line = await newLine()
  await deafLine(line, `/content/${root}?pieces=0-99`)
  const waiting = Array.from({ length: 70 }, () => line.ask(`/content/${root}?pieces=1`))
  await sleep(200)
  line.socket.resume()
  const statuses = (await Promise.all(waiting)).map(({ status }) => status)
  expect(statuses).toEqual([...Array(63).fill(200), ...Array(7).fill(429)])
  expect((await line.ask(`/content/${root}?pieces=1`)).status).toBe(200)
})

test('an answer is begun when those before it on its connection are sent, and not earlier', async () => {
  const { root, newLine } = await serving(320)
  const line = await newLine()
  const before = process.memoryUsage().arrayBuffers
  await deafLine(line, `/content/${root}?pieces=0-319`)
  const next = line.pieces(root, '5&want=5:wA')
  const more = Array.from({ length: 40 }, () => line.pieces(root, '0-31'))
  await sleep(300)
  expect((process.memoryUsage().arrayBuffers - before) / 2 ** 20).toBeLessThan(16)
  // Both wanted pieces are on their way to that asker; when they have arrived, 5 was given once more than 6.
  expect((await (await newLine()).pieces(root, '5')).first).toBe(5)
  line.socket.resume()
  expect((await next).first).toBe(6)
  expect((await Promise.all(more)).map(({ count }) => count)).toEqual(Array(40).fill(32))
})

test('what breaks off does not count as given', async () => {
  const { root, newLine } = await serving(320)
  const line = await newLine()
  const other = await newLine()
  await deafLine(line, `/content/${root}?pieces=100-319`)
  await sleep(300)
  expect((await other.pieces(root, '200&want=0:gA')).first).toBe(0)
  line.socket.destroy()
  await sleep(100)
  // Piece 1, which was never given, would come if 200 counted.
  expect((await other.pieces(root, '200&want=1:gA')).first).toBe(200)
})

test('sixteen askers at once are served, the next one waits its turn, and not for ever', async () => {
  const { root, newLine } = await serving(200, { giving: { gate: { askers: 2, waitMs: 1_000 } } })
  const deaf = await Promise.all(
    [1, 2].map(async () => await deafLine(await newLine(), `/content/${root}?pieces=0-199`)),
  )
  await sleep(300)
  const third = await newLine()
  const began = performance.now()
  const refused = await third.ask(`/content/${root}?pieces=0`)
  expect([refused.status, codeOf(refused)]).toEqual([429, 'PM_BUSY'])
  expect(performance.now() - began).toBeGreaterThan(900)
  const patient = third.ask(`/content/${root}?pieces=0`)
  await sleep(100)
  deaf[0]?.socket.destroy()
  expect((await patient).status).toBe(200)
})

test('one who does not read what it asked for is cut off, and makes room', { timeout: 30_000 }, async () => {
  const limits = { ...LIMITS, slowMs: 1_000 }
  const gate = { askers: 3, waitMs: 8_000 }
  const { room, root, content, newLine } = await serving(400, { peer: { limits }, giving: { gate, keepOpenMs: 50 } })
  const lines = await Promise.all([1, 2, 3].map(newLine))
  const closed = lines.map((line) => new Promise((resolve) => line.socket.once('close', resolve)))
  await Promise.all(lines.map((line) => deafLine(line, `/content/${root}?pieces=0-399`)))
  const fourth = await newLine()
  const answer = await fourth.pieces(root, '7')
  expect(answer.bytes.equals(content.subarray(7 * PIECE, 8 * PIECE))).toBe(true)
  for (const line of lines) line.socket.resume()
  await Promise.all(closed)
  await until(
    () => openOf(room),
    (count) => count === 0,
    5_000,
  )
})

test('whoever asks and goes, early or late, leaves no descriptor, no count and no place taken', async () => {
  const { room, root, newLine } = await serving(100, { giving: { keepOpenMs: 50, gate: { askers: 2, waitMs: 300 } } })
  const session = await openSession(room.url)
  for (let i = 0; i < 60; i++) {
    const line = new Line(session)
    for (let k = 0; k < 1 + (i % 4); k++) line.ask(`/content/${root}?pieces=0-99&want=0:_w`).catch(() => undefined)
    if (i % 3 > 0) await sleep((i * 7) % 13)
    line.socket.resetAndDestroy()
  }
  await until(
    () => openOf(room),
    (count) => count === 0,
    5_000,
  )
  const line = await newLine()
  // No piece was given wholly, but for the few that came in time: the first of them all is still the least given one.
  const answer = await line.pieces(root, '99&want=0:_w')
  expect(answer.count).toBe(1)
  const rest = await Promise.all(Array.from({ length: 60 }, () => new Line(session).pieces(root, '5')))
  expect(rest).toHaveLength(60)
})

test('sixteen deaf askers hold a few megabytes each, and give them back', { timeout: 30_000 }, async () => {
  const { root, newLine } = await serving(300)
  const reader = await newLine()
  await reader.pieces(root, '0-15')
  const before = process.memoryUsage().arrayBuffers
  const lines = await Promise.all(Array.from({ length: 16 }, newLine))
  await Promise.all(lines.map((line) => deafLine(line, `/content/${root}?pieces=0-299`)))
  await sleep(1_000)
  const held = process.memoryUsage().arrayBuffers - before
  expect(held / 2 ** 20 / 16).toBeLessThan(6)
  for (const line of lines) line.socket.destroy()
  // What was given back is seen when garbage is collected, which more of it brings about.
  await until(
    async () => {
      await reader.pieces(root, '0-15')
      return (process.memoryUsage().arrayBuffers - before) / 2 ** 20
    },
    (left) => left < 60,
    20_000,
  )
})

/** A request for a content as nobody would write it. */
const strangeTarget = (random: Random, root: string): string => {
  const part = (): string => (random.chance(0.5) ? String(random.pick(NUMBERS)) : random.text())
  const query = random
    .list(4, () => {
      const name = random.pick(['pieces', 'want', 'pieces', 'want', 'a', '__proto__', part()])
      const value = random.chance(0.7) ? `${part()}${random.pick(['-', ':', ''])}${part()}` : random.text()
      return `${encodeURIComponent(name.toWellFormed())}=${encodeURIComponent(value.toWellFormed())}`
    })
    .join('&')
  const path = random.pick([
    '',
    '/tree',
    '/have',
    '/',
    '/tree/',
    `/${encodeURIComponent(random.text().toWellFormed())}`,
  ])
  const named = random.chance(0.8) ? root : encodeURIComponent(random.mutatedText(root).toWellFormed())
  return `/content/${named}${path}?${query}`
}
const NUMBERS = [
  0,
  1,
  7,
  8,
  9,
  99,
  1023,
  1024,
  4095,
  4096,
  2 ** 31,
  2 ** 32,
  2 ** 53 - 1,
  2 ** 53,
  '00',
  '1e3',
  '_w',
  'gA',
]

test('whatever a request says, it is answered or refused, and the node goes on', PATIENT, async () => {
  const { room, root, content } = await serving(10)
  const session = await openSession(room.url)
  const statuses = new Set<number>()
  await fuzz({ rounds: 300 }, async (random) => {
    const target = strangeTarget(random, root)
    const line = new Line(session)
    const answer = await Promise.race([line.ask(target), sleep(2_000)])
    line.socket.destroy()
    if (!answer) throw new Error(`no answer to ${target}`)
    statuses.add(answer.status)
    expect([200, 400, 404, 414], `${target} ${answer.status}`).toContain(answer.status)
    if (answer.status !== 200 || /\/(tree|have)\?/.test(target)) return
    const { first, count, bytes } = openPieceAnswer(answer)
    expect(bytes.equals(content.subarray(first * PIECE, (first + count) * PIECE)), target).toBe(true)
  })
  expect([...statuses]).toEqual(expect.arrayContaining([400, 404]))
  expect((await new Line(session).pieces(root, '0-9')).bytes.equals(content)).toBe(true)
})
