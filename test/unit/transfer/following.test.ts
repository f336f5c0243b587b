import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { Busy, FileChanged, NotPublished, PeerMisbehaved, PeerUnreachable } from '../../../src/errors.ts'
import type { HaveMessage } from '../../../src/protocol/contents.ts'
import { Following, type Holder } from '../../../src/transfer/following.ts'
import { until } from '../../helpers/api.ts'

const holder = (id: string): Holder => ({ id, name: `node ${id}`, address: `127.0.0.1:${id}` })

/** A have stream in the hands of the test. */
interface Stream {
  readonly id: string
  say(message: HaveMessage): void
  /** Without an error: the clean end. */
  end(error?: unknown): void
  readonly closed: () => boolean
}

/** Holders whose streams the test speaks. */
const following = (restMs = 40) => {
  const pieces = 16
  const publishers = new Set<Holder>()
  const others = new Set<Holder>()
  const streams: Stream[] = []
  const news: string[] = []
  const lost: [id: string, code: string][] = []
  const over = new AbortController()
  const client = {
    have: async function* ({ id }: { id: string }, _root: string, signal: AbortSignal): AsyncGenerator<HaveMessage> {
      const waiting: (HaveMessage | { error: unknown })[] = []
      let wake = (): void => {}
      let closed = false
      streams.push({
        id,
        say: (message) => {
          waiting.push(message)
          wake()
        },
        end: (error) => {
          waiting.push({ error })
          wake()
        },
        closed: () => closed,
      })
      signal.addEventListener('abort', () => wake())
      try {
        for (;;) {
          signal.throwIfAborted()
          const next = waiting.shift()
          if (!next) {
            await new Promise<void>((resolve) => {
              wake = resolve
            })
          } else if ('error' in next) {
            if (next.error !== undefined) throw next.error
            return
          } else yield next
        }
      } finally {
        closed = true
      }
    },
  }
  let woken = 0
  const followed = new Following({
    ...{ client, root: 'a'.repeat(64), pieces, restMs, signal: over.signal },
    publishers: () => [...publishers],
    at: (address) => [...publishers, ...others].find((one) => one.address === address),
    news: {
      join: (id) => news.push(`join ${id}`),
      leave: (id) => news.push(`leave ${id}`),
      hasAll: (id) => news.push(`all ${id}`),
      hasBits: (id, set) => news.push(`bits ${id} ${set.size}`),
      hasNew: (id, fresh) => news.push(`new ${id} ${fresh.join()}`),
    },
    wake: () => {
      woken += 1
    },
    onLost: ({ id }, error) => {
      lost.push([id, error instanceof Error && 'code' in error ? String(error.code) : String(error)])
    },
  })
  onTestFinished(async () => {
    over.abort()
    await followed.idle()
  })
  const streamOf = (id: string): Stream => {
    const found = streams.findLast((stream) => stream.id === id)
    if (!found) throw new Error(`nobody follows ${id}`)
    return found
  }
  /** Look until it is followed anew. */
  const again = async (id: string, times: number, withinMs = 1_000): Promise<void> => {
    await until(
      async () => {
        followed.look()
        return streams.filter((stream) => stream.id === id).length
      },
      (count) => count === times,
      withinMs,
    )
  }
  return { followed, publishers, others, streams, streamOf, news, lost, over, again, woken: () => woken }
}

test('follows who is there, once, and hands its news on', async () => {
  const { followed, publishers, streams, streamOf, news, woken } = following()
  publishers.add(holder('1')).add(holder('2'))
  followed.look()
  followed.look()
  expect(streams.map(({ id }) => id)).toEqual(['1', '2'])
  streamOf('1').say({ all: true })
  streamOf('2').say({ bits: Buffer.from([0x80, 0x01]).toString('base64url') })
  await nextTurn()
  streamOf('2').say({ new: [3, 4] })
  streamOf('2').say({})
  streamOf('2').say({ all: true })
  await nextTurn()
  expect(news).toEqual(['join 1', 'all 1', 'join 2', 'bits 2 2', 'new 2 3,4', 'all 2'])
  expect(woken()).toBe(5)
})

test('a holder that breaks off is followed again after a rest that grows, until it gives something', async () => {
  const { followed, publishers, streamOf, again, lost } = following()
  publishers.add(holder('1'))
  const restOf = async (times: number): Promise<number> => {
    streamOf('1').say({ all: true })
    streamOf('1').end(new PeerUnreachable('x'))
    const since = performance.now()
    await again('1', times)
    return performance.now() - since
  }
  await again('1', 1)
  expect(await restOf(2)).toBeGreaterThanOrEqual(39)
  expect(await restOf(3)).toBeGreaterThanOrEqual(79)
  expect(await restOf(4)).toBeGreaterThanOrEqual(159)
  followed.helped('1')
  const short = await restOf(5)
  expect(short).toBeGreaterThanOrEqual(39)
  expect(short).toBeLessThan(319)
  // Nobody is told of those who are just away.
  streamOf('1').end(new Busy())
  await again('1', 6)
  expect(lost).toEqual([])
})

test('who has gone from the table while it rests is followed at once when it is back', async () => {
  const { followed, publishers, streamOf, again } = following()
  const one = holder('1')
  publishers.add(one)
  for (let times = 1; times <= 5; times++) {
    await again('1', times, 2_000)
    streamOf('1').end(new PeerUnreachable('x'))
    await nextTurn()
  }
  // Its rest would be 640 ms now.
  publishers.clear()
  followed.look()
  await nextTurn()
  publishers.add(one)
  const since = performance.now()
  await again('1', 6)
  expect(performance.now() - since).toBeLessThan(600)
})

test('who lied is never followed again, its stream is closed, and nobody names it back', async () => {
  const { followed, publishers, streams, streamOf, news, lost } = following()
  const one = holder('1')
  publishers.add(one)
  followed.look()
  streamOf('1').say({ all: true })
  await nextTurn()
  followed.ban('1', new PeerMisbehaved('x'))
  followed.ban('1', new PeerMisbehaved('x'))
  await until(
    async () => streamOf('1').closed(),
    (closed) => closed,
  )
  await sleep(60)
  followed.look()
  followed.named(one.address)
  followed.look()
  expect(streams).toHaveLength(1)
  expect(lost).toEqual([['1', 'PM_PEER_MISBEHAVED']])
  expect(news).toContain('leave 1')
  // It is still known by name, for whoever finds out more later.
  expect(followed.holder('1')).toBe(one)
})

test.each<[string, HaveMessage[]]>([
  ['nothing about what is here', [{ new: [1] }]],
  ['bits of another content', [{ bits: Buffer.alloc(3).toString('base64url') }]],
  ['bits a second time', [{ all: true }, { bits: Buffer.alloc(2).toString('base64url') }]],
  ['a piece beyond the last one', [{ all: true }, { new: [16] }]],
])('%s is a lie', async (_what, messages) => {
  const { followed, publishers, streamOf, lost, streams } = following()
  publishers.add(holder('1'))
  followed.look()
  for (const message of messages) streamOf('1').say(message)
  await until(
    async () => lost.length,
    (count) => count === 1,
  )
  expect(lost).toEqual([['1', 'PM_PEER_MISBEHAVED']])
  await sleep(60)
  followed.look()
  expect(streams).toHaveLength(1)
})

test('the end of a content, and a file that has changed, are told', async () => {
  const { followed, publishers, streamOf, lost } = following()
  for (const id of ['1', '2', '3']) publishers.add(holder(id))
  followed.look()
  streamOf('1').end()
  streamOf('2').end(new FileChanged())
  streamOf('3').end(new NotPublished())
  await until(
    async () => lost.length,
    (count) => count === 3,
  )
  expect(Object.fromEntries(lost)).toEqual({ 1: 'PM_NOT_PUBLISHED', 2: 'PM_FILE_CHANGED', 3: 'PM_NOT_PUBLISHED' })
})

test('of many publishers sixteen are followed; who rests makes room for the next', async () => {
  const { followed, publishers, streams, streamOf } = following()
  for (let id = 1; id <= 40; id++) publishers.add(holder(String(id)))
  followed.look()
  expect(streams).toHaveLength(16)
  for (const id of ['1', '2', '3']) streamOf(id).end(new PeerUnreachable('x'))
  followed.ban('4', new PeerMisbehaved('x'))
  await nextTurn()
  followed.look()
  expect(streams.slice(16).map(({ id }) => id)).toEqual(['17', '18', '19', '20'])
})

test('relays that are named are followed at the next look: only those of the table, and at most sixteen', async () => {
  const { followed, others, streams, streamOf, lost, again } = following()
  for (let id = 1; id <= 30; id++) others.add(holder(String(id)))
  followed.named('192.0.2.1:99')
  followed.named('nonsense')
  followed.named('127.0.0.1:5')
  expect(streams).toEqual([])
  followed.look()
  expect(streams.map(({ id }) => id)).toEqual(['5'])
  for (let id = 1; id <= 30; id++) followed.named(`127.0.0.1:${id}`)
  followed.look()
  expect(streams).toHaveLength(16)
  // One that has nothing any more gives its place, and is no news; one that broke off is tried again.
  streamOf('5').end(new NotPublished())
  streamOf('1').end(new PeerUnreachable('x'))
  await again('1', 2)
  await sleep(60)
  followed.named('127.0.0.1:30')
  followed.look()
  expect(streams.filter(({ id }) => id === '5')).toHaveLength(1)
  expect(streams.filter(({ id }) => id === '30')).toHaveLength(1)
  expect(lost).toEqual([])
})

test('news without end are taken at a pace', async () => {
  const { followed, publishers, streamOf, woken } = following()
  publishers.add(holder('1'))
  followed.look()
  streamOf('1').say({ all: true })
  for (let message = 0; message < 5_000; message++) streamOf('1').say({})
  await sleep(300)
  expect(woken()).toBeGreaterThan(64)
  expect(woken()).toBeLessThan(64 + 200)
})

test('when it is over everything ends at once, whoever rests or speaks', async () => {
  const { followed, publishers, streamOf, over, streams } = following(5_000)
  for (const id of ['1', '2']) publishers.add(holder(id))
  followed.look()
  streamOf('1').say({ all: true })
  streamOf('2').end(new PeerUnreachable('x'))
  await nextTurn()
  over.abort()
  const since = performance.now()
  await followed.idle()
  expect(performance.now() - since).toBeLessThan(2_000)
  followed.look()
  expect([streams.length, streams.every((stream) => stream.closed())]).toEqual([2, true])
})
