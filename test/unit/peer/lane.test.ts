/** Pieces through the lane, from holders that are honest: whole, in any cuts, many at once, over connections that are used again. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Lane } from '../../../src/peer/lane.ts'
import { PATIENCE } from '../../../src/peer/patience.ts'
import { until } from '../../helpers/api.ts'
import { asking, CONTENT, FRAME, headFor, type sealedBody, sealedError, startHolder, whole } from './lane-fixture.ts'

const GOOD = {
  code: undefined,
  heads: [[3, 17, CONTENT.length]],
  frames: [FRAME, FRAME, CONTENT.length - 2 * FRAME],
}

test('an answer comes frame by frame, and all of its bytes are told', async () => {
  const { address } = await startHolder(({ socket, exchange }) => socket.write(whole(exchange)))
  const got = await asking().get(address)
  expect(got).toMatchObject(GOOD)
  expect(got.content.equals(CONTENT)).toBe(true)
  expect(got.progress.reduce((sum, bytes) => sum + bytes, 0)).toBe(CONTENT.length + 17 + 24 + 3 * 16)
})

test('a question is what the holder expects, with its address as it is known', async () => {
  let text = ''
  const { address } = await startHolder((question) => {
    text = question.text
    question.socket.write(whole(question.exchange))
  })
  const named = address.replace('127.0.0.1', 'localhost')
  expect(await asking().get(named)).toMatchObject(GOOD)
  expect(text.split('\r\n').slice(0, 4)).toEqual([
    `GET /content/${'b'.repeat(64)}?pieces=3-19 HTTP/1.1`,
    `host: ${named}`,
    'connection: keep-alive',
    'accept-encoding: identity',
  ])
  expect(text.split('\r\n').slice(4)).toEqual([
    expect.stringMatching(/^portmesh-auth: v=1; sid=.{22}; n=1; mac=.{43}$/),
    '',
    '',
  ])
})

test('the head of an answer may be split anywhere', async () => {
  const content = CONTENT.subarray(0, 100)
  const { address } = await startHolder(async ({ socket, exchange, before }) => {
    const bytes = whole(exchange, content)
    socket.setNoDelay(true)
    socket.write(bytes.subarray(0, before + 1))
    await sleep(5)
    socket.write(bytes.subarray(before + 1))
  })
  const { get } = asking()
  for (let cut = 1; cut <= headFor(200).length + 30; cut++) {
    const got = await get(address)
    expect([got.code, got.content.equals(content)], `${cut}`).toEqual([undefined, true])
  }
})

test('connections are used again, and end when nobody needs them any more', async () => {
  const holder = await startHolder(({ socket, exchange }) => socket.write(whole(exchange)))
  const { get, broken, reach } = asking()
  for (let time = 0; time < 5; time++) expect(await get(holder.address)).toMatchObject(GOOD)
  expect(holder.connections).toBe(1)
  await until(
    async () => holder.sockets.size,
    (open) => open === 0,
    10_000,
  )
  expect(await get(holder.address)).toMatchObject(GOOD)
  await reach.drop()
  await until(
    async () => holder.sockets.size,
    (open) => open === 0,
    5_000,
  )
  expect(broken).toEqual([])
  expect(await get(holder.address)).toMatchObject(GOOD)
})

test('a refusal says what it says, and its connection is used again', async () => {
  const answers: [number, string][] = [
    [404, 'PM_NO_PIECE'],
    [429, 'PM_BUSY'],
    [409, 'PM_FILE_CHANGED'],
    [503, 'PM_STOPPING'],
  ]
  const holder = await startHolder(({ socket, exchange, before }) => {
    const [status, code] = answers[before] ?? [500, '']
    const body = sealedError(exchange, status, code)
    socket.write(Buffer.concat([Buffer.from(headFor(body.length, status)), body]))
  })
  const { get } = asking()
  for (const [, code] of answers) expect((await get(holder.address)).code).toBe(code)
  expect((await get(holder.address)).code).toBe('PM_PEER_MISBEHAVED')
  expect(holder.connections).toBe(1)
})

test('plain refusals are hearsay: another session once, or waiting', async () => {
  const holder = await startHolder(({ socket, exchange, before }) => {
    const status = [401, 200, 401, 401, 429, 503][before] ?? 200
    socket.write(status === 200 ? whole(exchange) : `HTTP/1.1 ${status} No\r\nContent-Length: 2\r\n\r\n{}`)
  })
  const asker = asking()
  expect(await asker.get(holder.address)).toMatchObject(GOOD)
  expect(asker.dropped).toBe(1)
  for (const code of ['PM_PEER_UNREACHABLE', 'PM_BUSY', 'PM_STOPPING'])
    expect((await asker.get(holder.address)).code).toBe(code)
  expect(holder.connections).toBe(1)
})

test('many come at once over at most 24 connections', async () => {
  let most = 0
  const holder = await startHolder(async ({ socket, exchange }) => {
    most = Math.max(most, holder.sockets.size)
    await sleep(20)
    socket.write(whole(exchange))
  })
  const { get } = asking()
  const all = await Promise.all(Array.from({ length: 60 }, async () => await get(holder.address)))
  for (const got of all) expect([got.code, got.content.equals(CONTENT)]).toEqual([undefined, true])
  expect([most, holder.connections]).toEqual([24, 24])
})

test('a sink that makes it wait stops the holder, for longer than a slow one has, and nobody else', async () => {
  const content = Buffer.alloc(32 * FRAME, 7)
  const holder = await startHolder(({ socket, exchange }) => socket.write(whole(exchange, content)))
  const other = await startHolder(({ socket, exchange }) => socket.write(whole(exchange)))
  const { get } = asking({ slowMs: 1_500 })
  const gate = Promise.withResolvers<void>()
  let frames = 0
  const frame = (): Promise<void> => {
    frames += 1
    return gate.promise
  }
  const slow = Array.from({ length: 4 }, async () => await get(holder.address, { sink: { frame } }))
  await until(
    async () => frames,
    (told) => told === 4 * 2,
    10_000,
  )
  await sleep(4_000)
  // A few frames are under way, and the rest is still with the holder.
  expect(frames).toBe(4 * 2)
  for (const socket of holder.sockets) expect(socket.writableLength).toBeGreaterThan(12 * FRAME)
  expect(await get(other.address)).toMatchObject(GOOD)
  expect(frames).toBe(4 * 2)
  gate.resolve()
  for (const got of await Promise.all(slow)) expect([got.code, got.content.equals(content)]).toEqual([undefined, true])
})

test('a holder that sends little by little is seen to be alive', async () => {
  const { address } = await startHolder(async ({ socket, exchange }) => {
    const bytes = whole(exchange)
    for (let part = 0; part < 10; part++) {
      socket.write(bytes.subarray(part * 1_000, (part + 1) * 1_000))
      await sleep(50)
    }
    socket.write(bytes.subarray(10_000))
  })
  const times: number[] = []
  const got = await asking().get(address, { sink: { progress: () => times.push(performance.now()) } })
  expect(got).toMatchObject(GOOD)
  const pauses = times.slice(1).map((time, at) => time - (times[at] ?? 0))
  expect(times.length).toBeGreaterThan(5)
  expect(Math.max(...pauses)).toBeLessThan(700)
})

test('a thread that cannot begin, or dies, is Busy; the next question begins another', async () => {
  const { address } = await startHolder(() => {})
  const exchange = { sid: new Uint8Array(16), peerId: '', n: 1, method: 'GET', target: '/' }
  const keys = { enc: new Uint8Array(32), auth: new Uint8Array(32) }
  const asked = { address, auth: '', exchange: { ...exchange, keys: { i2r: keys, r2i: keys } }, patience: PATIENCE }
  const reader = { head: () => {}, frame: () => undefined, progress: () => {} }
  const { signal } = new AbortController()
  for (const text of [
    'throw new Error("no")',
    'process.exit(0)',
    'setTimeout(() => { throw new Error("later") }, 50)',
  ]) {
    const lane = new Lane(() => {}, new URL(`data:text/javascript,${encodeURIComponent(text)}`))
    for (let time = 0; time < 2; time++) {
      const both = await Promise.allSettled([lane.ask(asked, reader, signal), lane.ask(asked, reader, signal)])
      expect(both).toMatchObject([{ reason: { code: 'PM_BUSY' } }, { reason: { code: 'PM_BUSY' } }])
    }
  }
})

test('what the sink throws ends the answer', async () => {
  const holder = await startHolder(({ socket, exchange }) => socket.write(sealedBodyWithHead(exchange)))
  const { get, broken } = asking()
  for (const at of ['head', 'frame', 'progress'] as const) {
    const sink = {
      [at]: () => {
        throw new Error(`no ${at}`)
      },
    }
    expect((await get(holder.address, { sink })).error).toMatchObject({ message: `no ${at}` })
  }
  expect(broken).toEqual([])
})

const sealedBodyWithHead = (exchange: Parameters<typeof sealedBody>[0]): Buffer =>
  whole(exchange, Buffer.alloc(20 * FRAME))
