import { randomBytes } from 'node:crypto'
import { appendFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { toB64u } from '../../src/bytes.ts'
import { isLayerOf } from '../../src/store/piece-layer.ts'
import { until } from '../helpers/api.ts'
import { codeOf, Line, openPieceAnswer, openText } from '../helpers/holder-client.ts'
import { MemoryHolding } from '../helpers/memory-holding.ts'
import { type RoomOptions, startRoom } from '../helpers/room.ts'
import { openSession } from '../helpers/stranger.ts'

const PIECE = 128 * 1024
/** 39 pieces, the last one short. */
const SIZE = 5_000_001

const serving = async (content: Uint8Array = randomBytes(SIZE), options: RoomOptions = {}) => {
  const room = await startRoom(options)
  await writeFile(join(room.home, 'a.bin'), content)
  const { root } = await room.published.publish('a.bin')
  return { room, root, content: Buffer.from(content), line: new Line(await openSession(room.url)) }
}

const wanted = (first: number, pieces: readonly number[]): string => {
  const bits = new Uint8Array(Math.ceil((Math.max(...pieces) - first + 1) / 8))
  for (const piece of pieces)
    bits[(piece - first) >> 3] = (bits[(piece - first) >> 3] ?? 0) | (0x80 >> ((piece - first) & 7))
  return `${first}:${toB64u(bits)}`
}

test('gives a whole content in runs that were asked for one behind the other on one connection', async () => {
  const { content, root, line } = await serving()
  const runs = ['0-7', '8-15', '16', '17-30', '31-38']
  const answers = await Promise.all(runs.map((run) => line.pieces(root, run)))
  expect(answers.map(({ first, count }) => [first, count])).toEqual([
    [0, 8],
    [8, 8],
    [16, 1],
    [17, 14],
    [31, 8],
  ])
  expect(Buffer.concat(answers.map(({ bytes }) => bytes)).equals(content)).toBe(true)
})

test.each([1, PIECE - 1, PIECE, PIECE + 1, 2 ** 20, 2 ** 20 + 1, 9 * PIECE])(
  'gives a content of %i bytes',
  async (size) => {
    const { content, root, line } = await serving(randomBytes(size))
    expect((await line.pieces(root, '0-1000')).bytes.equals(content)).toBe(true)
    expect(isLayerOf(root, size, openText(await line.ask(`/content/${root}/tree`)))).toBe(true)
  },
)

test('has no piece of an empty content, and an empty tree', async () => {
  const { root, line } = await serving(Buffer.alloc(0))
  expect(codeOf(await line.ask(`/content/${root}?pieces=0`))).toBe('PM_NO_PIECE')
  expect(openText(await line.ask(`/content/${root}/tree`))).toHaveLength(0)
})

test('gives as much of a run as the content has, and nothing beyond its end', async () => {
  const { content, root, line } = await serving()
  const { count, bytes } = await line.pieces(root, '37-45')
  expect([count, bytes.equals(content.subarray(37 * PIECE))]).toEqual([2, true])
  const beyond = await line.ask(`/content/${root}?pieces=39`)
  expect([beyond.status, codeOf(beyond)]).toEqual([404, 'PM_NO_PIECE'])
})

test('replaces the proposal by the wanted piece that was given least, of several the lowest', async () => {
  const { content, root, line } = await serving()
  for (const [query, first] of [
    [`5&want=${wanted(3, [3, 4, 5, 9])}`, 5],
    // 5 was given once now.
    [`5&want=${wanted(3, [3, 4, 5, 9])}`, 3],
    [`5&want=${wanted(4, [4, 5, 9])}`, 4],
    [`5&want=${wanted(4, [4, 5, 9])}`, 9],
    // All of them once: the proposal.
    [`5&want=${wanted(0, [3, 4, 5, 9])}`, 5],
    // Only 4 and 9 are wanted, both fewer times than 5.
    [`5&want=${wanted(4, [4, 9])}`, 4],
    [`5`, 5],
  ] as const) {
    const answer = await line.pieces(root, query)
    expect([query, answer.first, answer.count]).toEqual([query, first, 1])
    expect(answer.bytes.equals(content.subarray(first * PIECE, (first + 1) * PIECE))).toBe(true)
  }
})

test('replaces a run by a run that is wanted and at most as long', async () => {
  const { content, root, line } = await serving()
  await line.pieces(root, '0-7')
  const answer = await line.pieces(root, `0-3&want=${wanted(4, [20, 21, 22, 23, 24, 30])}`)
  expect([answer.first, answer.count]).toEqual([20, 4])
  expect(answer.bytes.equals(content.subarray(20 * PIECE, 24 * PIECE))).toBe(true)
  // 24 is the last of its row.
  expect((await line.pieces(root, `0-3&want=${wanted(24, [24, 30])}`)).count).toBe(1)
})

test('gives from a part what is here in a row, and never anything else', async () => {
  const holding = new MemoryHolding(randomBytes(SIZE), [2, 3, 4, 6])
  const room = await startRoom({ giving: { holdings: [holding.holdings] } })
  const line = new Line(await openSession(room.url))
  const [first, alone, missing] = await Promise.all(
    [`2-10`, `6-7&want=${wanted(2, [2, 3, 4])}`, `5&want=${wanted(2, [2, 3])}`].map((query) =>
      line.ask(`/content/${holding.root}?pieces=${query}`),
    ),
  )
  if (!first || !alone || !missing) throw new Error('three were asked')
  expect(openPieceAnswer(first)).toMatchObject({ first: 2, count: 3 })
  expect(openPieceAnswer(alone)).toMatchObject({ first: 6, count: 1 })
  expect([missing.status, codeOf(missing)]).toEqual([404, 'PM_NO_PIECE'])
})

test('knows nothing of a root that is not published', async () => {
  const { line } = await serving(Buffer.from('x'))
  for (const path of ['', '?pieces=0', '/tree', '/have']) {
    const answer = await line.ask(`/content/${'ab'.repeat(32)}${path}`)
    expect([answer.status, codeOf(answer)]).toEqual(path === '' ? [400, 'PM_BAD_REQUEST'] : [404, 'PM_NOT_PUBLISHED'])
  }
})

test('refuses what no asker would write', async () => {
  const { root, line } = await serving()
  const wrong = [
    ...[
      '',
      'pieces=',
      'pieces=-1',
      'pieces=01',
      'pieces=1-0',
      'pieces=0-1024',
      'pieces=0-',
      'pieces=0-1-2',
      'pieces=1.5',
    ],
    ...['pieces=+1', 'pieces=1e1', 'pieces=0x1', 'pieces=٣', 'pieces=1&pieces=2', 'pieces=0&more=1', 'want=0:gA'],
    ...['pieces=0&want=', 'pieces=0&want=0', 'pieces=0&want=0:gB', 'pieces=0&want=0:gA==', 'pieces=0&want=01:gA'],
    ...[
      'pieces=0&want=0:g',
      'pieces=0&want=-1:gA',
      'pieces=0&want=0:gA&want=0:gA',
      `pieces=0&want=0:${'A'.repeat(684)}`,
    ],
    // Bits behind the last piece.
    ...['pieces=0&want=39:gA', 'pieces=0&want=32:_w', 'pieces=0&want=9007199254740991:gA'],
    // 600 pieces would be more than 64 MiB, if it had as many.
    ...['pieces=999999999999999999999-999999999999999999999'],
  ]
  for (const query of wrong) {
    const answer = await line.ask(`/content/${root}?${encodeURI(query)}`)
    expect([query, answer.status, codeOf(answer)]).toEqual([query, 400, 'PM_BAD_REQUEST'])
  }
  for (const target of [
    `/content/${root}/tree?a=1`,
    `/content/${root}/have?a=1`,
    `/content/${root.toUpperCase()}?pieces=0`,
    `/content/${root.slice(1)}?pieces=0`,
    `/content/%${root.charCodeAt(0).toString(16)}${root.slice(1)}?pieces=0`,
  ]) {
    const answer = await line.ask(target)
    expect([target, answer.status, codeOf(answer)]).toEqual([target, 400, 'PM_BAD_REQUEST'])
  }
  // All that is spare is 0.
  expect((await line.pieces(root, `0&want=32:_g`)).first).toBe(0)
})

test('brings at most 64 MiB in one answer', async () => {
  const { content, root, line } = await serving(Buffer.alloc(513 * PIECE))
  expect(codeOf(await line.ask(`/content/${root}?pieces=0-512`))).toBe('PM_BAD_REQUEST')
  expect(codeOf(await line.ask(`/content/${root}?pieces=0-1023`))).toBe('PM_BAD_REQUEST')
  expect((await line.pieces(root, '1-512')).bytes.equals(content.subarray(PIECE))).toBe(true)
})

test('a file that changed on disk is refused, and destroys the answer that was being sent', async () => {
  const { room, root, line } = await serving(randomBytes(40 * 2 ** 20))
  const torn = new Line(await openSession(room.url))
  await torn.ask('/table')
  torn.socket.pause()
  const answer = torn.ask(`/content/${root}?pieces=0-319`)
  await until(
    async () => torn.socket.readableLength,
    (bytes) => bytes > 0,
    5_000,
  )
  await appendFile(join(room.home, 'a.bin'), 'more')
  torn.socket.resume()
  await expect(answer).rejects.toThrow('the connection ended')
  expect(codeOf(await line.ask(`/content/${root}?pieces=0`))).toMatch(/PM_FILE_CHANGED|PM_NOT_PUBLISHED/)
  expect((await line.ask('/table')).status).toBe(200)
})

test('a file that changed before it was asked for is 409 once, and then not published', async () => {
  const { room, root, line } = await serving()
  await appendFile(join(room.home, 'a.bin'), 'more')
  const first = await line.ask(`/content/${root}?pieces=0`)
  expect([first.status, codeOf(first)]).toEqual([409, 'PM_FILE_CHANGED'])
  expect(codeOf(await line.ask(`/content/${root}?pieces=0`))).toBe('PM_NOT_PUBLISHED')
})

test('gives a content on under another of its names when the first one is gone', async () => {
  const { room, root, content, line } = await serving()
  await writeFile(join(room.home, 'b.bin'), content)
  await room.published.publish('b.bin')
  expect((await line.pieces(root, '0')).count).toBe(1)
  await rm(join(room.home, 'a.bin'))
  expect((await line.pieces(root, '1')).bytes.equals(content.subarray(PIECE, 2 * PIECE))).toBe(true)
  await rename(join(room.home, 'b.bin'), join(room.home, 'c.bin'))
  expect(codeOf(await line.ask(`/content/${root}?pieces=0`))).toBe('PM_FILE_CHANGED')
})

test('a file that was published anew, unchanged, is read through a new descriptor', async () => {
  const { room, root, content, line } = await serving()
  expect((await line.pieces(root, '0')).count).toBe(1)
  await writeFile(join(room.home, 'a.bin'), content)
  await room.published.publish('a.bin')
  expect((await line.pieces(root, '0-38')).bytes.equals(content)).toBe(true)
})

test('what is taken out is given no more, not even by a descriptor that is still open', async () => {
  const { room, root, line } = await serving()
  expect((await line.pieces(root, '0')).count).toBe(1)
  room.published.clear('a.bin')
  for (const path of ['?pieces=0', '/tree', '/have'])
    expect(codeOf(await line.ask(`/content/${root}${path}`))).toBe('PM_NOT_PUBLISHED')
})
