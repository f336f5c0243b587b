import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { PieceSet } from '../../../src/store/piece-set.ts'
import { type Given, Giving, type GivingDeps } from '../../../src/transfer/giving.ts'
import { MemoryHolding } from '../../helpers/memory-holding.ts'
import { codeOf, until } from '../store/fixture.ts'

const PIECE = 128 * 1024
const never = new AbortController().signal

const givingOf = (holding: MemoryHolding, deps: Partial<GivingDeps> = {}): Giving => {
  const giving = new Giving({ holdings: [holding.holdings], addressOf: () => undefined, ...deps })
  onTestFinished(() => giving.stop())
  return giving
}

const allBits = (pieces: number) => ({ first: 0, bits: PieceSet.full(pieces).toBytes() })

const read = async (given: Given, whole = true): Promise<Buffer> => {
  const parts: Buffer[] = []
  for (let frame = await given.next(); frame; frame = await given.next()) parts.push(Buffer.from(frame))
  await given.end(whole)
  return Buffer.concat(parts)
}

test('reads frames of 1 MiB from the beginning of the run on', async () => {
  const holding = new MemoryHolding(randomBytes(30 * PIECE + 77))
  const giving = givingOf(holding)
  const asked = { run: { first: 3, count: 28 }, want: undefined }
  const given = await giving.pieces(holding.root, 'a', asked, never)
  const frames: number[] = []
  const parts: Buffer[] = []
  for (let frame = await given.next(); frame; frame = await given.next()) {
    frames.push(frame.length)
    parts.push(Buffer.from(frame))
  }
  await given.end(true)
  expect(frames).toEqual([2 ** 20, 2 ** 20, 2 ** 20, 3 * PIECE + 77])
  expect(Buffer.concat(parts).equals(holding.content.subarray(3 * PIECE))).toBe(true)
  expect(given.bytes).toBe(holding.size - 3 * PIECE)
})

test('counts what is on its way, and gives back what broke off', async () => {
  const holding = new MemoryHolding(randomBytes(4 * PIECE))
  const giving = givingOf(holding)
  const ask = (asker: string) =>
    giving.pieces(holding.root, asker, { run: { first: 0, count: 1 }, want: allBits(4) }, never)
  const [first, second] = [await ask('a'), await ask('b')]
  expect([first.run.first, second.run.first]).toEqual([0, 1])
  await first.end(false)
  await second.end(true)
  const third = await ask('c')
  expect(third.run.first).toBe(0)
  await third.end(true)
  const fourth = await ask('d')
  expect(fourth.run.first).toBe(2)
  await fourth.end(true)
})

test('a failed reading gives back its counts, its place and its descriptor', async () => {
  const holding = new MemoryHolding(randomBytes(4 * PIECE))
  const giving = givingOf(holding, { gate: { askers: 1, waitMs: 100 }, keepOpenMs: 10 })
  holding.beforeRead = () => {
    throw Object.assign(new Error('the disk fails'), { code: 'EIO' })
  }
  const asked = { run: { first: 0, count: 1 }, want: allBits(4) }
  for (let i = 0; i < 3; i++) expect(await codeOf(giving.pieces(holding.root, 'a', asked, never))).toBe('EIO')
  expect(holding.stillOpen).toBe(0)
  holding.beforeRead = () => {}
  const given = await giving.pieces(holding.root, 'b', asked, never)
  expect(given.run.first).toBe(0)
  await given.end(true)
})

test('opens a holding once for many answers, and closes it a moment after the last', async () => {
  const holding = new MemoryHolding(randomBytes(40 * PIECE))
  const giving = givingOf(holding, { keepOpenMs: 100 })
  for (let round = 0; round < 5; round++) {
    await Promise.all(
      Array.from({ length: 8 }, async (_, at) => {
        const asked = { run: { first: round * 8 + at, count: 1 }, want: undefined }
        const bytes = await read(await giving.pieces(holding.root, `${at}`, asked, never))
        const from = (round * 8 + at) * PIECE
        expect(bytes.equals(holding.content.subarray(from, from + PIECE))).toBe(true)
      }),
    )
  }
  expect([holding.opened, holding.stillOpen]).toEqual([1, 1])
  await until(() => holding.stillOpen === 0)
  const given = await giving.pieces(holding.root, 'a', { run: { first: 0, count: 1 }, want: undefined }, never)
  expect(holding.opened).toBe(2)
  await given.end(true)
  await giving.stop()
  expect(holding.stillOpen).toBe(0)
})

test('keeps at most 64 holdings open, the latest used ones', async () => {
  const all = Array.from({ length: 70 }, (_, at) => new MemoryHolding(Buffer.alloc(100, at)))
  const giving = new Giving({
    holdings: [(root) => all.find((holding) => holding.root === root)],
    addressOf: () => undefined,
  })
  onTestFinished(() => giving.stop())
  const asked = { run: { first: 0, count: 1 }, want: undefined }
  for (const holding of all) await read(await giving.pieces(holding.root, 'a', asked, never))
  await sleep(10)
  expect(all.map(({ stillOpen }) => stillOpen)).toEqual([...Array(6).fill(0), ...Array(64).fill(1)])
  // When all 64 are in use, there is no place for another one.
  const inUse = await Promise.all(all.slice(6).map(({ root }) => giving.pieces(root, 'a', asked, never)))
  expect(await codeOf(giving.pieces(all[0]?.root ?? '', 'a', asked, never))).toBe('PM_BUSY')
  for (const given of inUse) await given.end(true)
  await read(await giving.pieces(all[0]?.root ?? '', 'a', asked, never))
})

test('closes at once what is not here any more', async () => {
  const holding = new MemoryHolding(randomBytes(PIECE))
  const giving = givingOf(holding, { keepOpenMs: 60_000 })
  await read(await giving.pieces(holding.root, 'a', { run: { first: 0, count: 1 }, want: undefined }, never))
  expect(holding.stillOpen).toBe(1)
  holding.end()
  await until(() => holding.stillOpen === 0)
  expect(await codeOf(giving.tree(holding.root))).toBe('PM_NOT_PUBLISHED')
})

test('does not hold more memory than it may, and has it back', async () => {
  const holding = new MemoryHolding(randomBytes(16 * PIECE))
  const giving = givingOf(holding)
  const ask = (count: number) => giving.pieces(holding.root, 'a', { run: { first: 0, count }, want: undefined }, never)
  const running = await Promise.all(Array.from({ length: 64 }, () => ask(16)))
  expect(await codeOf(ask(16))).toBe('PM_BUSY')
  expect(await codeOf(ask(1))).toBe('PM_BUSY')
  await running[0]?.end(true)
  const small = await Promise.all(Array.from({ length: 8 }, () => ask(1)))
  expect(await codeOf(ask(1))).toBe('PM_BUSY')
  for (const given of [...running.slice(1), ...small]) await given.end(true)
  await read(await ask(16))
})

test('two answers never share a buffer', async () => {
  const holding = new MemoryHolding(randomBytes(64 * PIECE))
  const giving = givingOf(holding)
  holding.beforeRead = async () => await sleep(Math.random() * 3)
  await Promise.all(
    Array.from({ length: 40 }, async (_, at) => {
      const first = (at * 7) % 50
      const count = 1 + ((at * 5) % 14)
      const given = await giving.pieces(holding.root, `${at % 3}`, { run: { first, count }, want: undefined }, never)
      let position = first * PIECE
      for (let frame = await given.next(); frame; frame = await given.next()) {
        await sleep(Math.random() * 3)
        const same = Buffer.from(holding.content.subarray(position, position + frame.length)).equals(frame)
        expect([at, position, same]).toEqual([at, position, true])
        position += frame.length
      }
      expect(position).toBe((first + count) * PIECE)
      await given.end(true)
    }),
  )
})

test('when one source of contents has none, the next one is asked', async () => {
  const holding = new MemoryHolding(randomBytes(PIECE))
  const giving = givingOf(holding, { holdings: [() => undefined, holding.holdings] })
  expect(await giving.tree(holding.root)).toHaveLength(32)
})

test('after it stopped it gives nothing', async () => {
  const holding = new MemoryHolding(randomBytes(PIECE))
  const giving = givingOf(holding)
  await giving.stop()
  const asked = { run: { first: 0, count: 1 }, want: undefined }
  expect(await codeOf(giving.pieces(holding.root, 'a', asked, never))).toBe('PM_STOPPING')
  expect(() => giving.follow(holding.root, 'a')).toThrow('stopping')
})

test('counts are kept for the contents that were asked for last', async () => {
  const all = Array.from({ length: 200 }, (_, at) => new MemoryHolding(Buffer.alloc(2 * PIECE, at)))
  const giving = new Giving({ holdings: [(root) => all.find((one) => one.root === root)], addressOf: () => undefined })
  onTestFinished(() => giving.stop())
  const ask = async (at: number): Promise<number> => {
    const given = await giving.pieces(
      all[at]?.root ?? '',
      'a',
      { run: { first: 0, count: 1 }, want: allBits(2) },
      never,
    )
    await given.end(true)
    return given.run.first
  }
  expect(await ask(0)).toBe(0)
  for (let at = 1; at < 100; at++) await ask(at)
  expect(await ask(0)).toBe(1)
  for (let at = 1; at < 200; at++) await ask(at)
  expect(await ask(0)).toBe(0)
})
