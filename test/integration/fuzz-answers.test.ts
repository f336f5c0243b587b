/** Peers whose answers went wrong on the way, byte by byte and over real connections: each call ends, in time, with an error of ours or the truth. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { toB64u } from '../../src/bytes.ts'
import type { SessionKeys } from '../../src/crypto/keys.ts'
import { Asker } from '../../src/peer/ask.ts'
import { carryOver, PeerClient } from '../../src/peer/client.ts'
import { ContentClient } from '../../src/peer/contents.ts'
import { Reach } from '../../src/peer/reach.ts'
import { sealAnswer, sealAnswerStream, sealLive, sealPieces } from '../../src/session/sealed.ts'
import { type Exchange, OutSession } from '../../src/session/sessions.ts'
import { attemptLater, fuzz, PATIENT, type Random } from '../helpers/random.ts'

const PEER = 'a'.repeat(64)
const ROOT = 'b'.repeat(64)
const SID = new Uint8Array(16)
const direction = () => ({ enc: new Uint8Array(randomBytes(32)), auth: new Uint8Array(randomBytes(32)) })
const KEYS: SessionKeys = { i2r: direction(), r2i: direction() }
const CONTENT = new Uint8Array(randomBytes(150_000))
const PAGE = { head: 'AA', sig: 'A'.repeat(86), whole: true, upTo: 1, files: [], gone: ['a'] }
const QUICK = { aliveMs: 300, handshakeMs: 300, callMs: 300, headMs: 300, slowMs: 300, slowBytes: 1 }
const AT_ONCE = 24
const CALL_LIMIT_MS = 8_000

const collected = async (parts: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Buffer> => {
  const all: Uint8Array[] = []
  for await (const part of parts) all.push(new Uint8Array(part))
  return Buffer.concat(all)
}

/** The body that an honest node answers. */
const honestBody = async (exchange: Exchange): Promise<Uint8Array> => {
  const { target } = exchange
  if (target.startsWith('/table')) return sealAnswer(exchange, 200, Buffer.from(JSON.stringify(PAGE)))
  if (target === '/update') return sealAnswer(exchange, 200, Buffer.from('{}'))
  if (target.endsWith('/tree')) return sealAnswer(exchange, 200, CONTENT.subarray(0, 64))
  if (target.endsWith('/have')) {
    const sealer = sealLive(exchange)
    const messages = ['{"bits":"gA"}', '{"new":[1]}', '{"peers":["127.0.0.1:1"]}', '{}']
    return Buffer.concat([sealer.header, ...messages.map((message) => sealer.seal(Buffer.from(message))), sealer.end()])
  }
  if (target.includes('?pieces')) {
    const { sealer } = sealPieces(exchange, CONTENT.length)
    return Buffer.concat([sealer.begin(new Uint8Array([0, 0, 0, 0, 0, 0, 0, 2])), ...sealer.seal(CONTENT, true)])
  }
  return await collected(
    sealAnswerStream(exchange, { status: 200, frameLog2: 20, size: CONTENT.length, source: chunk(CONTENT) }).body,
  )
}

async function* chunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

const honestAnswer = async (random: Random, head: string): Promise<Buffer> => {
  const [, method = '', target = ''] = /^(\w+) (\S+) /.exec(head) ?? []
  const n = Number(/; n=(\d+);/.exec(head)?.[1])
  const plain = target === '/alive' ? 'up and running' : JSON.stringify({ error: { code: 'PM_BUSY', message: '' } })
  const sealed =
    n > 0 ? await honestBody({ sid: SID, keys: KEYS, peerId: PEER, n, method, target }) : Buffer.from(plain)
  const odd = [
    'HTTP/1.1 100 Continue\r\n\r\n',
    'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\n\r\n',
  ]
  const more = [
    'Content-Encoding: gzip',
    'Transfer-Encoding: chunked',
    'Content-Length: 5',
    'Location: http://127.0.0.1:1/',
    'Connection: close',
    'A: b',
  ]
  const lines = [
    `HTTP/1.1 ${random.chance(0.8) ? 200 : random.pick([204, 206, 302, 304, 401, 404, 429, 500, 503])} OK`,
    ...(n > 0 ? ['Portmesh-Sealed: v=1'] : []),
    `Portmesh-Id: ${toB64u(new Uint8Array(32))}`,
    ...(target.endsWith('/have') ? [] : [`Content-Length: ${sealed.length}`]),
    ...(random.chance(0.3) ? [random.pick(more)] : []),
  ]
  return Buffer.concat([
    Buffer.from(`${random.chance(0.05) ? random.pick(odd) : ''}${lines.join('\r\n')}\r\n\r\n`),
    sealed,
  ])
}

/** Answers every request on a connection: as an honest node, or with what chance makes of that. */
const startLiar = async (chanceOf: () => Random): Promise<string> => {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
    socket.on('data', async (bytes) => {
      const random = chanceOf()
      const head = bytes.toString('latin1')
      if (!/^(GET|POST) /.test(head)) return
      const honest = await honestAnswer(random, head)
      const kind = random.int(10)
      const sent =
        kind < 4
          ? honest
          : kind < 8
            ? random.mutated(honest)
            : kind === 8
              ? random.mutated(honest.subarray(0, 300))
              : random.bytes(random.length(500))
      for (const piece of random.chance(0.9) ? [sent] : random.chunks(sent)) socket.write(piece)
      if (random.chance(0.1)) socket.resetAndDestroy()
      else if (random.chance(0.4) || head.includes('/have')) socket.end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  const bound = server.address()
  return `127.0.0.1:${typeof bound === 'object' && bound ? bound.port : 0}`
}

test('a call to a peer ends in time, with an error of ours or with what the peer sealed', PATIENT, async () => {
  let random: Random | undefined
  const address = await startLiar(() => random as Random) // set before anybody asks
  const at = { address, id: PEER }
  const seen = new Set<string>()
  await fuzz({ rounds: 3, weight: 6, limitMs: 30_000 }, async (chance) => {
    random = chance
    const reach = new Reach(() => {})
    const session = new OutSession({ peerId: PEER, sid: SID, keys: KEYS })
    const sessions = { session: async () => session, drop: () => {} }
    const client = new PeerClient(reach, sessions, QUICK)
    const contents = new ContentClient(new Asker(reach, sessions, QUICK))
    const carry = carryOver(reach, QUICK)
    const calls = {
      alive: async () => (await client.alive(address)).portmesh,
      getkey: async () => await carry(address, 'GET', '/getkey'),
      table: async () => expect((await client.table(address, {})).page).toEqual(PAGE),
      update: async () => await client.update(address, { kind: 'changed', port: 1 }),
      file: async (signal: AbortSignal) =>
        expect((await collected(await client.file(address, PEER, 'a', signal))).equals(CONTENT)).toBe(true),
      tree: async (signal: AbortSignal) =>
        expect(Buffer.compare(await contents.tree(at, ROOT, signal), CONTENT.subarray(0, 64))).toBe(0),
      have: async (signal: AbortSignal) => {
        for await (const message of contents.have(at, ROOT, signal)) expect(message).toBeTypeOf('object')
      },
      pieces: async (signal: AbortSignal) => {
        const got: Uint8Array[] = []
        const frame = (parts: readonly Uint8Array[]) => void got.push(...parts.map((part) => new Uint8Array(part)))
        const sink = { head: () => {}, progress: () => {}, frame }
        await contents.pieces(at, ROOT, { first: 0, count: 2, want: undefined }, sink, signal)
        expect(Buffer.concat(got).equals(CONTENT)).toBe(true)
      },
    }
    const asked = Array.from({ length: AT_ONCE }, () => chance.pick(Object.entries(calls)))
    await Promise.all(
      asked.map(async ([name, call]) => {
        const began = performance.now()
        const signal = AbortSignal.timeout(4_000)
        const told = await attemptLater(async () => await call(signal)).catch((error: unknown) => {
          if (error === signal.reason) return { code: 'given up' }
          throw error
        })
        expect(performance.now() - began, `${name} took too long`).toBeLessThan(CALL_LIMIT_MS)
        seen.add(`${name}: ${'code' in told ? told.code : 'well'}`)
      }),
    )
    await reach.drop()
  })
  if (process.env.PORTMESH_SEED === undefined)
    // Which of them go well is drawn, too: some do, or nothing but refusals would have been tried.
    expect([...seen].filter((one) => one.endsWith(': well')).length).toBeGreaterThan(0)
})
