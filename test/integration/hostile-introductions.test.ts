/** Peers that lie about others, or never come to the point: who is looked at because of it, how, and how often. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { toB64u } from '../../src/bytes.ts'
import { type Identity, sign, verify } from '../../src/crypto/identity.ts'
import { OwnRow } from '../../src/dht/row.ts'
import { Introductions } from '../../src/discovery/introductions.ts'
import type { Patience } from '../../src/peer/patience.ts'
import type { PeersAnswer } from '../../src/protocol/messages.ts'
import { until } from '../helpers/api.ts'
import { startRoom } from '../helpers/room.ts'
import { strangerIdentity } from '../helpers/stranger.ts'
import { freshnessOf, startStranger, type Turn } from '../helpers/stranger-server.ts'
import { QUICK, sends, whole } from './hostile-acquainted.ts'

type Told = PeersAnswer['peers'][number]

const told = (addresses: readonly string[], identity: Identity = strangerIdentity()): Told => {
  const row = new OwnRow({ id: identity.id, name: 'one', epoch: 1, sign: (head) => sign(identity.seed, 'row', head) })
  const { bytes, sig } = row.head()
  return { head: toB64u(bytes), sig: toB64u(sig), addresses: [...addresses] }
}

/** A node that knows a liar, and asks it whom it knows as often as a test wants. */
const meeting = async (patience: Partial<Patience> = {}) => {
  const liar = await startStranger()
  const room = await startRoom({ addresses: [liar.address], intervalMs: 100, keepAlive: { pace: QUICK }, patience })
  await room.keepAlive.start()
  const clock = { now: 0 }
  const ending = new AbortController()
  onTestFinished(() => ending.abort())
  const learned: string[] = []
  const introductions = new Introductions({
    client: room.client,
    table: room.table,
    ownId: room.id,
    verify: (id, sig, head) => verify(id, sig, 'row', head),
    learn: async (address) => {
      learned.push(address)
      await room.keepAlive.learn(address)
    },
    signal: ending.signal,
    now: () => clock.now,
  })
  const ask = async (): Promise<void> => {
    clock.now += 60_000
    await introductions.ask(liar.address)
  }
  const says = (text: (turn: Turn) => string): void =>
    void liar.does.set('peers', (turn) => turn.send(turn.sealed(200, text(turn))))
  return { liar, room, learned, ask, says, ending }
}

const one = told(['10.0.0.1:5000'])
const peersOf = (...peers: unknown[]): string => JSON.stringify({ peers })

test.each([
  ['10,000 peers', () => peersOf(...Array.from({ length: 10_000 }, () => one))],
  ['129 peers', () => peersOf(...Array.from({ length: 129 }, () => one))],
  ['1 MiB of one address', () => peersOf({ ...one, addresses: ['x'.repeat(2 ** 20)] })],
  ['1 MiB of a head', () => peersOf({ ...one, head: 'A'.repeat(2 ** 20) })],
  ['16 MiB of nothing', () => `{"peers":[${' '.repeat(2 ** 24)}]}`],
  ['five addresses', () => peersOf({ ...one, addresses: Array.from({ length: 5 }, () => '10.0.0.1:5000') })],
  ['no address', () => peersOf(one, { ...one, addresses: [] })],
  ['garbage', () => '\u0000garbage'],
  ['nothing', () => ''],
  ['null', () => 'null'],
  ['a list', () => JSON.stringify([one])],
  ['brackets', () => '['.repeat(100_000)],
  ['other types', () => peersOf(one, { head: 1, sig: {}, addresses: 'x' })],
  ['a prototype', () => `{"__proto__":{"peers":[${JSON.stringify(one)}]}}`],
])('%s instead of peers: nobody is looked at, and the next answer counts', async (_what, text) => {
  const { liar, room, learned, ask, says } = await meeting()
  says(text)
  await ask()
  expect(learned).toEqual([])
  expect(room.table.get(liar.id)?.alive).toBe(true)
  says(() => peersOf(told(['203.0.113.9:5000'])))
  await ask()
  expect(learned).toEqual(['203.0.113.9:5000'])
})

test('heads that nobody signed, our own and those of nodes that are seen lead nowhere', async () => {
  const { liar, room, learned, ask, says } = await meeting()
  const other = strangerIdentity()
  const forged = { ...told(['10.0.0.1:5000'], other), sig: told([]).sig }
  const bent = { ...told(['10.0.0.1:5000'], other), head: `${told([], other).head}AAAA` }
  says(() => peersOf(forged, bent, told(['10.0.0.2:5000'], room.identity), told(['10.0.0.3:5000'], liar.identity)))
  await ask()
  expect(liar.count('peers')).toBe(1)
  expect(learned).toEqual([])
})

test.each<[string, (turn: Turn) => void]>([
  ['an answer that never begins', () => {}],
  [
    'an answer that drips',
    ({ response }) => {
      response.writeHead(200, { 'portmesh-sealed': 'v=1' })
      const drip = setInterval(() => response.write('x'), 20)
      response.once('close', () => clearInterval(drip))
    },
  ],
  [
    'an answer that floods',
    ({ response }) => {
      response.writeHead(200, { 'portmesh-sealed': 'v=1' })
      const flood = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
      }
      response.on('drain', flood)
      flood()
    },
  ],
])('%s has an end, and keeps nobody from being found', async (_what, act) => {
  const { liar, room, learned, ask } = await meeting({ callMs: 1_000, headMs: 1_000 })
  liar.does.set('peers', act)
  const asking = ask()
  const other = await startStranger()
  await room.keepAlive.learn(other.address)
  expect(room.table.get(other.id)?.alive).toBe(true)
  await asking
  expect(learned).toEqual([])
})

/** An address of this very computer that is not loopback; there may be none. */
const host =
  Object.values(networkInterfaces())
    .flatMap((all = []) => all)
    .find(({ internal, family }) => !internal && family === 'IPv4')?.address ?? ''

/** Somebody who has nothing to do with all this. @returns its address, and the first line of all that was sent there */
const startVictim = async (answer = 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n') => {
  const lines: string[] = []
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (data) => {
      lines.push(String(data).split('\r\n')[0] ?? '')
      socket.end(answer)
    })
  })
  server.listen(0, host)
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const bound = server.address()
  return { address: `${host}:${typeof bound === 'object' && bound ? bound.port : 0}`, lines }
}

const NODE = 'HTTP/1.1 200 OK\r\nContent-Length: 14\r\nConnection: close\r\n\r\nup and running'

describe.skipIf(host === '')('on an address of this computer', () => {
  test.each([
    ['knows nothing', undefined],
    ['says the word', NODE],
    ['says something else', 'SSH-2.0-OpenSSH_9.9\r\n'],
    ['sends on', 'HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/x\r\nContent-Length: 0\r\n\r\n'],
  ])('a victim that %s is asked a few times whether it is alive, and nothing else', async (_what, answer) => {
    const { liar, ask, says, room } = await meeting()
    const victim = await startVictim(answer)
    says(() => peersOf(...Array.from({ length: 128 }, () => told(Array(4).fill(victim.address)))))
    for (let time = 0; time < 10; time += 1) await ask()
    await until(
      async () => victim.lines,
      ({ length }) => length > 0,
    )
    const looks = liar.count('alive')
    await until(
      async () => liar.count('alive'),
      (count) => count > looks + 5,
    )
    expect(new Set(victim.lines)).toEqual(new Set(['GET /alive HTTP/1.1']))
    expect(victim.lines.length).toBeLessThanOrEqual(4)
    expect(room.table.all().map(({ id }) => id)).toEqual([liar.id])
  })

  test('of all doors of a victim sixteen are knocked at', async () => {
    const { ask, says } = await meeting()
    const doors = await Promise.all(Array.from({ length: 60 }, async () => await startVictim()))
    says(() => peersOf(...doors.map(({ address }) => told([address]))))
    await ask()
    const knocked = (): number => doors.filter(({ lines }) => lines.length > 0).length
    await until(
      async () => knocked(),
      (count) => count >= 16,
    )
    await ask()
    await sleep(300)
    expect(knocked()).toBe(16)
  })

  test('where another one is said to be, the one who is there counts as itself', async () => {
    const { ask, says, room } = await meeting()
    const named = strangerIdentity()
    const there = await startStranger({ host, name: 'itself' })
    there.publish('its.txt', 'its')
    says(() => peersOf(told([there.address], named)))
    await ask()
    await until(
      async () => room.table.get(there.id)?.alive,
      (alive) => alive === true,
    )
    expect(room.table.at(there.address)?.name).toBe('itself')
    expect(room.table.get(Buffer.from(named.id).toString('hex'))).toBeUndefined()
  })

  test('one who repeats all that another one says and signed is not taken for it', async () => {
    const { ask, says, room } = await meeting()
    const named = await startStranger()
    named.publish('named.txt', 'named')
    const there = await startStranger({ host })
    there.does.set('alive', ({ send }) => send({ headers: freshnessOf(named.row), body: 'up and running' }))
    sends(there, () => whole(named))
    says(() => peersOf(told([there.address], named.identity)))
    await ask()
    await until(
      async () => room.troubles,
      ({ length }) => length > 0,
    )
    expect(room.troubles[0]).toBe('PM_PEER_MISBEHAVED')
    expect([room.table.get(named.id), room.table.get(there.id)]).toEqual([undefined, undefined])
  })
})
