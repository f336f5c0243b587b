/** Peers that want us to look at others for them, and peers that ask without end. */
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { Introductions } from '../../src/discovery/introductions.ts'
import { Probing } from '../../src/discovery/probing.ts'
import { nodesOf, until } from '../helpers/api.ts'
import { freePorts, startNode } from '../helpers/process.ts'
import { startRoom } from '../helpers/room.ts'
import { type AskingStranger, openSession, plain, type SealedReply } from '../helpers/stranger.ts'
import { startStranger } from '../helpers/stranger-server.ts'

/** A node that looks for those who ask it to. */
const probed = async () => {
  const refused: string[] = []
  const ending = new AbortController()
  const late: { probing?: Probing; introductions?: Introductions } = {}
  const room = await startRoom({
    peer: {
      probe: async (id, host, port) => (await late.probing?.reaches(id, host, port)) ?? false,
      peers: () => late.introductions?.tell() ?? { peers: [] },
      refused: (code) => refused.push(code),
    },
  })
  late.probing = new Probing(room.client)
  late.introductions = new Introductions({
    client: room.client,
    table: room.table,
    ownId: room.id,
    verify: () => true,
    learn: async () => {},
    signal: ending.signal,
  })
  return { room, refused }
}

const probe = async (session: AskingStranger, body: unknown): Promise<SealedReply> =>
  await session.ask('POST', '/probe', { plaintext: JSON.stringify(body) })

/** A program of the host that the question comes from, which has nothing to do with it. */
const startThird = async (answer?: RequestListener) => {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    if (answer) answer(request, response)
    else response.writeHead(200, { 'portmesh-id': 'x', 'x-secret': 'secret' }).end('secret')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const bound = server.address()
  return { port: typeof bound === 'object' && bound ? bound.port : 0, asked }
}

test('an asker that is there is reached, and one that is not is not', async () => {
  const { room } = await probed()
  const asker = await startStranger()
  const session = await openSession(room.url, asker.identity)
  expect(await (await probe(session, { port: asker.port })).text()).toBe('{"reached":true}')
  expect(asker.asked).toEqual(['alive'])
  const gone = await startStranger()
  await gone.stop()
  const other = await openSession(room.url, gone.identity)
  expect(await (await probe(other, { port: gone.port })).text()).toBe('{"reached":false}')
})

test.each<[string, RequestListener | undefined]>([
  ['answers something', undefined],
  ['sends on', (_request, response) => response.writeHead(302, { location: '/secret' }).end()],
  ['breaks off', (request) => request.socket.destroy()],
  ['says the word', (_request, response) => response.end('up and running')],
])('a third program that %s is asked for /alive once, and nothing is told of it', async (_what, answer) => {
  const { room } = await probed()
  const third = await startThird(answer)
  const reply = await probe(await openSession(room.url), { port: third.port })
  expect([reply.status, await reply.text()]).toEqual([200, '{"reached":false}'])
  expect(third.asked).toEqual(['GET /alive'])
})

test('another node at the port is not the asker', async () => {
  const { room } = await probed()
  const other = await startStranger()
  expect(await (await probe(await openSession(room.url), { port: other.port })).text()).toBe('{"reached":false}')
  expect(other.asked).toEqual(['alive'])
  expect(room.table.all()).toEqual([])
})

test.each([{}, { port: 0 }, { port: 65_536 }, { port: 1.5 }, { port: '80' }, { port: null }, [80]])(
  '%j asks for nothing',
  async (body) => {
    const { room } = await probed()
    const reply = await probe(await openSession(room.url), body)
    expect([reply.status, JSON.parse(await reply.text()).error.code]).toEqual([400, 'PM_BAD_REQUEST'])
  },
)

test('a host in the question is not looked at: only where it came from counts', async () => {
  const { room } = await probed()
  const asker = await startStranger()
  const third = await startThird()
  const body = { port: asker.port, host: `127.0.0.1:${third.port}`, address: `127.0.0.1:${third.port}` }
  await probe(await openSession(room.url, asker.identity), body)
  expect(third.asked).toEqual([])
})

test('outside of a session there is no looking, and no telling', async () => {
  const { room } = await probed()
  const third = await startThird()
  const bare = await plain(room.url, '/probe', { method: 'POST', body: JSON.stringify({ port: third.port }) })
  expect([bare.status, bare.code]).toEqual([401, 'PM_NO_SESSION'])
  expect((await plain(room.url, '/peers')).code).toBe('PM_NO_SESSION')
  expect(third.asked).toEqual([])
})

test('a flood of questions for a look is one look, and the others are told to wait', async () => {
  const { room, refused } = await probed()
  const third = await startThird()
  const session = await openSession(room.url)
  const replies = await Promise.all(Array.from({ length: 60 }, () => probe(session, { port: third.port })))
  const busy = replies.filter(({ status }) => status === 429)
  expect(busy).toHaveLength(59)
  expect(JSON.parse((await busy[0]?.text()) ?? '').error.code).toBe('PM_BUSY')
  expect(third.asked).toEqual(['GET /alive'])
  expect(refused.filter((code) => code === 'PM_BUSY')).toHaveLength(59)
})

test('a flood of questions for peers meets the limit of its asker, and others are answered', {
  timeout: 30_000,
}, async () => {
  const { room, refused } = await probed()
  const session = await openSession(room.url)
  const statuses: number[] = []
  for (let round = 0; round < 60 && !statuses.includes(429); round += 1) {
    const replies = await Promise.all(Array.from({ length: 50 }, () => session.ask('GET', '/peers')))
    statuses.push(...replies.map(({ status }) => status))
  }
  expect(new Set(statuses)).toEqual(new Set([200, 429]))
  expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(512)
  expect(refused).toContain('PM_BUSY')
  const flood = Array.from({ length: 200 }, () => session.ask('GET', '/peers'))
  expect((await plain(room.url, '/alive')).status).toBe(200)
  const other = await openSession(room.url)
  expect((await other.ask('GET', '/peers')).status).toBe(200)
  expect((await other.ask('GET', '/table')).status).toBe(200)
  await Promise.all(flood)
})

test('peers are asked for without parameters', async () => {
  const { room } = await probed()
  const session = await openSession(room.url)
  expect((await session.ask('GET', '/peers?all=1')).status).toBe(400)
  expect((await session.ask('POST', '/peers')).status).toBe(404)
})

test('a real node answers its person in the middle of floods from many, and tells nothing of those of its computer', {
  timeout: 60_000,
}, async () => {
  const known = await startStranger()
  const node = await startNode({ ports: [...(await freePorts(1)), known.address] })
  const seen = await until(
    () => nodesOf(node.url),
    (nodes) => nodes.some(({ id }) => id === known.id),
  )
  const third = await startThird()
  const floods = Array.from({ length: 4 }, async () => {
    const session = await openSession(node.url)
    const statuses: number[] = []
    for (let turn = 0; turn < 40; turn += 1) {
      const looks = Array.from({ length: 5 }, () => probe(session, { port: third.port }))
      const questions = Array.from({ length: 5 }, () => session.ask('GET', '/peers'))
      for (const reply of await Promise.all([...looks, ...questions])) statuses.push(reply.status)
    }
    return { session, statuses }
  })
  let answers = 0
  const ended = Promise.all(floods)
  for (let over = false; !over; answers += 1) {
    expect(await nodesOf(node.url)).toHaveLength(seen.length)
    over = await Promise.race([ended.then(() => true), setTimeout(50, false)])
  }
  expect(answers).toBeGreaterThan(1)
  for (const { session, statuses } of await ended) {
    expect(new Set(statuses)).toEqual(new Set([200, 429]))
    expect(await (await session.ask('GET', '/peers')).text()).toBe('{"peers":[]}')
  }
  expect(new Set(third.asked)).toEqual(new Set(['GET /alive']))
  expect((await node.stop()).code).toBe(0)
})
