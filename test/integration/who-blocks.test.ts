/** A block holds everywhere: at the handshake, in an open session, in the middle of a transfer either way, after a restart. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { get, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { knownBy, knows, say } from '../helpers/acquainted.ts'
import { ask, catalogueOf, publish, until } from '../helpers/api.ts'
import { shared, startHolder } from '../helpers/holder-server.ts'
import { freePorts, type RunningNode, startNode, tempDir } from '../helpers/process.ts'
import { type AskingStranger, halfHandshake, openSession, sendConfirm } from '../helpers/stranger.ts'
import { type Stranger, startStranger } from '../helpers/stranger-server.ts'

const MEBIBYTE = 2 ** 20
const PIECE = 128 * 1024

/** A real node that knows strangers by their addresses. */
const startKnowing = async (addresses: readonly string[], home?: string): Promise<RunningNode> =>
  await startNode({ ports: [...(await freePorts(1)), ...addresses], ...(home !== undefined && { home }) })

const met = async (stranger: Stranger, home?: string): Promise<RunningNode> => {
  const node = await startKnowing([stranger.address], home)
  await knows(node.url, stranger.id)
  return node
}

/** Whatever belongs to a session or leads to one; anybody may ask whether somebody is there. */
const private_ = (stranger: Stranger): number => stranger.asked.filter((step) => step !== 'alive').length

test('a blocked node is refused like one with a wrong proof, is not asked, and nothing of it is shown; unblocked it is back', async () => {
  const stranger = await startStranger({ name: 'Emeka' })
  stranger.publish('theirs.txt', 'theirs')
  const node = await met(stranger)
  await until(
    () => catalogueOf(node.url),
    ({ total }) => total === 1,
  )
  expect(await say(node.url, stranger.id, 'block')).toMatchObject({ status: 200 })
  expect((await catalogueOf(node.url)).total).toBe(0)
  expect(await knownBy(node.url, stranger.id)).toMatchObject({ name: 'Emeka', blocked: true, alive: false, count: 0 })

  const proof = await halfHandshake(node.url, stranger.identity)
  const refused = await sendConfirm(node.url, proof.confirm.sid, proof.confirm.message)
  const other = await halfHandshake(node.url)
  const wrong = await sendConfirm(node.url, other.confirm.sid, {
    ...other.confirm.message,
    mac: proof.confirm.message.mac,
  })
  expect([refused.status, refused.code]).toEqual([403, 'PM_REFUSED'])
  expect([refused.bytes.toString(), Object.keys(refused.headers)]).toEqual([
    wrong.bytes.toString(),
    Object.keys(wrong.headers),
  ])
  // Everybody else is as welcome as before.
  await openSession(node.url)

  const before = private_(stranger)
  const looks = stranger.count('alive')
  await until(
    async () => stranger.count('alive'),
    (count) => count >= looks + 3,
  )
  expect(private_(stranger)).toBe(before)
  expect((await catalogueOf(node.url)).total).toBe(0)

  expect(await say(node.url, stranger.id, 'unblock')).toMatchObject({ status: 200 })
  await knows(node.url, stranger.id, ({ alive, blocked }) => alive && !blocked)
  expect((await catalogueOf(node.url)).total).toBe(1)
})

test('a blocked node that hides who it is in /alive learns nothing more by that', async () => {
  const stranger = await startStranger()
  const node = await met(stranger)
  await say(node.url, stranger.id, 'block')
  const other = await startStranger()
  stranger.does.set('alive', ({ send, honest }) => {
    const { headers, ...reply } = honest()
    send({ ...reply, headers: { ...headers, 'portmesh-id': other.row.head().head.id } })
  })
  stranger.asked.length = 0
  await until(
    async () => stranger.count('getkey'),
    (count) => count >= 2,
  )
  // Its key says who it is, and then nobody goes on.
  expect(stranger.asked.filter((step) => step !== 'alive' && step !== 'getkey')).toEqual([])
})

test('one that is unblocked is looked for at once, not with the next round', async () => {
  const stranger = await startStranger()
  const node = await startNode({ ports: [...(await freePorts(1)), stranger.address], interval: 3_600 })
  await knows(node.url, stranger.id)
  await say(node.url, stranger.id, 'block')
  await say(node.url, stranger.id, 'unblock')
  await knows(node.url, stranger.id, ({ alive }) => alive)
})

test('a block outlives a restart', async () => {
  const stranger = await startStranger({ name: 'Emeka' })
  stranger.publish('theirs.txt', 'theirs')
  const home = await tempDir()
  // Stopped once, it has the row of the other on its disk; killed right after the block, it has had no time to take it away.
  await (await met(stranger, home)).stop()
  const first = await met(stranger, home)
  await say(first.url, stranger.id, 'block')
  await first.kill()
  const node = await startKnowing([stranger.address], home)
  const half = await halfHandshake(node.url, stranger.identity)
  expect((await sendConfirm(node.url, half.confirm.sid, half.confirm.message)).code).toBe('PM_REFUSED')
  expect(await knownBy(node.url, stranger.id)).toMatchObject({ name: 'Emeka', blocked: true, alive: false })
  expect((await catalogueOf(node.url)).total).toBe(0)
  await say(node.url, stranger.id, 'unblock')
  await knows(node.url, stranger.id, ({ alive, count }) => alive && count === 1)
})

/** A sealed request whose answer is not read further than its head. */
const begun = async (session: AskingStranger, target: string): Promise<IncomingMessage> => {
  const { hostname: host, port } = new URL(session.base)
  const { auth } = session.prepare('GET', target)
  const asked = get({ host, port, path: target, agent: false, headers: { 'portmesh-auth': auth } })
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  answer.on('error', () => {})
  return answer
}

test('open sessions of a blocked node end, and whatever is still given in them', async () => {
  const stranger = await startStranger()
  const node = await met(stranger)
  await writeFile(join(node.home, 'big.bin'), randomBytes(48 * MEBIBYTE))
  const { root } = await publish(node.url, 'big.bin')
  const session = await openSession(node.url, stranger.identity)
  const bystander = await openSession(node.url)
  expect((await session.ask('GET', '/table')).status).toBe(200)
  const news = await begun(session, `/content/${root}/have`)
  const file = await begun(session, '/myfiles/big.bin')
  const pieces = await begun(session, `/content/${root}?pieces=0-255`)
  const elsewhere = await begun(bystander, `/content/${root}/have`)
  expect([news, file, pieces, elsewhere].map(({ statusCode }) => statusCode)).toEqual([200, 200, 200, 200])

  expect(await say(node.url, stranger.id, 'block')).toMatchObject({ status: 200 })
  const ends = [news, file, pieces].map(async (answer) => {
    answer.resume()
    if (!answer.closed) await new Promise((resolve) => answer.once('close', resolve))
    return answer.complete
  })
  expect(await Promise.all(ends)).toEqual([false, false, false])
  expect(await session.ask('GET', '/table')).toMatchObject({ status: 401, code: 'PM_NO_SESSION', sealed: false })
  const update = { plaintext: JSON.stringify({ kind: 'changed', port: stranger.port }) }
  expect(await session.ask('POST', '/update', update)).toMatchObject({ status: 401, sealed: false })
  expect((await bystander.ask('GET', '/table')).status).toBe(200)
  expect(elsewhere.destroyed).toBe(false)
  elsewhere.destroy()
})

test('an answer of a blocked node that is under way is broken off', async () => {
  const content = shared(randomBytes(200 * PIECE))
  const holder = await startHolder(content)
  const closed = Promise.withResolvers<number>()
  const begun = Promise.withResolvers<number>()
  // It sends a little all the time, so that nobody gives it up.
  holder.does.set('pieces', ({ run, pieces, response }) => {
    const body = pieces(run)
    response.writeHead(200, { 'portmesh-sealed': 'v=1', 'content-length': String(body.length) })
    let at = 0
    const drip = setInterval(() => {
      response.write(body.subarray(at, at + 1_000))
      at += 1_000
      begun.resolve(at)
    }, 20)
    response.once('close', () => {
      clearInterval(drip)
      closed.resolve(body.length - at)
    })
  })
  const node = await met(holder.stranger)
  await fetch(`${node.url}transfers`, { method: 'POST', body: new URLSearchParams({ root: content.root }) })
  await begun.promise
  await sleep(500)
  await say(node.url, holder.id, 'block')
  // All of it would take some seconds more.
  expect(await closed.promise).toBeGreaterThan(0)
  await until(
    async () => holder.following(),
    (following) => following === 0,
    3_000,
  )
})

test('a fetch from a node that is blocked in the middle of it stops there, and goes on when it is unblocked', async () => {
  const content = shared(randomBytes(400 * PIECE))
  const holder = await startHolder(content, { slowMs: 150 })
  const node = await met(holder.stranger)
  const { id } = (await (
    await fetch(`${node.url}transfers`, { method: 'POST', body: new URLSearchParams({ root: content.root }) })
  ).json()) as { id: string }
  const look = () => ask<{ state: string; done: number }>(node.url, `/transfers/${id}`)
  await until(look, ({ done }) => done > 0)
  await say(node.url, holder.id, 'block')
  await until(
    async () => holder.following(),
    (following) => following === 0,
  )
  await until(look, ({ state }) => state === 'waiting')
  const asked = holder.count('pieces')
  const { done } = await look()
  expect(done).toBeLessThan(content.size)
  await sleep(1_000)
  expect([holder.count('pieces'), (await look()).done]).toEqual([asked, done])
  expect((await catalogueOf(node.url)).total).toBe(0)
  await say(node.url, holder.id, 'unblock')
  await until(look, ({ state }) => state === 'done', 30_000)
})

test('what a blocked node shares and others share as well is fetched from the others', async () => {
  const content = shared(randomBytes(20 * PIECE))
  const blocked = await startHolder(content, { name: 'blocked' })
  const honest = await startHolder(content, { name: 'honest' })
  const node = await startKnowing([blocked.address, honest.address])
  await knows(node.url, blocked.id)
  await knows(node.url, honest.id)
  await say(node.url, blocked.id, 'block')
  const [entry] = (await catalogueOf(node.url)).files
  expect(entry?.holders.map(({ name }) => name)).toEqual(['honest'])
  const answer = await fetch(`${node.url}getfile/${content.root}`)
  expect(Buffer.from(await answer.arrayBuffer()).equals(content.bytes)).toBe(true)
  expect([blocked.count('pieces'), blocked.count('tree'), blocked.count('have')]).toEqual([0, 0, 0])
})
