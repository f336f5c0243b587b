/** Servers that lie in a handshake we begin: what they get to know, how often they are asked, and that no session comes of it. */
import { createServer, type ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { fromB64u } from '../../src/bytes.ts'
import { makeKeyAnswer } from '../../src/crypto/handshake.ts'
import { startRoom } from '../helpers/room.ts'
import { failureOf, getKey, postJson, strangerIdentity } from '../helpers/stranger.ts'
import { json, type Reply, type Step, startStranger } from '../helpers/stranger-server.ts'

const HANDSHAKE: readonly Step[] = ['getkey', 'begin', 'confirm']

/** A row is asked for, so a handshake is begun; what becomes of it. */
const meet = async (address: string) => {
  const room = await startRoom()
  const code = await failureOf(room.client.table(address, {}))
  return { room, code }
}

const parsed = ({ body }: Reply) => JSON.parse(body.toString())

const flipped = (text: string): string => `${text.startsWith('A') ? 'B' : 'A'}${text.slice(1)}`

test('nobody hears our identity before it has proved its own', async () => {
  const changes = {
    'another sig': (answer: Record<string, string>) => ({ ...answer, sig: flipped(answer.sig ?? '') }),
    'another mac': (answer: Record<string, string>) => ({ ...answer, mac: flipped(answer.mac ?? '') }),
    'another sid': (answer: Record<string, string>) => ({ ...answer, sid: flipped(answer.sid ?? '') }),
    'another nB': (answer: Record<string, string>) => ({ ...answer, nB: flipped(answer.nB ?? '') }),
    'a further field': (answer: Record<string, string>) => ({ ...answer, more: '' }),
    'a field less': ({ mac: _mac, ...rest }: Record<string, string>) => rest,
  }
  for (const [what, change] of Object.entries(changes)) {
    const stranger = await startStranger()
    stranger.does.set('begin', ({ send, honest }) => send(json(200, change(parsed(honest())))))
    const { code } = await meet(stranger.address)
    expect(code, what).toMatch(/^PM_(REFUSED|PEER_MISBEHAVED)$/)
    expect(stranger.asked, what).toEqual(['getkey', 'begin'])
  }
})

test('an answer of an earlier handshake is no answer to this one', async () => {
  const stranger = await startStranger()
  const { room } = await meet(stranger.address)
  let kept: Reply | undefined
  stranger.does.set('begin', ({ send, honest }) => {
    kept ??= honest()
    send(kept)
  })
  room.initiator.drop(stranger.address)
  await room.client.table(stranger.address, {})
  room.initiator.drop(stranger.address)
  stranger.asked.length = 0
  expect(await failureOf(room.client.table(stranger.address, {}))).toBe('PM_REFUSED')
  expect(stranger.count('confirm')).toBe(0)
})

test('a node that hands out the public value of another gets nowhere, under either name', async () => {
  const victim = await startRoom()
  const key = await getKey(victim.url)
  const y = fromB64u(key.dh, 384) ?? new Uint8Array()
  const liar = await startStranger()
  // It relays the beginning to the victim, whose value it is.
  liar.does.set('begin', async ({ send, body }) => {
    const { kid, ...rest } = JSON.parse(body.toString())
    const answer = await postJson(victim.url, '/session', { ...rest, kid: key.kid })
    send({ status: answer.status, body: answer.bytes, headers: {} })
  })
  liar.does.set('getkey', ({ send }) => send(json(200, makeKeyAnswer(liar.identity, y))))
  expect((await meet(liar.address)).code).toBe('PM_REFUSED')
  expect(liar.count('confirm')).toBe(0)
  // Under the victim's name it can only pass everything on: then it is the victim that is spoken with, and the row is the victim's.
  liar.does.set('getkey', ({ send }) => send(json(200, key)))
  liar.does.set('begin', ({ send, honest }) => send(honest()))
  expect((await meet(liar.address)).code).toBe('PM_STALE_KEY')
  expect(liar.count('confirm')).toBe(0)
  expect(victim.sessions.size).toBe(0)
})

test('a wrong last word is no session: nothing is asked in it', async () => {
  for (const change of [(fin: string) => flipped(fin), () => '', () => 'A'.repeat(43)]) {
    const stranger = await startStranger()
    stranger.does.set('confirm', ({ send, honest }) => send(json(200, { fin: change(parsed(honest()).fin) })))
    expect((await meet(stranger.address)).code).toBe('PM_PEER_MISBEHAVED')
    expect(stranger.count('table')).toBe(0)
  }
})

test('every damaged field of /getkey ends the attempt there', async () => {
  const fields = ['v', 'group', 'dh', 'kid', 'id', 'bbs', 'sig']
  const stranger = await startStranger()
  let room = await startRoom()
  let change = (answer: Record<string, unknown>): unknown => answer
  stranger.does.set('getkey', ({ send, honest }) => send(json(200, change(parsed(honest())))))
  const changes = fields.flatMap((field): ((answer: Record<string, unknown>) => unknown)[] => [
    (answer) => ({ ...answer, [field]: flipped(String(answer[field])) }),
    (answer) => ({ ...answer, [field]: `${answer[field]}A` }),
    (answer) => ({ ...answer, [field]: undefined }),
    (answer) => ({ ...answer, [field]: 7 }),
  ])
  changes.push(
    (answer) => ({ ...answer, more: '' }),
    () => [],
    () => null,
    () => 'text',
    () => makeKeyAnswer({ ...strangerIdentity(), id: Uint8Array.of(1, ...new Uint8Array(31)) }, new Uint8Array(384)),
    () => makeKeyAnswer(strangerIdentity(), Uint8Array.of(...new Uint8Array(383), 1)),
  )
  for (const [index, next] of changes.entries()) {
    change = next
    // Four attempts with one address go at once, each further one waits for a second.
    if (index % 4 === 0) room = await startRoom()
    expect(await failureOf(room.client.table(stranger.address, {})), `${index}`).toMatch(/^PM_/)
  }
  expect(stranger.count('begin')).toBe(0)
}, 30_000)

test('a mirror, or a copy of our own home, is refused', async () => {
  const identity = strangerIdentity()
  const room = await startRoom({ identity })
  const mirror = await startStranger({ identity })
  expect(await failureOf(room.client.table(mirror.address, {}))).toBe('PM_REFUSED')
  expect(mirror.asked).toEqual(['getkey'])
})

test('a stale key is asked for once more, not for ever', async () => {
  const stranger = await startStranger()
  stranger.does.set('begin', ({ send }) => send(json(409, { error: { code: 'PM_STALE_KEY', message: '' } })))
  expect((await meet(stranger.address)).code).toBe('PM_STALE_KEY')
  expect(stranger.asked).toEqual(['getkey', 'begin', 'getkey', 'begin'])
})

test('an error that says nothing we know, or far too much, is a misbehaving peer', async () => {
  const answers: Partial<Reply>[] = [
    { status: 500, body: 'oops' },
    { status: 204 },
    { status: 403, body: '{"error":{"code":"PM_WHATEVER","message":""}}' },
    { status: 200, body: '{' },
    { status: 200, body: '['.repeat(8_000) },
    { status: 200, body: `{"fin":"${'A'.repeat(9_000)}"}` },
    { status: 400, body: 'x'.repeat(1_000_000) },
    { status: 418, body: '{"error":{"code":{},"message":[]}}' },
  ]
  for (const [index, answer] of answers.entries()) {
    const stranger = await startStranger()
    stranger.does.set(HANDSHAKE[index % 3] ?? 'getkey', ({ send }) => send(answer))
    expect((await meet(stranger.address)).code, JSON.stringify(answer).slice(0, 60)).toBe('PM_PEER_MISBEHAVED')
  }
})

test('redirects are never followed, and packed bodies never unpacked', async () => {
  const asked: string[] = []
  const second = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.end('up and running')
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void second.close())
  await new Promise((resolve) => second.once('listening', resolve))
  const bound = second.address()
  const location = `http://127.0.0.1:${typeof bound === 'object' ? bound?.port : 0}/`
  for (const step of ['alive', ...HANDSHAKE, 'table'] as const) {
    for (const status of [301, 302, 303, 304, 307, 308, 300]) {
      const stranger = await startStranger()
      stranger.does.set(step, ({ send }) =>
        send({ status, headers: { location: location + step }, body: status === 304 ? '' : 'x' }),
      )
      const room = await startRoom({ addresses: [stranger.address] })
      if (step === 'alive') expect([...(await room.keepAlive.start()).values()]).toEqual(['nobody'])
      else expect(await failureOf(room.client.table(stranger.address, {}))).toBe('PM_PEER_MISBEHAVED')
    }
    const stranger = await startStranger()
    stranger.does.set(step, ({ send, honest }) => {
      const { headers, body } = honest()
      send({ headers: { ...headers, 'content-encoding': 'gzip' }, body: gzipSync(body) })
    })
    const room = await startRoom({ addresses: [stranger.address] })
    if (step === 'alive') expect([...(await room.keepAlive.start()).values()]).toEqual(['nobody'])
    else expect(await failureOf(room.client.table(stranger.address, {}))).toBe('PM_PEER_MISBEHAVED')
  }
  expect(asked).toEqual([])
})

test('a handshake answer that comes byte by byte, never, or without end is given up in time', async () => {
  const forms: ((response: ServerResponse) => void)[] = [
    () => {},
    (response) => response.socket?.write('HTTP/1.1 200 OK\r\nA'),
    (response) => void response.writeHead(200).flushHeaders(),
    (response) => {
      response.writeHead(200, { 'content-length': '100' })
      const timer = setInterval(() => response.write('{'), 50)
      response.once('close', () => clearInterval(timer))
    },
    (response) => {
      const timer = setInterval(() => response.socket?.write('HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n'), 50)
      response.once('close', () => clearInterval(timer))
    },
    (response) => response.socket?.destroy(),
    (response) => response.socket?.resetAndDestroy(),
    (response) => response.socket?.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{'),
    (response) => response.socket?.end(`HTTP/1.1 200 OK\r\nA: ${'a'.repeat(100_000)}\r\n\r\n`),
    (response) => response.socket?.end('SSH-2.0-OpenSSH\r\n'),
  ]
  const done = forms.flatMap((form) =>
    HANDSHAKE.map(async (step) => {
      const stranger = await startStranger()
      stranger.does.set(step, ({ response }) => form(response))
      const room = await startRoom({ patience: { handshakeMs: 400 } })
      const began = performance.now()
      expect(await failureOf(room.client.table(stranger.address, {}))).toBe('PM_PEER_UNREACHABLE')
      expect(performance.now() - began).toBeLessThan(10_000)
    }),
  )
  await Promise.all(done)
})

test('handshakes with one address take turns: four at once, then one a second', async () => {
  const stranger = await startStranger()
  const room = await startRoom()
  stranger.does.set('begin', ({ send }) => send({ status: 500 }))
  const began = performance.now()
  for (let i = 0; i < 6; i++) await failureOf(room.client.table(stranger.address, {}))
  expect(performance.now() - began).toBeGreaterThan(1_500)
  await Promise.all([1, 2, 3].map(() => failureOf(room.client.table(stranger.address, {}))))
  expect(stranger.count('getkey')).toBeLessThanOrEqual(8)
})
