/** Servers that lie in a session we began: what is believed of their answers, and how often they are asked. */
import type { ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { startRoom } from '../helpers/room.ts'
import { failureOf } from '../helpers/stranger.ts'
import { failure, json, type Reply, type Stranger, startStranger, type Turn } from '../helpers/stranger-server.ts'

/** A node that has a session with a stranger, who goes on as told. */
const inSession = async (patience = {}) => {
  const stranger = await startStranger()
  const room = await startRoom({ patience })
  await room.client.table(stranger.address, {})
  stranger.asked.length = 0
  const ask = async () => await failureOf(room.client.table(stranger.address, {}))
  return { stranger, room, ask }
}

const times = (stranger: Stranger) => [stranger.count('table'), stranger.count('getkey')]

test('a plain answer in place of a sealed one is no answer, whatever it says', async () => {
  const { stranger, ask } = await inSession()
  const page = JSON.stringify(stranger.page('/table'))
  const answers: Partial<Reply>[] = [
    { body: page },
    { body: page, headers: { 'portmesh-sealed': 'v=2' } },
    { body: page, headers: { 'portmesh-sealed': 'v=1, v=1' } },
    { body: page, headers: { 'content-type': 'application/json' } },
    failure(404, 'PM_NOT_FOUND'),
    failure(404, 'PM_NOT_PUBLISHED'),
    failure(500, 'PM_INTERNAL'),
    failure(403, 'PM_NO_SESSION'),
    { status: 402 },
  ]
  for (const [index, answer] of answers.entries()) {
    stranger.does.set('table', ({ send }) => send(answer))
    expect(await ask(), `answer ${index}`).toBe('PM_PEER_MISBEHAVED')
  }
  stranger.does.set('table', ({ send, honest }) => send({ ...honest(), headers: {} }))
  expect(await ask(), 'sealed, and not said so').toBe('PM_PEER_MISBEHAVED')
  stranger.does.set('table', ({ send }) => send(failure(429, 'PM_BUSY')))
  expect(await ask()).toBe('PM_BUSY')
  stranger.does.set('table', ({ send }) => send(failure(503, 'PM_STOPPING')))
  expect(await ask()).toBe('PM_STOPPING')
  expect(times(stranger)).toEqual([answers.length + 3, 0])
})

test('for ever 401 is one new handshake and one repetition, then an error', async () => {
  const { stranger, ask } = await inSession()
  stranger.does.set('table', ({ send }) => send(failure(401, 'PM_NO_SESSION')))
  expect(await ask()).toBe('PM_NO_SESSION')
  expect(times(stranger)).toEqual([2, 1])
})

test('a 401 whose body never ends costs a second, not the call', async () => {
  const { stranger, room } = await inSession()
  let first = true
  stranger.does.set('file', ({ send, honest, response }) => {
    if (!first) return send(honest())
    first = false
    response.writeHead(401)
    const timer = setInterval(() => response.write(' '), 50)
    response.once('close', () => clearInterval(timer))
  })
  stranger.publish('a.txt', 'all of it')
  const began = performance.now()
  const parts: Uint8Array[] = []
  for await (const part of await room.client.file(stranger.address, stranger.id, 'a.txt', AbortSignal.timeout(9_000)))
    parts.push(part)
  expect(Buffer.concat(parts).toString()).toBe('all of it')
  expect(performance.now() - began).toBeLessThan(4_000)
})

test('a session that ended at the other side is replaced without anybody noticing', async () => {
  const { stranger, ask, room } = await inSession()
  stranger.sessions.end(room.id)
  expect(await ask()).toBeUndefined()
  expect(times(stranger)).toEqual([2, 1])
})

test('a stream is bound to its request, its status and its frame size', async () => {
  const { stranger, ask } = await inSession()
  const page = (turn: Turn) => JSON.stringify(stranger.page(turn.request.url ?? ''))
  const error = JSON.stringify({ error: { code: 'PM_NOT_FOUND', message: '' } })
  const kept: Reply[] = []
  const lies: Record<string, (turn: Turn) => Partial<Reply>> = {
    'a 200 sent as a 404': ({ sealed }) => ({ ...sealed(200, error), status: 404 }),
    'a 404 sent as a 200': (turn) => ({ ...turn.sealed(404, page(turn)), status: 200 }),
    'another frame size': (turn) => turn.sealed(200, page(turn), { frameLog2: 20 }),
    'another frame size in the head only': (turn) => changed(turn.sealed(200, page(turn)), 16, 20),
    'the answer of another counter': (turn) => turn.sealed(200, page(turn), { n: (turn.exchange?.n ?? 0) + 1 }),
    'the answer of another target': (turn) => turn.sealed(200, page(turn), { target: '/other' }),
    'the answer of another method': (turn) => turn.sealed(200, page(turn), { method: 'POST' }),
    'the key of the other direction': (turn) =>
      turn.sealed(200, page(turn), turn.exchange ? { key: turn.exchange.keys.i2r.enc } : {}),
    'a request sent back': (turn) => turn.sealed(200, page(turn), { kind: 'req' } as never),
    'an earlier answer': (turn) => {
      kept.push(turn.honest())
      return kept[0] ?? {}
    },
    'cut by a byte': (turn) => cut(turn.honest(), -1),
    'cut to its head': (turn) => cut(turn.honest(), 17),
    'cut in its head': (turn) => cut(turn.honest(), 9),
    'longer by a byte': (turn) => joined(turn.honest(), new Uint8Array(1)),
    'followed by itself': (turn) => joined(turn.honest(), Buffer.from(turn.honest().body).subarray(17)),
    nothing: (turn) => ({ ...turn.honest(), body: '' }),
  }
  for (const [what, lie] of Object.entries(lies)) {
    stranger.does.set('table', (turn) => {
      if (what === 'a request sent back') return turn.send({ ...turn.honest(), body: turn.body })
      return turn.send(lie(turn))
    })
    if (what === 'an earlier answer') await ask()
    expect(await ask(), what).toBe('PM_PEER_MISBEHAVED')
  }
  stranger.does.delete('table')
  expect(await ask()).toBeUndefined()
  expect(stranger.count('getkey')).toBe(0)
})

test('frames that are swapped, repeated or left out do not open', async () => {
  const { stranger, room } = await inSession()
  stranger.publish('three frames', Buffer.alloc(2 * 2 ** 20 + 5, 'x'))
  const size = 2 ** 20 + 16
  const orders = [[1, 0, 2], [0, 0, 2], [0, 2], [0, 1], [0, 1, 1, 2], [0, 1, 2, 2], [2], []]
  for (const order of orders) {
    stranger.does.set('file', ({ send, honest }) => {
      const reply = honest()
      const body = Buffer.from(reply.body)
      const frames = order.map((at) => body.subarray(17 + at * size, 17 + (at + 1) * size))
      send({ ...reply, body: Buffer.concat([body.subarray(0, 17), ...frames]) })
    })
    const read = async () => {
      const { address, id } = stranger
      for await (const _part of await room.client.file(address, id, 'three frames', AbortSignal.timeout(9_000)));
    }
    expect(await failureOf(read()), order.join()).toBe('PM_PEER_MISBEHAVED')
  }
})

test('sealed errors are what they say only in the form they have', async () => {
  const { stranger, ask } = await inSession()
  const answers: [number, string, string][] = [
    [404, JSON.stringify({ error: { code: 'PM_NOT_PUBLISHED', message: '' } }), 'PM_NOT_PUBLISHED'],
    [500, JSON.stringify({ error: { code: 'PM_INTERNAL', message: '' } }), 'PM_PEER_MISBEHAVED'],
    [400, JSON.stringify({ error: { code: 'PM_CANNOT_START', message: '' } }), 'PM_PEER_MISBEHAVED'],
    [400, JSON.stringify({ error: { code: '__proto__', message: '' } }), 'PM_PEER_MISBEHAVED'],
    [400, JSON.stringify({ error: { code: 'x'.repeat(1_000), message: '' } }), 'PM_PEER_MISBEHAVED'],
    [400, '{', 'PM_PEER_MISBEHAVED'],
    [418, '', 'PM_PEER_MISBEHAVED'],
    [204, '', 'PM_PEER_MISBEHAVED'],
  ]
  for (const [status, text, expected] of answers) {
    stranger.does.set('table', ({ send, sealed }) => send(sealed(status, text)))
    expect(await ask(), text.slice(0, 40)).toBe(expected)
  }
})

test('an answer that comes slowly, never, or without end is given up in time, and nothing else waits for it', async () => {
  const drip = (response: ServerResponse, text: string | Uint8Array, head = true) => {
    if (head) response.writeHead(200, { 'portmesh-sealed': 'v=1' })
    const timer = setInterval(() => (head ? response.write(text) : response.socket?.write(text)), 20)
    response.once('close', () => clearInterval(timer))
  }
  const forms: [string, (turn: Turn) => void][] = [
    ['never', () => {}],
    ['a head without a body', ({ response }) => response.writeHead(200, { 'portmesh-sealed': 'v=1' }).flushHeaders()],
    ['byte by byte', ({ response }) => drip(response, 'x')],
    ['a head byte by byte', ({ response }) => drip(response, 'A', false)],
    ['hints without end', ({ response }) => drip(response, 'HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n', false)],
    ['reset at once', ({ request }) => request.socket.resetAndDestroy()],
    ['closed at once', ({ request }) => request.socket.end()],
    [
      'reset in the head',
      ({ request }) => request.socket.write('HTTP/1.1 200', () => request.socket.resetAndDestroy()),
    ],
    [
      'reset in the body',
      ({ response, request }) => {
        response.writeHead(200, { 'portmesh-sealed': 'v=1', 'content-length': '1000' })
        response.write('x'.repeat(40), () => request.socket.resetAndDestroy())
      },
    ],
    ['no HTTP', ({ request }) => request.socket.end('SSH-2.0-OpenSSH_9\r\n')],
    ['huge headers', ({ request }) => request.socket.end(`HTTP/1.1 200 OK\r\nA: ${'a'.repeat(50_000)}\r\n\r\n`)],
    ['many headers', ({ request }) => request.socket.end(`HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(50_000)}\r\n`)],
    [
      'two lengths',
      ({ request }) => request.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx'),
    ],
    ['a negative length', ({ request }) => request.socket.end('HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n')],
    [
      'an upgrade',
      ({ request }) =>
        request.socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'),
    ],
  ]
  await Promise.all(
    forms.map(async ([what, form]) => {
      const { stranger, room, ask } = await inSession({ callMs: 500, headMs: 500, slowMs: 500 })
      stranger.does.set('table', form)
      stranger.does.set('file', form)
      const began = performance.now()
      const read = async () => {
        for await (const _part of await room.client.file(
          stranger.address,
          stranger.id,
          'a',
          AbortSignal.timeout(20_000),
        ));
      }
      const codes = await Promise.all([ask(), failureOf(read())])
      for (const code of codes) expect(code, what).toMatch(/^PM_PEER_(UNREACHABLE|MISBEHAVED)$/)
      expect(performance.now() - began, what).toBeLessThan(8_000)
    }),
  )
})

test('an endless answer is cut off at what a page may have', async () => {
  const { stranger, ask } = await inSession()
  let sent = 0
  stranger.does.set('table', ({ response, exchange, sealed }) => {
    if (!exchange) return
    // Frames that open, one after the other: the stream of a page of 100 MB.
    const body = Buffer.from(sealed(200, Buffer.alloc(100 * 2 ** 20, ' ')).body)
    response.writeHead(200, { 'portmesh-sealed': 'v=1' })
    let at = 0
    const next = () => {
      while (at < body.length && !response.destroyed) {
        sent = at
        const more = response.write(body.subarray(at, at + 2 ** 18))
        at += 2 ** 18
        if (!more) return void response.once('drain', next)
      }
    }
    next()
  })
  expect(await ask()).toBe('PM_PEER_MISBEHAVED')
  expect(sent).toBeLessThan(30 * 2 ** 20)
})

test('an answer whose length does not hold is no answer', async () => {
  const { stranger, ask } = await inSession()
  for (const more of [1, 1_000, -1]) {
    stranger.does.set('table', ({ response, honest }) => {
      const { body } = honest()
      const length = Buffer.byteLength(body) + more
      response.socket?.end(`HTTP/1.1 200 OK\r\nportmesh-sealed: v=1\r\ncontent-length: ${length}\r\n\r\n`)
      response.socket?.destroySoon()
    })
    expect(await ask(), `${more}`).toBe('PM_PEER_UNREACHABLE')
  }
  stranger.does.set('update', ({ send }) => send(json(200, {})))
  stranger.does.delete('table')
  expect(await ask()).toBeUndefined()
})

const changed = (reply: Reply, at: number, byte: number): Reply => {
  const body = Buffer.from(reply.body)
  body[at] = byte
  return { ...reply, body }
}

const cut = (reply: Reply, to: number): Reply => ({ ...reply, body: Buffer.from(reply.body).subarray(0, to) })

const joined = (reply: Reply, more: Uint8Array): Reply => ({
  ...reply,
  body: Buffer.concat([Buffer.from(reply.body), more]),
})
