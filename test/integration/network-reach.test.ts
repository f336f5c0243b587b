import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Reach } from '../../src/store/reach.ts'
import { until } from '../helpers/api.ts'
import { rootOf } from '../helpers/contents.ts'
import { codeOf, Line, Listening, openText } from '../helpers/holder-client.ts'
import { type NetworkRoom, startNetworkRoom } from '../helpers/network-room.ts'
import { type AskingStranger, openSession } from '../helpers/stranger.ts'
import { hashOf, idOf } from './user-scope.ts'

const PIECE = 128 * 1024
const HERE = '127.0.0.1:5001'
const THERE = '192.0.2.7:5001'

/** A room with one content under some names, and somebody of the network who asks. */
const showing = async (names: Readonly<Record<string, Reach>>, bytes = randomBytes(3 * PIECE)) => {
  const room = await startNetworkRoom()
  for (const [name, reach] of Object.entries(names)) {
    await writeFile(join(room.folder, name), bytes)
    await room.published.publish(name, reach)
  }
  return { room, bytes, root: rootOf(bytes), session: await openSession(room.url) }
}

/** What the asker gets: of the name, and of the tree, the pieces and the news of the root. */
const given = async (session: AskingStranger, root: string, name = 'a.bin') => {
  const line = new Line(session)
  const file = await session.ask('GET', `/myfiles/${name}`)
  const tree = await line.ask(`/content/${root}/tree`)
  const pieces = await line.ask(`/content/${root}?pieces=0`)
  const have = new Listening(session, root)
  await until(
    async () => have.status,
    (status) => status !== 0,
  )
  return {
    statuses: [file.status, tree.status, pieces.status, have.status],
    codes: async () => [JSON.parse(await file.text()).error.code, codeOf(tree), codeOf(pieces)],
  }
}

const NOTHING = [404, 404, 404, 404]
const ALL = [200, 200, 200, 200]

test('what is for this computer only is not there for the network, as what never was', async () => {
  const { session, root } = await showing({ 'a.bin': 'computer' })
  const { statuses, codes } = await given(session, root)
  expect(statuses).toEqual(NOTHING)
  expect(await codes()).toEqual(['PM_NOT_PUBLISHED', 'PM_NOT_PUBLISHED', 'PM_NOT_PUBLISHED'])
  const hidden = await (await session.ask('GET', '/myfiles/a.bin')).text()
  expect(await (await session.ask('GET', '/myfiles/never.bin')).text()).toBe(hidden)
  const row = JSON.parse(await (await session.ask('GET', '/table')).text())
  expect(row.files).toEqual([])
})

test('nor is one that changed on disk told from one that never was', async () => {
  const { room, session } = await showing({ 'a.bin': 'computer' })
  await writeFile(join(room.folder, 'a.bin'), 'another one')
  const answer = await session.ask('GET', '/myfiles/a.bin')
  await room.published.check()
  const later = await session.ask('GET', '/myfiles/a.bin')
  for (const one of [answer, later]) expect(JSON.parse(await one.text()).error.code).toBe('PM_NOT_PUBLISHED')
})

test('what is shown to the network is given, whole and in pieces', async () => {
  const { session, root, bytes } = await showing({ 'a.bin': 'network' })
  expect((await given(session, root)).statuses).toEqual(ALL)
  expect((await new Line(session).pieces(root, '0-2')).bytes.equals(bytes)).toBe(true)
})

test.each([
  { 'a.bin': 'computer', 'b.bin': 'network' },
  { 'b.bin': 'network', 'a.bin': 'computer' },
] as const)('a content of two names is given by the one that is for the network: %j', async (names) => {
  const { room, session, root, bytes } = await showing(names)
  expect((await given(session, root, 'a.bin')).statuses).toEqual([404, 200, 200, 200])
  expect((await given(session, root, 'b.bin')).statuses).toEqual(ALL)
  expect((await new Line(session).pieces(root, '0-2')).bytes.equals(bytes)).toBe(true)
  room.published.show(['b.bin'], 'computer')
  expect((await given(session, root, 'b.bin')).statuses).toEqual(NOTHING)
  room.published.show(['a.bin'], 'network')
  expect((await given(session, root, 'a.bin')).statuses).toEqual(ALL)
})

/** A fetch from somebody at an address, with one of its pieces here. */
const fetching = async (room: NetworkRoom, address: string) => {
  const bytes = randomBytes(4 * PIECE)
  const content = { root: rootOf(bytes), hash: hashOf(bytes), size: bytes.length }
  const goOn = Promise.withResolvers<void>()
  room.contents.before = async ({ piece }) => {
    if (piece > 0) await goOn.promise
  }
  room.meet({ id: idOf(address), address, bytes, hash: content.hash })
  const { transfer } = await room.transfers.add(content, 'fetched.bin')
  await until(
    async () => room.transfers.holdings(content.root)?.pieces?.has(0),
    (here) => here === true,
  )
  return { content, transfer, goOn, bytes }
}

test('what is fetched from a node of this computer is not handed on to the network, neither while it runs nor later', async () => {
  const room = await startNetworkRoom()
  const { content, transfer, goOn } = await fetching(room, HERE)
  const session = await openSession(room.url)
  expect((await given(session, content.root)).statuses).toEqual(NOTHING)
  goOn.resolve()
  await until(
    async () => transfer.state,
    (state) => state === 'done',
    10_000,
  )
  expect(room.transfers.holdings(content.root)).toBeDefined()
  expect((await given(session, content.root)).statuses).toEqual(NOTHING)
})

test('nor to somebody there who only says that he has it', async () => {
  const room = await startNetworkRoom()
  const { content, goOn, bytes } = await fetching(room, HERE)
  room.meet({ id: idOf(THERE), address: THERE, bytes, hash: content.hash })
  const session = await openSession(room.url)
  expect((await given(session, content.root)).statuses).toEqual(NOTHING)
  goOn.resolve()
})

test('what comes from the network is handed on to it, also when a node of this computer has it, too', async () => {
  const room = await startNetworkRoom()
  const { content, goOn, bytes } = await fetching(room, THERE)
  room.meet({ id: idOf(HERE), address: HERE, bytes, hash: content.hash })
  const session = await openSession(room.url)
  expect((await given(session, content.root)).statuses).toEqual([404, 200, 200, 200])
  goOn.resolve()
})

test('what is fetched from this computer is given once it is published for the network', async () => {
  const { room, session, root, bytes } = await showing({ 'a.bin': 'computer' })
  room.meet({ id: idOf(HERE), address: HERE, bytes, hash: hashOf(bytes) })
  expect((await given(session, root)).statuses).toEqual(NOTHING)
  room.published.show(['a.bin'], 'network')
  expect((await given(session, root)).statuses).toEqual(ALL)
})

/** An answer that is asked for and not read yet: far more than connections hold. */
const begun = async (session: AskingStranger, target: string) => {
  const { exchange: _exchange, auth } = session.prepare('GET', target)
  const { hostname, port } = new URL(session.base)
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const asked = request({ host: hostname, port, path: target, agent: false, headers: { 'portmesh-auth': auth } })
    asked.once('response', resolve)
    asked.once('error', reject)
    asked.end()
  })
  answer.pause()
  /** Read all that comes. @returns whether it came to its end, and how much it was */
  const read = async (): Promise<{ whole: boolean; bytes: number }> => {
    let bytes = 0
    return await new Promise((resolve) => {
      answer.on('data', (part: Buffer) => {
        bytes += part.length
      })
      answer.on('error', () => {})
      answer.once('close', () => resolve({ whole: answer.complete, bytes }))
      answer.resume()
    })
  }
  return { status: answer.statusCode, read }
}

const LARGE = 64 * 2 ** 20

test.each([
  ['a file', () => '/myfiles/a.bin'],
  ['pieces', (root: string) => `/content/${root}?pieces=0-511`],
])('%s on its way to the network breaks off when it is taken back', { timeout: 30_000 }, async (_what, targetOf) => {
  const { room, session, root } = await showing({ 'a.bin': 'network' }, randomBytes(LARGE))
  const untouched = await begun(session, targetOf(root))
  expect(untouched.status).toBe(200)
  expect(await untouched.read()).toMatchObject({ whole: true })
  const answer = await begun(session, targetOf(root))
  expect(answer.status).toBe(200)
  room.published.show(['a.bin'], 'computer')
  const { whole, bytes } = await answer.read()
  expect(whole).toBe(false)
  expect(bytes).toBeLessThan(LARGE)
})

test('news of a content end when it is taken back, and go on where another name is still shown', async () => {
  const { room, session, root } = await showing({ 'a.bin': 'network', 'b.bin': 'network' })
  const have = new Listening(session, root)
  await until(
    async () => have.messages,
    ({ length }) => length > 0,
  )
  room.published.show(['a.bin'], 'computer')
  expect(openText(await new Line(session).ask(`/content/${root}/tree`))).toHaveLength(96)
  expect(have.end).toBeUndefined()
  room.published.show(['b.bin'], 'computer')
  expect(
    await until(
      async () => have.end,
      (end) => end !== undefined,
    ),
  ).toBe('clean')
})
