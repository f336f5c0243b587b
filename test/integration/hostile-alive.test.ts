/** Peers that lie in /alive and with their news, or never come to the point: who is alive, and how often anybody is asked. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { toB64u } from '../../src/bytes.ts'
import { PACE } from '../../src/discovery/pulls.ts'
import { until } from '../helpers/api.ts'
import { startRoom } from '../helpers/room.ts'
import { failureOf, openSession, strangerIdentity } from '../helpers/stranger.ts'
import { freshnessOf, type Reply, signedPage, startStranger } from '../helpers/stranger-server.ts'
import { acquainted, lie, QUICK, sends, whole } from './hostile-acquainted.ts'

test('one pull has an end, however slowly its pages come, and others are pulled meanwhile', async () => {
  const slow = await startStranger()
  let upTo = 0
  sends(slow, () => {
    upTo += 1
    const page = signedPage(slow.identity, whole(slow), { version: 1_000_000 })
    return { ...page, whole: upTo === 1, upTo, files: [lie(`${upTo}`)] }
  })
  const honestly = slow.does.get('table')
  slow.does.set('table', (turn) => setTimeout(() => honestly?.(turn), 100))
  const good = await startStranger()
  good.publish('good.txt', 'good')
  const pace = { ...QUICK, deadlineMs: 3_000, firstRoundMs: 600 }
  const room = await startRoom({ addresses: [slow.address, good.address], intervalMs: 200, keepAlive: { pace } })
  const began = performance.now()
  await room.keepAlive.start()
  expect(performance.now() - began).toBeLessThan(2_500)
  await until(
    async () => room.catalogue.search({}).total,
    (total) => total === 1,
  )
  const looks = good.count('alive')
  await until(
    async () => room.troubles,
    (codes) => codes.length > 0,
    10_000,
  )
  expect(good.count('alive')).toBeGreaterThan(looks + 2)
  expect(room.table.all().map(({ id }) => id)).toEqual([good.id])
})

test('/alive that changes with every look, or names another identity each time, costs a pull in two seconds at most', async () => {
  expect(PACE).toMatchObject({ pauseMs: 2_000, toldPauseMs: 250, promptPauseMs: 1_000 })
  let turn = 10
  const lies: (() => Record<string, string>)[] = [
    () => ({ 'portmesh-table': `${++turn};${toB64u(Buffer.alloc(16, turn))}` }),
    () => ({ 'portmesh-epoch': `${++turn}` }),
    () => ({ 'portmesh-id': toB64u(strangerIdentity().id) }),
  ]
  const met = lies.map(async (lie) => {
    const { stranger, room } = await acquainted({ intervalMs: 200, keepAlive: { pace: { pauseMs: 800 } } })
    stranger.does.set('alive', ({ send, honest }) => {
      const reply = honest()
      send({ ...reply, headers: { ...reply.headers, ...lie() } })
    })
    const looks = stranger.count('alive')
    await sleep(1_200)
    expect(stranger.count('alive') - looks).toBeGreaterThan(2)
    expect(stranger.count('table')).toBeLessThanOrEqual(2)
    expect(stranger.count('getkey')).toBe(0)
    expect(room.table.all().length).toBe(1)
  })
  await Promise.all(met)
})

test('/alive with our own identity, or not exactly the text, is nobody we know', async () => {
  const { stranger, room } = await acquainted({ intervalMs: 60_000 })
  const forms: [string, (reply: Reply) => Partial<Reply>][] = [
    ['our own id', (reply) => ({ ...reply, headers: { ...freshnessOf(room.row) } })],
    ['a line feed more', (reply) => ({ ...reply, body: 'up and running\n' })],
    ['another case', (reply) => ({ ...reply, body: 'Up and running' })],
    ['nothing', (reply) => ({ ...reply, body: '' })],
    ['far more', (reply) => ({ ...reply, body: 'up and running'.repeat(100_000) })],
    ['304', () => ({ status: 304, body: '' })],
    ['204', () => ({ status: 204, body: '' })],
    ['404', (reply) => ({ ...reply, status: 404 })],
    ['no headers of ours', (reply) => ({ body: reply.body })],
    ['somebody else’s id', (reply) => ({ ...reply, headers: { ...reply.headers, 'portmesh-id': 'A'.repeat(43) } })],
    ['an epoch that is none', (reply) => ({ ...reply, headers: { ...reply.headers, 'portmesh-epoch': '1e9' } })],
    [
      'a table that is none',
      (reply) => ({ ...reply, headers: { ...reply.headers, 'portmesh-table': `1;${'A'.repeat(300)}` } }),
    ],
  ]
  for (const [what, form] of forms) {
    stranger.does.delete('alive')
    await room.keepAlive.probe(stranger.address)
    await room.keepAlive.settled()
    expect(room.table.get(stranger.id)?.alive, what).toBe(true)
    const sessions = room.metrics
    stranger.does.set('alive', ({ send, honest }) => send(form(honest())))
    await room.keepAlive.probe(stranger.address)
    if (what !== 'somebody else’s id') expect(room.table.get(stranger.id)?.alive, what).toBe(false)
    await room.keepAlive.settled()
    expect(room.table.get(room.id), what).toBeUndefined()
    expect(sessions).toBe(room.metrics)
  }
})

test('whoever takes the port of a node that died, and repeats its /alive, does not bring it back', async () => {
  const { stranger, room } = await acquainted({ intervalMs: 200 })
  const headers = freshnessOf(stranger.row)
  // The process that answers from now on has not the key of the node it plays.
  const squatter = strangerIdentity()
  stranger.sessions.end(room.id)
  stranger.does.set('alive', ({ send }) => send({ headers, body: 'up and running' }))
  for (const step of ['getkey', 'begin', 'confirm', 'table'] as const)
    stranger.does.set(step, ({ send, request }) =>
      send({ status: step === 'table' ? 401 : 500, body: `${squatter.id} ${request.url}` }),
    )
  await room.keepAlive.probe(stranger.address)
  await until(
    async () => room.table.get(stranger.id)?.alive,
    (alive) => alive === false,
    3_000,
  )
  await sleep(700)
  expect(room.table.get(stranger.id)?.alive).toBe(false)
  expect(stranger.count('alive')).toBeGreaterThan(2)
})

test('a node that only ever answers /alive has to prove itself each minute', async () => {
  const { stranger, room } = await acquainted({
    intervalMs: 200,
    keepAlive: { pace: { ...QUICK, provedForMs: 600 } },
  })
  stranger.does.set('table', ({ send }) => send({ status: 500 }))
  await until(
    async () => room.table.get(stranger.id)?.alive,
    (alive) => alive === false,
    5_000,
  )
  expect(room.troubles.at(-1)).toBe('PM_PEER_MISBEHAVED')
})

test('a peer that breaks every connection is looked at once a second, not without end', async () => {
  const { stranger, room } = await acquainted({ keepAlive: {} })
  stranger.does.set('alive', ({ send, honest, request }) => {
    send(honest())
    setTimeout(() => request.socket.destroy(), 5)
  })
  await room.keepAlive.probe(stranger.address)
  await sleep(1_500)
  expect(stranger.count('alive')).toBeLessThanOrEqual(3)
})

test('a storm of news costs four pulls a second', async () => {
  const { stranger, room, session } = await acquainted({ keepAlive: {} })
  const times: number[] = []
  stranger.does.set('table', ({ send, honest }) => {
    times.push(performance.now())
    send(honest())
  })
  const tell = async (kind: string, port: number) =>
    await session.ask('POST', '/update', { plaintext: JSON.stringify({ kind, port }) })
  for (const end = performance.now() + 900; performance.now() < end; await sleep(5))
    await tell('changed', stranger.port)
  await room.keepAlive.settled()
  const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0))
  expect(times.length).toBeGreaterThan(1)
  expect(Math.min(...gaps)).toBeGreaterThan(200)
  expect((await session.ask('GET', '/table')).status).toBe(200)
  await tell('leaving', room.port)
  expect(room.table.get(stranger.id)?.alive).toBe(false)
})

test('nobody makes a peer leave but itself', async () => {
  const { stranger, room } = await acquainted()
  const other = await openSession(room.url)
  await other.ask('POST', '/update', { plaintext: JSON.stringify({ kind: 'leaving', port: stranger.port }) })
  expect(room.table.get(stranger.id)?.alive).toBe(true)
})

test('a node that stops does not wait for peers that never answer', async () => {
  const stranger = await startStranger()
  stranger.does.set('getkey', () => {})
  const room = await startRoom({ addresses: [stranger.address] })
  void room.keepAlive.start()
  await until(
    async () => stranger.count('getkey'),
    (count) => count > 0,
  )
  const began = performance.now()
  await room.keepAlive.stop()
  expect(performance.now() - began).toBeLessThan(1_000)
  expect(await failureOf(room.client.alive(stranger.address))).toBeUndefined()
})
