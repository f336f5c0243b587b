import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Allowance, type Pace } from '../../src/allowance.ts'

const NONE = Number.POSITIVE_INFINITY

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

interface Move {
  readonly at: number
  readonly bytes: number
}

/** A stream that always has something to send. */
const saturate = (pace: Pace, moves: Move[], signal: AbortSignal): void => {
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      const bytes = pace.sliceBytes
      await pace.take(bytes, signal)
      moves.push({ at: performance.now(), bytes })
    }
  }
  run().catch(() => {})
}

const sum = (moves: readonly Move[]): number => moves.reduce((all, { bytes }) => all + bytes, 0)

/** The most and the least that moved in any five seconds after the first. */
const windows = (moves: readonly Move[], endMs: number): { most: number; least: number } => {
  const sums: number[] = []
  for (let from = 1_000; from + 5_000 <= endMs; from += 100)
    sums.push(sum(moves.filter(({ at }) => at >= from && at < from + 5_000)))
  return { most: Math.max(...sums), least: Math.min(...sums) }
}

describe('a limit in all', () => {
  test('holds within 5 % over any five seconds, however many peers and streams there are', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 50_000, max: 20_000_000 }),
        fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 5 }),
        async (rate, streams) => {
          const allowance = new Allowance({ all: rate, each: NONE })
          const end = new AbortController()
          const began = performance.now()
          const all: Move[] = []
          for (const [peer, count] of streams.entries()) {
            for (let i = 0; i < count; i++) saturate(allowance.of(String(peer)), all, end.signal)
          }
          await vi.advanceTimersByTimeAsync(8_000)
          end.abort()
          const moves = all.map(({ at, bytes }) => ({ at: at - began, bytes }))
          const { most, least } = windows(moves, 8_000)
          expect(most).toBeLessThanOrEqual(rate * 5 * 1.05)
          expect(least).toBeGreaterThanOrEqual(rate * 5 * 0.95)
          expect(sum(moves)).toBeLessThanOrEqual(rate * 8.1 + 1)
        },
      ),
      { numRuns: 12 },
    )
  })

  test('holds at 100 MB/s', async () => {
    const allowance = new Allowance({ all: 100_000_000, each: NONE })
    const end = new AbortController()
    const began = performance.now()
    const moves: Move[] = []
    for (const peer of ['a', 'b']) saturate(allowance.of(peer), moves, end.signal)
    await vi.advanceTimersByTimeAsync(7_000)
    end.abort()
    const { most, least } = windows(
      moves.map(({ at, bytes }) => ({ at: at - began, bytes })),
      7_000,
    )
    expect(most).toBeLessThanOrEqual(525_000_000)
    expect(least).toBeGreaterThanOrEqual(475_000_000)
  })

  test('is shared evenly among peers, whoever has more streams and whoever came first', async () => {
    const allowance = new Allowance({ all: 300_000, each: NONE })
    const end = new AbortController()
    const [many, one, late]: [Move[], Move[], Move[]] = [[], [], []]
    for (let i = 0; i < 5; i++) saturate(allowance.of('many'), many, end.signal)
    saturate(allowance.of('one'), one, end.signal)
    await vi.advanceTimersByTimeAsync(10_000)
    expect(sum(one) / sum(many)).toBeGreaterThan(0.95)
    expect(sum(one) / sum(many)).toBeLessThan(1.05)
    const before = sum(one)
    saturate(allowance.of('late'), late, end.signal)
    await vi.advanceTimersByTimeAsync(6_000)
    end.abort()
    // Nobody catches up on what it did not ask for.
    expect(sum(late) / (sum(one) - before)).toBeGreaterThan(0.95)
    expect(sum(late) / (sum(one) - before)).toBeLessThan(1.05)
  })

  test('leaves what one does not use to the others', async () => {
    const allowance = new Allowance({ all: 1_000_000, each: NONE })
    const end = new AbortController()
    const moves: Move[] = []
    saturate(allowance.of('busy'), moves, end.signal)
    const lazy = allowance.of('lazy')
    for (let second = 0; second < 5; second++) {
      const taken = lazy.take(1_000)
      await vi.advanceTimersByTimeAsync(1_000)
      await taken
    }
    end.abort()
    expect(sum(moves)).toBeGreaterThan(4_750_000)
  })
})

describe('a limit for each peer', () => {
  test('holds beside the one in all, and a peer at its limit holds up nobody else', async () => {
    const allowance = new Allowance({ all: 250_000, each: 100_000 })
    const end = new AbortController()
    const began = performance.now()
    const peers = ['a', 'b', 'c'].map((peer) => ({ peer, moves: [] as Move[] }))
    const [first] = peers
    if (first) for (let i = 0; i < 3; i++) saturate(allowance.of(first.peer), first.moves, end.signal)
    await vi.advanceTimersByTimeAsync(8_000)
    const alone = windows(first?.moves.map(({ at, bytes }) => ({ at: at - began, bytes })) ?? [], 8_000)
    expect(alone.most).toBeLessThanOrEqual(525_000)
    expect(alone.least).toBeGreaterThanOrEqual(475_000)
    const before = sum(first?.moves ?? [])
    for (const { peer, moves } of peers.slice(1)) saturate(allowance.of(peer), moves, end.signal)
    await vi.advanceTimersByTimeAsync(10_000)
    end.abort()
    const got = peers.map(({ moves }, at) => sum(moves) - (at === 0 ? before : 0))
    expect(got.reduce((all, bytes) => all + bytes, 0)).toBeLessThan(250_000 * 10.2)
    for (const bytes of got) expect(bytes / 833_333).toBeGreaterThan(0.95)
  })
})

test('without a limit nobody waits', () => {
  const pace = new Allowance({ all: NONE, each: NONE }).of('a')
  expect(pace.sliceBytes).toBe(NONE)
  expect(pace.take(2 ** 40)).toBeUndefined()
})

test('whoever waits goes away at once, and what it wanted is for the others', async () => {
  const allowance = new Allowance({ all: 50_000, each: NONE })
  const end = new AbortController()
  const pace = allowance.of('a')
  pace.take(5_000)
  const gone = pace.take(1_000, end.signal)
  const stays = pace.take(1_000)
  end.abort(new Error('gone'))
  await expect(gone).rejects.toThrow('gone')
  await vi.advanceTimersByTimeAsync(25)
  await stays
  expect(() => end.signal.throwIfAborted()).toThrow('gone')
  await expect(pace.take(1_000, end.signal)).rejects.toThrow('gone')
})

test('a limit that is lifted lets everybody go, and a new one holds from then on', async () => {
  const allowance = new Allowance({ all: 50_000, each: NONE })
  const end = new AbortController()
  const pace = allowance.of('a')
  pace.take(5_000)
  const waits = [pace.take(1_000), pace.take(1_000)]
  allowance.set({ all: NONE, each: NONE })
  await Promise.all(waits)
  const moves: Move[] = []
  allowance.set({ all: 100_000, each: NONE })
  saturate(pace, moves, end.signal)
  await vi.advanceTimersByTimeAsync(10_000)
  end.abort()
  expect(sum(moves)).toBeLessThanOrEqual(1_010_000)
  expect(sum(moves)).toBeGreaterThan(950_000)
})

test('a few streams run at a time where there is little for them', () => {
  expect(new Allowance({ all: 50_000, each: NONE }).streams).toEqual({ all: 1, each: 1, bytes: 5_000 })
  expect(new Allowance({ all: 1_000_000, each: 100_000 }).streams).toEqual({ all: 31, each: 3, bytes: 10_000 })
})
