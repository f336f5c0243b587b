/** Many liars at once against the real program: it goes on, serves the honest, and afterwards holds no more than before. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { toB64u } from '../../src/bytes.ts'
import { catalogueOf, nodesOf, publish, until } from '../helpers/api.ts'
import { shared, startHolder } from '../helpers/holder-server.ts'
import { freePorts, type RunningNode, startNode } from '../helpers/process.ts'
import { halfHandshake, openSession, plain, strangerIdentity } from '../helpers/stranger.ts'
import { startStranger, type Turn } from '../helpers/stranger-server.ts'

const descriptors = async ({ pid }: RunningNode): Promise<number> => (await readdir(`/proc/${pid}/fd`)).length

const residentMb = async ({ pid }: RunningNode): Promise<number> =>
  Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024

/** It answers, its descriptors have come back, it has written no error, and it ends as it should. */
const isWell = async (node: RunningNode, before: number): Promise<void> => {
  expect((await plain(node.url, '/alive')).bytes.toString()).toBe('up and running')
  await until(
    () => descriptors(node),
    (count) => count <= before + 12,
    10_000,
  )
  expect(node.stderr()).not.toMatch(/went wrong|Error|"level":"error"/)
  expect((await node.stop()).code).toBe(0)
}

test('a list full of servers that lie, each in its own way, harms neither the node nor the one honest peer', async () => {
  const liars: ((turn: Turn) => void)[] = [
    ({ send }) => send({ status: 302, headers: { location: 'http://127.0.0.1:1/' }, body: 'x' }),
    ({ send }) => send({ status: 304 }),
    ({ send, honest }) => {
      const { headers, body } = honest()
      send({ headers: { ...headers, 'content-encoding': 'gzip' }, body: gzipSync(body) })
    },
    ({ request: { socket } }) => socket.resetAndDestroy(),
    ({ request: { socket } }) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nup'),
    ({ request: { socket } }) => socket.end('garbage\r\n\r\n'),
    ({ request: { socket } }) => socket.end(`HTTP/1.1 200 OK\r\nA: ${'a'.repeat(100_000)}\r\n\r\n`),
    () => {},
    ({ response }) => response.writeHead(200).flushHeaders(),
    ({ response }) => {
      const timer = setInterval(() => response.write('x'.repeat(1_000)), 10)
      response.once('close', () => clearInterval(timer))
    },
    ({ send }) => send({ status: 500, body: '{"error":{"code":"PM_STALE_KEY","message":""}}' }),
    ({ send }) => send({ status: 401, body: '{"error":{"code":"PM_NO_SESSION","message":""}}' }),
    ({ send, honest }) => send({ ...honest(), body: '['.repeat(5_000) }),
  ]
  const steps = ['alive', 'getkey', 'begin', 'confirm', 'table', 'update'] as const
  const strangers = await Promise.all(
    liars.flatMap((liar, index) =>
      [steps[index % steps.length], 'alive' as const, 'table' as const].map(async (step) => {
        const stranger = await startStranger()
        stranger.does.set(step ?? 'alive', liar)
        return stranger
      }),
    ),
  )
  const good = await startHolder(shared(Buffer.from('good')), { fileName: 'good.txt' })
  const [port = 0] = await freePorts(1)
  const ports = [port, ...strangers.map(({ address }) => address), good.address]
  const began = performance.now()
  const node = await startNode({ ports, interval: 0.3, logLevel: 'error' })
  expect(performance.now() - began).toBeLessThan(15_000)
  const before = await descriptors(node)
  const { files } = await until(
    () => catalogueOf(node.url),
    ({ total }) => total === 1,
  )
  expect(files[0]?.names).toEqual(['good.txt'])
  await sleep(2_500)
  const live = (await nodesOf(node.url)).filter(({ alive, files: theirs }) => alive && theirs.length > 0)
  expect(live.map(({ address }) => address)).toEqual([good.address])
  for (const { address } of strangers.slice(0, 6)) {
    const answer = await plain(node.url, `/getfile/${address}/good.txt`, { headers: { host: new URL(node.url).host } })
    expect(answer.status).toBeGreaterThanOrEqual(400)
  }
  const good2 = await plain(node.url, `/getfile/${good.address}/good.txt`, {
    headers: { host: new URL(node.url).host },
  })
  expect(good2.bytes.toString()).toBe('good')
  await Promise.all([...strangers, good].map(({ stop }) => stop()))
  await isWell(node, before)
})

test('floods of handshakes, of connections and of broken downloads pass; a good peer is answered meanwhile', async () => {
  const node = await startNode({ logLevel: 'error' })
  await writeFile(join(node.home, 'big.bin'), Buffer.alloc(6_000_000))
  await publish(node.url, 'big.bin')
  const good = await openSession(node.url)
  await good.ask('GET', '/table')
  const [before, memory] = [await descriptors(node), await residentMb(node)]

  let slowest = 0
  let answered = 0
  let over = false
  const meanwhile = (async () => {
    while (!over) {
      const began = performance.now()
      expect((await good.ask('GET', '/table')).status).toBe(200)
      slowest = Math.max(slowest, performance.now() - began)
      answered += 1
      await sleep(30)
    }
  })()
  meanwhile.catch(() => {})

  // Handshakes: 64 at once and 32 a second from one source; the others come back later.
  const { begin } = await halfHandshake(node.url)
  const agent = new Agent({ keepAlive: true, maxSockets: 24 })
  onTestFinished(() => agent.destroy())
  const knock = async () =>
    await new Promise<string>((resolve, reject) => {
      const headers = { 'content-type': 'application/json' }
      const asked = request(new URL('/session', node.url), { method: 'POST', agent, headers }, (answer) => {
        answer.resume()
        answer.once('end', () => resolve(`${answer.statusCode} ${answer.headers['retry-after'] ?? ''}`.trim()))
      })
      asked.once('error', reject)
      asked.end(JSON.stringify({ ...begin.message, c: toB64u(strangerIdentity().id) }))
    })
  const flood = performance.now()
  const told = await Promise.all(Array.from({ length: 1_500 }, knock))
  const seconds = (performance.now() - flood) / 1_000
  expect(new Set(told)).toEqual(new Set(['200', '429 1']))
  expect(told.filter((one) => one === '200').length).toBeLessThanOrEqual(64 + Math.ceil(32 * seconds) + 1)
  agent.destroy()

  // Downloads that are asked for and dropped.
  const target = '/myfiles/big.bin'
  const ask = (session: typeof good): Socket => {
    const socket = connect({ host: '127.0.0.1', port: node.port })
    socket.on('error', () => {})
    const { auth } = session.prepare('GET', target)
    socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\nPortmesh-Auth: ${auth}\r\n\r\n`)
    return socket
  }
  await sleep(100)
  const other = await openSession(node.url)
  for (let i = 0; i < 150; i++) {
    const socket = ask(other)
    setTimeout(() => socket.resetAndDestroy(), i % 12)
    if (i % 10 === 9) await sleep(15)
  }
  const deaf = Array.from({ length: 30 }, () => ask(other).pause())
  await sleep(500)
  expect(await residentMb(node)).toBeLessThan(memory + 250)
  for (const socket of deaf) socket.destroy()

  // Connections that say nothing, or only half a head.
  const idle = Array.from({ length: 300 }, (_, index) => {
    const socket = connect({ host: '127.0.0.1', port: node.port })
    socket.on('error', () => {})
    if (index % 2) socket.write('GET /alive HTTP/1.1\r\nHo')
    return socket
  })
  await sleep(500)
  expect((await plain(node.url, '/alive')).status).toBe(200)
  over = true
  await meanwhile
  for (const socket of idle) socket.destroy()
  expect(answered).toBeGreaterThan(10)
  expect(slowest).toBeLessThan(5_000)
  await isWell(node, before)
})
