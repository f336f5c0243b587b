import { randomBytes } from 'node:crypto'
import { mkdir, readdir, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Sink } from '../../../src/transfer/sink.ts'
import { WorkerPool } from '../../../src/workers.ts'
import { canMount, smallDisk } from '../../helpers/faults.ts'
import { tempDir } from '../../helpers/process.ts'
import { type Arrival, arrivalOf, codeOf, contentOf, MIB, membersOf, PIECE, setOf } from './content-fixture.ts'

const pieces = (judged: Arrival['right']): number[] => judged.map(([piece]) => piece)

test.each([0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 5 * MIB + 7])(
  'a content of %i bytes is written, and hashed when all of it is there',
  async (size) => {
    const content = contentOf(size)
    const { sink, put, right, wrong, file } = await arrivalOf(content)
    expect(membersOf(await sink.ready)).toEqual([])
    const count = Math.ceil(size / PIECE)
    for (let first = 0; first < count; first += 8) await put(content.bytes, first, Math.min(8, count - first))
    expect(await sink.whole).toBe(content.hash)
    expect([right.length, wrong.length]).toEqual([count, 0])
    expect((await file()).equals(content.bytes)).toBe(true)
  },
)

test('pieces that come in any order hash right, each of them told with who sent it', async () => {
  const content = contentOf(20 * PIECE + 5)
  const { sink, put, right, file } = await arrivalOf(content)
  await sink.ready
  const order = [20, 7, 0, 1, 19, 3, 2, 18, 4, 6, 5, 8, 10, 9, 11, 17, 16, 15, 12, 14, 13]
  for (const piece of order) await put(content.bytes, piece, 1, `holder ${piece % 3}`)
  expect(await sink.whole).toBe(content.hash)
  expect(right).toEqual(order.map((piece) => [piece, `holder ${piece % 3}`]))
  expect((await file()).equals(content.bytes)).toBe(true)
})

test('a wrong piece is not written and named with its sender, its neighbours in the same unit are kept', async () => {
  const content = contentOf(6 * PIECE)
  const { sink, put, right, wrong, judged, file } = await arrivalOf(content)
  await sink.ready
  const lies = Buffer.from(content.bytes)
  lies.writeUInt8((lies[2 * PIECE] ?? 0) ^ 1, 2 * PIECE)
  lies.writeUInt8((lies[4 * PIECE - 1] ?? 0) ^ 1, 4 * PIECE - 1)
  await put(lies, 0, 6, 'a liar')
  await judged(6)
  expect([pieces(right), wrong]).toEqual([
    [0, 1, 4, 5],
    [
      [2, 'a liar'],
      [3, 'a liar'],
    ],
  ])
  expect((await file()).subarray(2 * PIECE, 4 * PIECE).every((byte) => byte === 0)).toBe(true)
  await put(content.bytes, 2, 2, 'somebody else')
  expect(await sink.whole).toBe(content.hash)
  expect((await file()).equals(content.bytes)).toBe(true)
})

test('a piece that comes twice is right both times and hashed once; a wrong one beside a right one spoils nothing', async () => {
  const content = contentOf(3 * PIECE)
  const { sink, put, right, wrong, judged, file } = await arrivalOf(content)
  await sink.ready
  for (const piece of [1, 1, 0]) await put(content.bytes, piece)
  await put(randomBytes(3 * PIECE), 0, 2)
  await judged(5)
  expect([pieces(right), wrong]).toEqual([[1, 1, 0, 0, 1], []])
  await put(content.bytes, 2)
  expect(await sink.whole).toBe(content.hash)
  expect((await file()).equals(content.bytes)).toBe(true)
})

test('what was written before is looked at again: only what is right counts', async () => {
  const content = contentOf(10 * PIECE + 100)
  const path = join(await tempDir(), 'partial')
  const spoiled = Buffer.from(content.bytes)
  spoiled.fill(0, 3 * PIECE, 3 * PIECE + 1)
  spoiled.fill(0, 10 * PIECE + 99)
  await writeFile(path, spoiled)
  const again = await arrivalOf(content, { path, found: Array.from({ length: 11 }, (_, piece) => piece) })
  expect(membersOf(await again.sink.ready)).toEqual([0, 1, 2, 4, 5, 6, 7, 8, 9])
  await again.put(content.bytes, 10)
  await again.put(content.bytes, 3)
  expect(await again.sink.whole).toBe(content.hash)
  expect((await again.file()).equals(content.bytes)).toBe(true)
})

test.each([
  ['cut on the border of a piece', 4 * PIECE, [0, 1, 2, 3]],
  ['cut in the middle of a piece', 4 * PIECE + 20_000, [0, 1, 2, 3]],
  ['cut by a byte', 6 * PIECE - 1, [0, 1, 2, 3, 4]],
  ['empty', 0, []],
] as const)('a file that was %s loses only what is missing', async (_what, length, left) => {
  const content = contentOf(6 * PIECE)
  const path = join(await tempDir(), 'partial')
  await writeFile(path, content.bytes)
  await truncate(path, length)
  const { sink, put, file } = await arrivalOf(content, { path, found: [0, 1, 2, 3, 4, 5] })
  expect(membersOf(await sink.ready)).toEqual(left)
  for (let piece = left.length; piece < 6; piece++) await put(content.bytes, piece)
  expect(await sink.whole).toBe(content.hash)
  expect((await file()).equals(content.bytes)).toBe(true)
})

test('a file that has grown is cut to its size', async () => {
  const content = contentOf(2 * PIECE + 1)
  const path = join(await tempDir(), 'partial')
  await writeFile(path, Buffer.concat([content.bytes, randomBytes(PIECE)]))
  const { sink, file } = await arrivalOf(content, { path, found: [0, 1, 2] })
  expect(membersOf(await sink.ready)).toEqual([0, 1, 2])
  expect(await sink.whole).toBe(content.hash)
  expect((await file()).equals(content.bytes)).toBe(true)
})

test('what is not named as there is not looked for', async () => {
  const content = contentOf(4 * PIECE)
  const path = join(await tempDir(), 'partial')
  await writeFile(path, content.bytes)
  const { sink } = await arrivalOf(content, { path, found: [2] })
  expect(membersOf(await sink.ready)).toEqual([2])
})

test('a link, a folder or a device in the place of the file is refused, and nothing is written through it', async () => {
  const content = contentOf(PIECE)
  const folder = await tempDir()
  await writeFile(join(folder, 'mine'), 'mine')
  await symlink('mine', join(folder, 'link'))
  await mkdir(join(folder, 'folder'))
  for (const [name, code] of [
    ['link', 'PM_NOT_A_FILE'],
    ['folder', 'PM_INTERNAL'],
    ['no/where', 'PM_CANNOT_WRITE'],
  ] as const) {
    const { sink } = await arrivalOf(content, { path: join(folder, name) })
    expect([await codeOf(sink.ready), await codeOf(sink.failed), await codeOf(sink.whole)], name).toEqual([
      code,
      code,
      code,
    ])
    expect(sink.over).toBe(true)
  }
  expect((await stat(join(folder, 'mine'))).size).toBe(4)
})

test.skipIf(!canMount)(
  'a disk that is full in the middle fails the writing, wakes who waits for room, and keeps what is there',
  async () => {
    const { folder } = await smallDisk(2)
    const content = contentOf(6 * MIB)
    const path = join(folder, 'partial')
    const { sink, put, right } = await arrivalOf(content, { path })
    await sink.ready
    const putting = (async () => {
      for (let first = 0; first < 48; first += 8) await put(content.bytes, first, 8)
    })()
    putting.catch(() => {})
    expect(await codeOf(sink.failed)).toBe('PM_DISK_FULL')
    expect(await codeOf(sink.whole)).toBe('PM_DISK_FULL')
    await sink.room()
    await sink.close()
    const kept = pieces(right)
    expect(kept.length).toBeGreaterThan(0)
    const again = await arrivalOf(content, { path, found: kept })
    expect(membersOf(await again.sink.ready)).toEqual(kept)
  },
)

test('closing ends everything at any moment, and the file can be gone on with', async () => {
  const content = contentOf(24 * MIB)
  const path = join(await tempDir(), 'partial')
  const before = new Set<number>()
  for (let round = 0; round < 8; round++) {
    const { sink, put, right, wrong } = await arrivalOf(content, { path, found: before })
    if (round % 2 === 1) {
      // In the middle of looking at what is there.
      await sleep(round)
      await sink.close()
      continue
    }
    expect(membersOf(await sink.ready)).toEqual([...before])
    for (let at = 0; at < 24; at += 8) await put(content.bytes, round * 24 + at, 8)
    // What was handed over is written and told before the end.
    await sink.close()
    expect([right.length, wrong]).toEqual([24, []])
    for (const piece of pieces(right)) before.add(piece)
  }
  expect(before.size).toBe(96)
})

test('without a thread for it everything is refused as busy, and no file is made', async () => {
  const none = new WorkerPool({ threads: 1, queue: 1 })
  const { size, layer } = contentOf(PIECE)
  const folder = await tempDir()
  const sinkAt = (name: string): Sink =>
    new Sink(none, {
      ...{ path: join(folder, name), size, layer, maybe: setOf(size, []) },
      ...{ onRight: () => {}, onWrong: () => {} },
    })
  const first = sinkAt('first')
  await first.ready
  const [second, third] = [sinkAt('second'), sinkAt('third')]
  expect(await codeOf(third.failed)).toBe('PM_BUSY')
  await Promise.all([first, second, third].map((sink) => sink.close()))
  expect(await readdir(folder)).not.toContain('third')
  await none.stop()
})
