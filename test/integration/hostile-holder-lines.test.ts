/** Holders whose answers do not come, break off, come in another form or without end: nobody is called a liar for what anybody could send, and the rest of the mesh brings the content. */
import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { until } from '../helpers/api.ts'
import { partials } from '../helpers/faults.ts'
import { type Asked, type HolderTurn, shared, startHolder } from '../helpers/holder-server.ts'
import { reached, startTaking } from '../helpers/taking.ts'

const PIECE = 128 * 1024
const content = shared(randomBytes(24 * PIECE + 1_000))

type Form = readonly [what: string, asked: Asked, answer: (turn: HolderTurn) => unknown]

const drip = (response: ServerResponse, bytes: Uint8Array | string): void => {
  let at = 0
  const timer = setInterval(() => response.write(Buffer.from(bytes).subarray(at, ++at)), 100)
  response.once('close', () => clearInterval(timer))
}

/** Write without end, as fast as it is taken. */
const flood = (response: ServerResponse, next: () => Uint8Array | string): void => {
  const more = (): void => {
    while (!response.destroyed && response.write(next()));
    if (!response.destroyed) response.once('drain', more)
  }
  more()
}

const SEALED = { 'portmesh-sealed': 'v=1' }

const PIECES: Form[] = [
  ['plain bytes', 'pieces', ({ plain, run }) => plain(200, content.bytes.subarray(run.first * PIECE))],
  ['a plain 404', 'pieces', ({ plain }) => plain(404, 'not here')],
  ['a plain 500', 'pieces', ({ plain }) => plain(500)],
  ['a plain 429', 'pieces', ({ plain }) => plain(429)],
  ['a sealed 429', 'pieces', ({ refuse }) => refuse(429, 'PM_BUSY')],
  ['a sealed 409', 'pieces', ({ refuse }) => refuse(409, 'PM_FILE_CHANGED')],
  ['404 for every piece', 'pieces', ({ refuse }) => refuse(404, 'PM_NO_PIECE')],
  ['401 for ever', 'pieces', ({ plain }) => plain(401)],
  ['a redirect', 'pieces', ({ plain }) => plain(302, '', { location: 'http://127.0.0.1:1/', ...SEALED })],
  ['gzip', 'pieces', ({ send, pieces, run }) => send(gzipSync(pieces(run)), { 'content-encoding': 'gzip' })],
  ['noise', 'pieces', ({ send, pieces, run }) => send(randomBytes(pieces(run).length))],
]

const BROKEN: Form[] = [
  [
    'a length that is too long',
    'pieces',
    ({ response, pieces, run }) => {
      const body = pieces(run)
      response.writeHead(200, { ...SEALED, 'content-length': body.length + 16 })
      response.write(body, () => response.socket?.destroySoon())
    },
  ],
  [
    'a length that is too short',
    'pieces',
    ({ response, pieces, run }) => {
      const body = pieces(run)
      response.socket?.end(
        Buffer.concat([
          Buffer.from(`HTTP/1.1 200 OK\r\nPortmesh-Sealed: v=1\r\nContent-Length: ${body.length - 16}\r\n\r\n`),
          body,
        ]),
      )
    },
  ],
  ['no length', 'pieces', ({ response, pieces, run }) => void response.writeHead(200, SEALED).end(pieces(run))],
  [
    'the answer to another request',
    'pieces',
    ({ send, pieces, run, exchange }) => send(pieces(run, { bound: { n: exchange.n + 1 } })),
  ],
  [
    'one bit flipped on the way',
    'pieces',
    ({ send, pieces, run }) => {
      const body = pieces(run)
      const at = Math.floor(Math.random() * body.length)
      body.writeUInt8((body[at] ?? 0) ^ 1, at)
      send(body)
    },
  ],
  [
    'cut anywhere',
    'pieces',
    ({ response, pieces, run }) => {
      const body = pieces(run)
      response.writeHead(200, { ...SEALED, 'content-length': body.length })
      response.write(body.subarray(0, Math.floor(Math.random() * body.length)), () => response.socket?.destroy())
    },
  ],
  ['reset at once', 'pieces', ({ request }) => void request.socket.resetAndDestroy()],
  ['closed at once', 'pieces', ({ request }) => void request.socket.end()],
  ['no HTTP', 'pieces', ({ request }) => void request.socket.end('SSH-2.0-OpenSSH_9\r\n')],
  ['no answer', 'pieces', () => {}],
  [
    'a byte at a time',
    'pieces',
    ({ response, pieces, run }) => {
      const body = pieces(run)
      response.writeHead(200, { ...SEALED, 'content-length': body.length })
      drip(response, body)
    },
  ],
]

const NEWS: Form[] = [
  ['plain news', 'have', ({ plain }) => plain(200, '{"all":true}')],
  ['a plain 404', 'have', ({ plain }) => plain(404)],
  ['a sealed 404', 'have', ({ refuse }) => refuse(404, 'PM_NOT_PUBLISHED')],
  ['busy for ever', 'have', ({ refuse }) => refuse(429, 'PM_BUSY')],
  ['no answer', 'have', () => {}],
  ['a byte at a time', 'have', ({ response }) => drip(response.writeHead(200, SEALED), randomBytes(1_000))],
  [
    'a message of ten mebibytes',
    'have',
    ({ live, response }) => {
      live().say({ all: true })
      const length = Buffer.alloc(4)
      length.writeUInt32BE(10 * 2 ** 20)
      response.write(length)
      flood(response, () => Buffer.alloc(65_536))
    },
  ],
  ['noise without end', 'have', ({ response }) => flood(response.writeHead(200, SEALED), () => randomBytes(65_536))],
  [
    'news without end',
    'have',
    ({ live, response }) => {
      const { say } = live()
      say({ bits: Buffer.alloc(4).toString('base64url') })
      const more = (): void => {
        for (let written = true; written && !response.destroyed; ) written = say({})
        if (!response.destroyed) response.once('drain', more)
      }
      more()
    },
  ],
  [
    'pieces it has not got',
    'have',
    ({ live }) => {
      const { say } = live()
      say({ bits: Buffer.alloc(4).toString('base64url') })
      for (let piece = 0; piece < 25; piece++) say({ new: [piece] })
    },
  ],
  ['the end at once', 'have', ({ live }) => live().end()],
]

/** All of them at once, and an honest holder who gives nothing before each of them was asked. */
const crowd = async (forms: readonly Form[]) => {
  const crowd = await Promise.all(
    forms.map(async ([name, asked, answer]) => {
      const holder = await startHolder(content, { name })
      holder.does.set(asked, answer)
      // Who tells of pieces it has not got must not have them either.
      if (name === 'pieces it has not got') holder.does.set('pieces', ({ refuse }) => refuse(404, 'PM_NO_PIECE'))
      return { holder, asked }
    }),
  )
  const honest = await startHolder(content, { name: 'honest' })
  const gate = Promise.withResolvers<void>()
  honest.does.set('pieces', async (turn) => {
    await gate.promise
    turn.honest()
  })
  // Who hangs with the tree costs a second; the honest one is asked for it first.
  const taking = await startTaking([honest, ...crowd.map(({ holder }) => holder)], {
    patience: { slowMs: 1_000, headMs: 2_000 },
  })
  const transfer = await taking.begin(content)
  await until(
    async () => crowd.filter(({ holder, asked }) => holder.count(asked) === 0).map(({ holder }) => holder.name),
    (left) => left.length === 0,
    15_000,
  )
  gate.resolve()
  await reached(transfer, 'done', 15_000)
  expect((await taking.fileOf(transfer)).equals(content.bytes)).toBe(true)
  expect(await partials(taking.home)).toEqual([])
  const named = Object.fromEntries(transfer.lost.map(({ holder, code }) => [holder.name, code]))
  return { named, transfer, honest }
}

test('answers in another form than a sealed one end in the right content, and make nobody a liar', async () => {
  const { named } = await crowd(PIECES)
  expect(named).toEqual({ 'a sealed 409': 'PM_FILE_CHANGED' })
})

test('answers that break off, do not open, or do not come end in the right content', async () => {
  const { named } = await crowd(BROKEN)
  expect(named).toEqual({})
})

test('news that do not come, do not open, or never end keep no fetch from ending', async () => {
  const { named } = await crowd(NEWS)
  expect(named).toEqual({ 'a sealed 404': 'PM_NOT_PUBLISHED', 'the end at once': 'PM_NOT_PUBLISHED' })
})

test('a tree that does not come holds nobody up for longer than a second', async () => {
  const forms: Form[] = [
    ['no answer', 'tree', () => {}],
    ['a byte at a time', 'tree', ({ response }) => drip(response.writeHead(200, SEALED), randomBytes(1_000))],
    ['busy', 'tree', ({ refuse }) => refuse(429, 'PM_BUSY')],
    ['plain', 'tree', ({ plain }) => plain(200, content.layer)],
  ]
  const hostile = await Promise.all(
    forms.map(async ([name, asked, answer]) => {
      const holder = await startHolder(content, { name })
      holder.does.set(asked, answer)
      holder.does.set('have', ({ refuse }) => refuse(429, 'PM_BUSY'))
      return holder
    }),
  )
  const honest = await startHolder(content, { name: 'honest' })
  const taking = await startTaking([...hostile, honest])
  const began = performance.now()
  const transfer = await taking.fetch(content)
  expect(performance.now() - began).toBeLessThan(7_000)
  expect((await taking.fileOf(transfer)).equals(content.bytes)).toBe(true)
  expect(transfer.lost).toEqual([])
})

test('alone, a holder whose answers fail is asked less and less often, and used when they do not fail any more', async () => {
  const failing = ['404 for every piece', 'a plain 404', 'a sealed 429', 'noise']
  await Promise.all(
    PIECES.filter(([what]) => failing.includes(what)).map(async ([what, asked, answer]) => {
      const holder = await startHolder(content)
      holder.does.set(asked, answer)
      const taking = await startTaking([holder])
      const transfer = await taking.begin(content)
      await until(
        async () => holder.count('pieces'),
        (count) => count > 0,
      )
      // Pauses of one and of two seconds.
      await sleep(2_500)
      expect(holder.count('pieces'), what).toBeLessThanOrEqual(what === failing[0] ? 32 : 8)
      expect(holder.count('have'), what).toBeLessThanOrEqual(2)
      expect(transfer.done, what).toBe(0)
      holder.does.clear()
      await reached(transfer, 'done')
      expect((await taking.fileOf(transfer)).equals(content.bytes), what).toBe(true)
    }),
  )
})

test('an answer that only drips is given up in time, and its holder used when it does not any more', async () => {
  const holder = await startHolder(content)
  let closed = 0
  holder.does.set('pieces', ({ response, pieces, run }) => {
    const body = pieces(run)
    response.once('close', () => {
      closed += 1
    })
    response.writeHead(200, { ...SEALED, 'content-length': body.length })
    drip(response, body)
  })
  const taking = await startTaking([holder], { patience: { slowMs: 500 } })
  const transfer = await taking.begin(content)
  await until(
    async () => closed,
    (count) => count >= 2,
    8_000,
  )
  expect([transfer.done, transfer.lost]).toEqual([0, []])
  holder.does.clear()
  await reached(transfer, 'done')
  expect((await taking.fileOf(transfer)).equals(content.bytes)).toBe(true)
})
