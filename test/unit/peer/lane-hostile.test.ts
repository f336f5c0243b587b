/** Holders that lie, cut, stall or say more than they should, seen through the lane: an error in time, nothing wrong handed on, nothing left open. */
import { readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { until } from '../../helpers/api.ts'
import { asking, CONTENT, FRAME, headFor, sealedBody, startHolder, whole } from './lane-fixture.ts'

const UNREACHABLE = 'PM_PEER_UNREACHABLE'
const HEAD = 17 + 8 + 16
const SEALED = FRAME + 16

const gone = async (sockets: ReadonlySet<unknown>): Promise<void> => {
  await until(
    async () => sockets.size,
    (open) => open === 0,
    4_000,
  )
}

test.each([
  'HTTP/1.1 200 OK\r\nPortmesh-Sealed: v=1\r\n\r\n',
  'HTTP/1.1 200 OK\r\nPortmesh-Sealed: v=1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
  'HTTP/1.1 200 OK\r\nPortmesh-Sealed: v=1\r\nContent-Length: 5\r\nContent-Encoding: gzip\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\nPortmesh-Sealed: v=1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello',
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 204 None\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain',
  'HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\nplain',
  'HTTP/1.1 404 No\r\nPortmesh-Sealed: v=1\r\nContent-Length: 5\r\n\r\nplain',
  'HTTP/1.1 200 OK\r\nPortmesh-Sealed: v=1\r\nContent-Length: 5\r\n\r\nplain',
  `HTTP/1.1 429 No\r\nContent-Length: 65537\r\n\r\n`,
  `HTTP/1.1 404 No\r\nPortmesh-Sealed: v=1\r\nContent-Length: 999999999\r\n\r\n`,
  `HTTP/1.1 200 OK\r\nA: ${'a'.repeat(10_000)}`,
  'SSH-2.0-OpenSSH\r\n\r\n',
  '\r\n\r\n',
  '\0'.repeat(9_000),
])('what is no answer is not waited for: %#', async (answer) => {
  const holder = await startHolder(({ socket }) => socket.write(answer))
  const got = await asking().get(holder.address)
  expect([got.code, got.heads, got.frames]).toEqual([UNREACHABLE, [], []])
  if (!answer.startsWith('HTTP/1.1 404 No\r\nPortmesh-Sealed: v=1\r\nContent-Length: 5')) await gone(holder.sockets)
})

test('an answer that is cut breaks, with the frames that were whole, and says so of its address', async () => {
  const ends = [0, 1, HEAD - 1, HEAD, HEAD + 1, HEAD + FRAME, HEAD + SEALED - 1, HEAD + SEALED, HEAD + SEALED + 1]
  const cuts = [...ends, HEAD + 2 * SEALED - 1, HEAD + 2 * SEALED, HEAD + 2 * SEALED + 4_711 + 15]
  const { address } = await startHolder(({ socket, exchange, before }) => {
    const body = sealedBody(exchange)
    const sent = Buffer.concat([Buffer.from(headFor(body.length)), body.subarray(0, cuts[before])])
    if (before % 2 === 0) socket.end(sent)
    else socket.write(sent, () => socket.destroy())
  })
  const asker = asking()
  for (const [at, cut] of cuts.entries()) {
    const got = await asker.get(address)
    expect(got.code, `${cut}`).toBe(UNREACHABLE)
    const frames = Math.max(0, Math.floor((cut - HEAD) / SEALED))
    expect(got.frames, `${cut}`).toEqual(Array(frames).fill(FRAME))
    expect(got.content.equals(CONTENT.subarray(0, frames * FRAME)), `${cut}`).toBe(true)
    await until(
      async () => asker.broken.length,
      (told) => told === at + 1,
      2_000,
    )
  }
})

test('nothing of a frame with a flipped byte is handed on', async () => {
  const places = [0, 16, 17, 24, 40, HEAD, HEAD + FRAME - 1, HEAD + FRAME, HEAD + SEALED + 5, HEAD + 2 * SEALED + 4_710]
  const holder = await startHolder(({ socket, exchange, before }) => {
    const body = sealedBody(exchange)
    const at = places[before] ?? 0
    body[at] = (body[at] ?? 0) ^ 1
    socket.write(Buffer.concat([Buffer.from(headFor(body.length)), body]))
  })
  const { get } = asking()
  for (const at of places) {
    const got = await get(holder.address)
    const frames = Math.max(0, Math.floor((at - HEAD) / SEALED))
    expect([got.code, got.frames.length, got.heads.length], `${at}`).toEqual([UNREACHABLE, frames, at < HEAD ? 0 : 1])
    expect(got.content.equals(CONTENT.subarray(0, got.content.length)), `${at}`).toBe(true)
  }
  await gone(holder.sockets)
})

test('another length than the body has does not open', async () => {
  const differences = [-SEALED, -17, -16, -1, 1, 16, 17, SEALED]
  const { address } = await startHolder(({ socket, exchange, before }) => {
    const body = sealedBody(exchange)
    const spare = Buffer.alloc(2 * SEALED)
    const announced = headFor(body.length + (differences[before] ?? 0))
    socket.end(Buffer.concat([Buffer.from(announced), body, spare]))
  })
  const { get } = asking()
  for (const difference of differences) {
    const got = await get(address)
    expect(got.code, `${difference}`).toBe(UNREACHABLE)
    expect(got.content.equals(CONTENT.subarray(0, got.content.length)), `${difference}`).toBe(true)
  }
})

test('whoever says more than the answer, or says that it is the last one, is not asked again on that connection', async () => {
  const holder = await startHolder(async ({ socket, exchange, before }) => {
    const answer = whole(exchange)
    if (before === 0) socket.write(Buffer.concat([answer, answer]))
    else if (before === 1) {
      const body = sealedBody(exchange)
      socket.write(Buffer.concat([Buffer.from(headFor(body.length, 200, 'Connection: close')), body]))
    } else if (before === 2) {
      socket.write(answer)
      await sleep(100)
      // To nobody's question.
      socket.write(answer)
    } else socket.write(answer)
  })
  const { get } = asking()
  for (const connections of [1, 2, 3]) {
    const got = await get(holder.address)
    expect([got.code, got.content.equals(CONTENT), holder.connections]).toEqual([undefined, true, connections])
    await gone(holder.sockets)
  }
  expect((await get(holder.address)).code).toBeUndefined()
  expect(holder.connections).toBe(4)
})

test('a holder that is silent, or too slow, is given up', async () => {
  const holder = await startHolder(async ({ socket, exchange, before }) => {
    const answer = whole(exchange)
    if (before === 1) socket.write(answer.subarray(0, 20))
    if (before === 2) socket.write(answer.subarray(0, 2_000_000))
    if (before === 3) {
      const head = answer.indexOf('\r\n\r\n') + 4
      socket.write(answer.subarray(0, head))
      for (let at = head; at < head + 500 && !socket.destroyed; at++) {
        socket.write(answer.subarray(at, at + 1))
        await sleep(10)
      }
    }
  })
  const { get, broken } = asking({ headMs: 800, slowMs: 800, slowBytes: 1_000 })
  for (const frames of [0, 0, 1, 0]) {
    const began = performance.now()
    const got = await get(holder.address)
    expect([got.code, got.frames.length]).toEqual([UNREACHABLE, frames])
    expect(performance.now() - began).toBeLessThan(6_000)
  }
  await gone(holder.sockets)
  // Those that did not even begin to answer may have gone.
  expect(broken).toHaveLength(2)
})

test('nobody there, or nobody who accepts, is unreachable and breaks nothing', async () => {
  const closed = createServer()
  closed.listen(0, '127.0.0.1')
  const port = await new Promise<number>((resolve) => {
    closed.once('listening', () => {
      const bound = closed.address()
      resolve(typeof bound === 'object' && bound ? bound.port : 0)
    })
  })
  await new Promise((resolve) => closed.close(resolve))
  const { get, broken } = asking()
  const all = await Promise.all(Array.from({ length: 40 }, async () => await get(`127.0.0.1:${port}`)))
  for (const { code, error } of all) {
    expect(code).toBe(UNREACHABLE)
    expect(error).toMatchObject({ cause: { code: 'ECONNREFUSED' } })
  }
  for (const address of ['no-such-host.invalid:1', 'a b:1', '127.0.0.1:70000', '127.0.0.1:0'])
    expect((await get(address)).code, address).toBe(UNREACHABLE)
  expect(broken).toEqual([])
})

test('whoever is not needed any more is cut off at once, and the others go on', async () => {
  const holder = await startHolder(async ({ socket, exchange, before }) => {
    if (before % 3 === 0) return
    const answer = whole(exchange)
    socket.write(before % 3 === 1 ? answer.subarray(0, 1_500_000) : answer)
  })
  const { get, broken } = asking()
  const stop = new AbortController()
  const reason = new Error('not needed')
  const asked = Array.from({ length: 30 }, async () => await get(holder.address, { signal: stop.signal }))
  await sleep(500)
  stop.abort(reason)
  const ends = (await Promise.all(asked)).map(({ error }) => error)
  expect(ends.every((error) => error === undefined || error === reason)).toBe(true)
  expect(ends.filter((error) => error === reason).length).toBeGreaterThan(15)
  // What was answered whole keeps its connection for a while.
  await gone(holder.sockets).catch(() => {})
  expect((await get(holder.address, { signal: stop.signal })).error).toBe(reason)
  expect(broken).toEqual([])
})

test('descriptors come back, whatever happened', async () => {
  const openNow = (): number => readdirSync('/proc/self/fd').length
  const asker = asking({ headMs: 200 })
  const holder = await startHolder(({ socket, exchange, before }) => {
    const answer = whole(exchange)
    if (before % 5 === 0) socket.write(answer)
    if (before % 5 === 1) socket.end(answer.subarray(0, 1_200_000))
    if (before % 5 === 2) socket.resetAndDestroy()
    if (before % 5 === 3) socket.write('HTTP/1.1 200 Odd\r\n\r\n')
  })
  await asker.get(holder.address)
  await asker.reach.drop()
  await gone(holder.sockets)
  const before = openNow()
  for (let round = 0; round < 3; round++) {
    await Promise.all(
      Array.from({ length: 40 }, async () => {
        await asker.get(holder.address, { signal: AbortSignal.timeout(600) })
      }),
    )
    await asker.reach.drop()
  }
  await gone(holder.sockets)
  await until(
    async () => openNow(),
    (open) => open <= before + 2,
    5_000,
  )
})
