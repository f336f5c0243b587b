/** The life of a session between two real nodes, watched on the wire, on clocks that the test sets. */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Asker } from '../../src/peer/ask.ts'
import { ContentClient } from '../../src/peer/contents.ts'
import { Reach } from '../../src/peer/reach.ts'
import { pieceCountOf } from '../../src/store/pieces.ts'
import { until } from '../helpers/api.ts'
import { type Room, startRoom } from '../helpers/room.ts'

const MINUTE = 60_000
const HANDSHAKE = ['GET /getkey 200', 'POST /session 200', 'POST /session/: 200']

interface Wire {
  readonly address: string
  /** What went over since it was looked at last: method, path, status, in the order of the answers. */
  readonly said: () => string[]
  /** While this is set, what the function waits for comes before each request whose path begins so. */
  hold: { readonly path: string; readonly until: Promise<void> } | undefined
  /** Requests for this path are answered 503 on the way. */
  fails: string | undefined
}

/** A real HTTP hop before a node, which notes what passes. */
const wireTo = async (port: number): Promise<Wire> => {
  const said: string[] = []
  const wire: Wire = {
    address: '',
    said: () => said.splice(0),
    hold: undefined,
    fails: undefined,
  }
  const server = createServer(async (from, to) => {
    const { method = '', url = '', headers } = from
    if (wire.hold && url.startsWith(wire.hold.path)) await wire.hold.until
    if (url === wire.fails) return void to.writeHead(503).end()
    const onward = request({ port, method, path: url, headers }, (answer) => {
      said.push(`${method} ${url.replace(/(?<=^\/session\/).+/, ':')} ${answer.statusCode}`)
      to.writeHead(answer.statusCode ?? 0, answer.headers)
      answer.pipe(to)
    })
    from.pipe(onward)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const bound = server.address()
  return Object.assign(wire, { address: `127.0.0.1:${typeof bound === 'object' && bound ? bound.port : 0}` })
}

/** Two nodes; the clock of each stands still until the test moves it. */
const pair = async (): Promise<{
  asking: Room
  asked: Room
  wire: Wire
  clocks: { asking: number; asked: number }
}> => {
  const clocks = { asking: 0, asked: 0 }
  const asking = await startRoom({ clock: () => clocks.asking })
  const asked = await startRoom({ clock: () => clocks.asked })
  return { asking, asked, wire: await wireTo(asked.port), clocks }
}

/** Let the time pass on both sides, in steps short enough that the session is never idle for ten minutes. */
const pass = async ({ asking, wire, clocks }: Awaited<ReturnType<typeof pair>>, minutes: number): Promise<void> => {
  for (let left = minutes; left > 0; left -= 9) {
    for (const side of ['asking', 'asked'] as const) clocks[side] += Math.min(9, left) * MINUTE
    await asking.client.table(wire.address, {})
  }
}

test('a session is renewed in the background at three quarters of its life, and what asks meanwhile does not wait', async () => {
  const both = await pair()
  const { asking, asked, wire, clocks } = both
  await asking.client.table(wire.address, {})
  expect(wire.said()).toEqual([...HANDSHAKE, 'GET /table 200'])
  const old = await asking.initiator.session(wire.address)
  await pass(both, 45)
  expect(wire.said()).toEqual(Array(5).fill('GET /table 200'))
  clocks.asking += 1
  // Nothing of the handshake comes through, and requests are answered all the same.
  const gate = Promise.withResolvers<void>()
  wire.hold = { path: '/getkey', until: gate.promise }
  await Promise.all(Array.from({ length: 5 }, () => asking.client.table(wire.address, {})))
  await asking.client.update(wire.address, { kind: 'changed', port: asking.port })
  expect(wire.said()).toEqual([...Array(5).fill('GET /table 200'), 'POST /update 200'])
  expect(await asking.initiator.session(wire.address)).toBe(old)
  gate.resolve()
  await until(
    async () => asking.metrics.get('handshakes_out'),
    (count) => count === 2,
  )
  expect(wire.said()).toEqual(HANDSHAKE)
  expect(await asking.initiator.session(wire.address)).not.toBe(old)
  // The new one lives for another three quarters: well over the end of the first.
  await pass(both, 45)
  expect(wire.said()).toEqual(Array(5).fill('GET /table 200'))
  expect([asking.metrics.get('handshakes_out'), asked.metrics.get('handshakes_in')]).toEqual([2, 2])
  expect(asking.metrics.get('renewals_failed')).toBe(0)
})

test('a download that runs survives the renewal, and the end of the session it began in', async () => {
  const both = await pair()
  const { asking, asked, wire, clocks } = both
  const content = randomBytes(48 * 2 ** 20) // more than all buffers on the way hold
  await writeFile(join(asked.home, 'long.bin'), content)
  const { root } = await asked.published.publish('long.bin')
  await asking.client.table(wire.address, {})
  await pass(both, 44)
  const old = await asking.initiator.session(wire.address)
  const digest = createHash('sha256')
  let bytes = 0
  const reach = new Reach(() => {})
  onTestFinished(() => reach.drop())
  // One frame at a time, each taken when the test wants it.
  let frame = Promise.withResolvers<void>()
  let taken = Promise.withResolvers<void>()
  const download = new ContentClient(new Asker(reach, asking.initiator)).pieces(
    { address: wire.address, id: asked.id },
    root,
    { first: 0, count: pieceCountOf(content.length), want: undefined },
    {
      head: () => {},
      progress: () => {},
      frame: (parts, length) => {
        for (const part of parts) digest.update(part)
        bytes += length
        frame.resolve()
        return taken.promise
      },
    },
    new AbortController().signal,
  )
  const take = async (): Promise<boolean> => {
    await Promise.race([frame.promise, download])
    const more = bytes < content.length
    frame = Promise.withResolvers()
    taken.resolve()
    taken = Promise.withResolvers()
    return more
  }
  expect(await take()).toBe(true)
  await pass(both, 2)
  await until(
    async () => asking.metrics.get('handshakes_out'),
    (count) => count === 2,
  )
  expect(await asking.initiator.session(wire.address)).not.toBe(old)
  for (let i = 0; i < 4; i++) expect(await take()).toBe(true)
  await pass(both, 20)
  expect(old.usable).toBe(false)
  expect(bytes).toBeLessThan(content.length / 2)
  while (await take());
  taken.resolve()
  await download
  expect([bytes, digest.digest('hex')]).toEqual([content.length, createHash('sha256').update(content).digest('hex')])
  expect(clocks.asked).toBe(66 * MINUTE)
})

/** The next request of a session that only the other side knows to be over. */
const endsWith401 = async ({ asking, asked, wire }: Awaited<ReturnType<typeof pair>>): Promise<void> => {
  const old = await asking.initiator.session(wire.address)
  expect(old).toMatchObject({ usable: true, worn: false })
  await asking.client.update(wire.address, { kind: 'changed', port: asking.port })
  expect(wire.said()).toEqual(['POST /update 401', ...HANDSHAKE, 'POST /update 200'])
  expect(await asking.initiator.session(wire.address)).not.toBe(old)
  await asking.client.table(wire.address, {})
  expect(wire.said()).toEqual(['GET /table 200'])
  expect(asked.metrics.get('handshakes_in')).toBe(2)
}

test('an hour after its start a session is answered 401: one new handshake, and the request once more', async () => {
  const both = await pair()
  const { asking, wire, clocks } = both
  for (; clocks.asked < 60 * MINUTE; clocks.asked += 9 * MINUTE) await asking.client.table(wire.address, {})
  clocks.asked = 60 * MINUTE - 1
  await asking.client.table(wire.address, {})
  expect(wire.said()).toEqual([...HANDSHAKE, ...Array(8).fill('GET /table 200')])
  clocks.asked += 1
  await endsWith401(both)
})

test('after ten idle minutes a session is answered 401: one new handshake, and the request once more', async () => {
  const both = await pair()
  const { asking, wire, clocks } = both
  await asking.client.table(wire.address, {})
  clocks.asked = 10 * MINUTE - 1
  await asking.client.table(wire.address, {})
  expect(wire.said()).toEqual([...HANDSHAKE, 'GET /table 200', 'GET /table 200'])
  clocks.asked += 10 * MINUTE
  await endsWith401(both)
})

test('who knows that its session is over makes a new one first, and is not told 401', async () => {
  const { asking, wire, clocks } = await pair()
  await asking.client.table(wire.address, {})
  for (const minutes of [10, 60]) {
    clocks.asking += minutes * MINUTE
    clocks.asked += minutes * MINUTE
    wire.said()
    await asking.client.table(wire.address, {})
    expect(wire.said()).toEqual([...HANDSHAKE, 'GET /table 200'])
  }
})

test('a renewal that fails costs nothing but itself: the old session goes on to its end, and the next request tries again', async () => {
  const both = await pair()
  const { asking, wire, clocks } = both
  await asking.client.table(wire.address, {})
  await pass(both, 45)
  clocks.asking += 1
  wire.fails = '/getkey'
  wire.said()
  for (let tries = 1; tries <= 3; tries++) {
    await asking.client.table(wire.address, {})
    await until(
      async () => asking.metrics.get('renewals_failed'),
      (count) => count === tries,
    )
  }
  expect(wire.said()).toEqual(Array(3).fill('GET /table 200'))
  wire.fails = undefined
  await asking.client.table(wire.address, {})
  await until(
    async () => asking.metrics.get('handshakes_out'),
    (count) => count === 2,
  )
  expect(wire.said()).toEqual(expect.arrayContaining([...HANDSHAKE, 'GET /table 200']))
})
