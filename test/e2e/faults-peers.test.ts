/** Peers that are stopped, this node asleep, clocks that jump, and strangers on a port that was somebody's. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { cp, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { connect, createServer as createLine, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { ask, catalogueOf, type NodeJson, nodesOf, publish, until } from '../helpers/api.ts'
import { answerTo, beginDownload, LONG, pause, sha256, wake } from '../helpers/faults.ts'
import {
  freePorts,
  portsFile,
  REPOSITORY,
  type Running,
  type RunningNode,
  run,
  startMesh,
  startNode,
  tempDir,
} from '../helpers/process.ts'

const MEGABYTE = 1024 * 1024

const isAlive = async ({ url }: RunningNode, other: Pick<RunningNode, 'port'>): Promise<boolean> =>
  (await nodesOf(url)).some(({ address, alive }) => alive && address.endsWith(`:${other.port}`))

const sees = async (
  node: RunningNode,
  other: Pick<RunningNode, 'port'>,
  alive: boolean,
  withinMs = 10_000,
): Promise<void> => {
  await until(
    () => isAlive(node, other),
    (found) => found === alive,
    withinMs,
  )
}

/** A program that is no node, on a port that was one's. */
const squatter = async (port: number, answer: { headers: Record<string, string>; text: string }): Promise<void> => {
  const server = createServer((request, response) => {
    if (request.url === '/alive') return response.writeHead(200, answer.headers).end(answer.text)
    return response.writeHead(404).end()
  })
  server.listen({ host: '127.0.0.1', port })
  await once(server, 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
  })
}

/** What a node's /alive shows to everybody. */
const shown = async ({ url }: RunningNode): Promise<Record<string, string>> =>
  Object.fromEntries([...(await fetch(`${url}alive`)).headers].filter(([name]) => name.startsWith('portmesh-')))

test('a peer that is stopped is away within two intervals and keeps nobody waiting; a fetch from it goes on when it wakes', async () => {
  const [a, b, c] = (await startMesh(3, { interval: 2 })) as [RunningNode, RunningNode, RunningNode]
  await Promise.all([sees(a, b, true), sees(a, c, true), sees(b, c, true)])
  const content = randomBytes(64 * MEGABYTE)
  await writeFile(join(b.home, 'large.bin'), content)
  const { hash } = await publish(b.url, 'large.bin')
  await until(
    () => catalogueOf(a.url),
    ({ total }) => total === 1,
  )
  const download = await beginDownload(`${a.url}getfile/${hash}`)
  pause(b)
  const since = performance.now()
  const rest = download.rest()
  await writeFile(join(a.home, 'news.txt'), 'news')
  await publish(a.url, 'news.txt')
  await until(
    () => catalogueOf(c.url),
    ({ files }) => files.some(({ names }) => names.includes('news.txt')),
    1_500,
  )
  await Promise.all([sees(a, b, false), sees(c, b, false)])
  expect(performance.now() - since).toBeLessThan(2 * 2_000 + 1_500)
  // Nobody asks one who is away, so the answer is prompt.
  expect((await answerTo(c.url, `/getfile/${hash}`)).status).toBe(503)
  wake(b)
  await Promise.all([sees(a, b, true), sees(c, b, true)])
  expect(await rest).toEqual({ whole: true, bytes: content.length, hash: sha256(content) })
  await until(
    () => catalogueOf(b.url),
    ({ files }) => files.some(({ names }) => names.includes('news.txt')),
  )
})

test.skipIf(!LONG)('a fetch from a peer that never wakes ends with an error within half a minute', async () => {
  const [a, b] = (await startMesh(2)) as [RunningNode, RunningNode]
  await sees(a, b, true)
  await writeFile(join(b.home, 'large.bin'), randomBytes(64 * MEGABYTE))
  const { hash } = await publish(b.url, 'large.bin')
  await until(
    () => catalogueOf(a.url),
    ({ total }) => total === 1,
  )
  const download = await beginDownload(`${a.url}getfile/${hash}`)
  pause(b)
  const since = performance.now()
  expect(await download.rest()).toMatchObject({ whole: false })
  expect(performance.now() - since).toBeLessThan(35_000)
})

/** A port that carries connections to another one; those that are open when it is cut hang for ever, as after sleep. */
const line = async (to: number): Promise<{ port: number; cut: () => void }> => {
  const pairs = new Set<readonly [Socket, Socket]>()
  const server = createLine((near) => {
    const far = connect({ host: '127.0.0.1', port: to })
    pairs.add([near, far])
    for (const [from, into] of [
      [near, far],
      [far, near],
    ] as const) {
      from.pipe(into)
      from.on('error', () => into.destroy())
    }
  })
  server.listen({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  onTestFinished(async () => {
    server.close()
    for (const socket of [...pairs].flat()) socket.destroy()
  })
  const cut = (): void => {
    for (const [near, far] of pairs) {
      near.unpipe().pause()
      far.unpipe().pause()
    }
  }
  const address = server.address()
  return { port: typeof address === 'object' && address ? address.port : 0, cut }
}

test('a node that slept looks at everybody at once, over new connections, and takes nobody for gone who is there', async () => {
  const [portA = 0, portB = 0] = await freePorts(2)
  const { port, cut } = await line(portB)
  const [a, b] = await Promise.all([
    startNode({ ports: [portA, `127.0.0.1:${port}`], interval: 1 }),
    startNode({ ports: [portB, `127.0.0.1:${portA}`], interval: 600 }),
  ])
  await sees(a, { port }, true)
  await writeFile(join(b.home, 'b.txt'), 'b')
  const { hash } = await publish(b.url, 'b.txt')
  await until(
    () => catalogueOf(a.url),
    ({ total }) => total === 1,
  )
  pause(a)
  cut()
  await sleep(4_000)
  wake(a)
  const woken = performance.now()
  // A probe that still hangs on an old connection would say after 2 s that nobody is there.
  while (performance.now() - woken < 3_000) {
    expect(await isAlive(a, { port })).toBe(true)
    await sleep(100)
  }
  expect(await answerTo(a.url, `/getfile/${hash}`)).toEqual({ status: 200, text: 'b' })
})

test('a wall clock that jumps back by days, and forth by years, breaks nothing', async () => {
  const clock = join(await tempDir(), 'clock.mjs')
  const jumping = `
    const now = Date.now
    let offset = 0
    Date.now = () => now() + offset
    process.on('SIGUSR2', () => { offset = offset === 0 ? -3 * 86_400_000 : 20 * 365 * 86_400_000 })
  `
  await writeFile(clock, jumping)
  const ports = await portsFile(await freePorts(3))
  const home = await tempDir()
  const [a, b] = await Promise.all([
    startNode({ ports, home, interval: 0.5, runtimeWords: ['--import', clock] }),
    startNode({ ports, interval: 0.5 }),
  ])
  await Promise.all([sees(a, b, true), sees(b, a, true)])
  let seen = 0
  for (const name of ['before.txt', 'past.txt', 'future.txt']) {
    await writeFile(join(home, name), name)
    const { hash } = await publish(a.url, name)
    await until(
      () => catalogueOf(b.url),
      ({ total }) => total === seen + 1,
    )
    seen += 1
    expect(await answerTo(b.url, `/getfile/${hash}`)).toEqual({ status: 200, text: name })
    process.kill(a.pid, 'SIGUSR2')
    // Two rounds of both.
    await sleep(1_000)
    expect([await isAlive(a, b), await isAlive(b, a)]).toEqual([true, true])
  }
  // Started again with the clock as it was: what it says now has to be newer than what it said then.
  await a.kill()
  const again = await startNode({ ports, home })
  await ask(again.url, '/myfiles/future.txt/clear', 'POST')
  await until(
    () => catalogueOf(b.url),
    ({ total }) => total === 2,
  )
})

test('a stranger on the port of a dead node is not taken for it, whatever it answers', async () => {
  const lines = await freePorts(4)
  const ports = await portsFile(lines)
  const home = await tempDir()
  const [a, b] = await Promise.all([startNode({ ports }), startNode({ ports, home })])
  await writeFile(join(home, 'b.txt'), 'b')
  const { hash } = await publish(b.url, 'b.txt')
  await until(
    () => catalogueOf(a.url),
    ({ total }) => total === 1,
  )
  const headers = await shown(b)
  expect(Object.keys(headers).length).toBe(3)
  await b.kill()
  await squatter(b.port, { headers, text: 'up and running' })
  await sees(a, b, false)
  for (let looks = 0; looks < 15; looks++) {
    const [node, more] = await nodesOf(a.url)
    expect([node?.alive, more]).toEqual([false, undefined])
    expect((await catalogueOf(a.url)).files[0]?.holders.map(({ alive }) => alive)).toEqual([false])
    await sleep(100)
  }
  expect((await answerTo(a.url, `/getfile/${hash}`)).status).toBe(503)
  expect([404, 503]).toContain((await answerTo(a.url, `/getfile/${b.port}/b.txt`)).status)
  // The node itself goes on at another port, and is known there as the one it was.
  const again = await startNode({ ports, home })
  expect(again.port).not.toBe(b.port)
  await sees(a, again, true)
  const nodes = await nodesOf(a.url)
  expect(nodes.map(({ count, alive }) => ({ count, alive }))).toEqual([{ count: 1, alive: true }])
  expect(await answerTo(a.url, `/getfile/${hash}`)).toEqual({ status: 200, text: 'b' })
})

test('a node whose port was taken goes on at the next one with its home', async () => {
  const top = await tempDir()
  for (const part of ['bin', 'src', 'views', 'package.json'])
    await cp(join(REPOSITORY, part), join(top, part), { recursive: true })
  await symlink(join(REPOSITORY, 'node_modules'), join(top, 'node_modules'))
  const lines = await freePorts(3)
  const ports = await portsFile(lines)
  const start = async (): Promise<Running & { url: string; port: number }> => {
    const node = run(process.execPath, [join(top, 'bin', 'portmesh.js'), 'start', `--ports=${ports}`])
    const [, url = '', port = ''] = await node.says(/ready at (http:\/\/127\.0\.0\.1:(\d+)\/)/)
    return { ...node, url, port: Number(port) }
  }
  const first = await start()
  expect(first.port).toBe(lines[0])
  const { id } = await ask<NodeJson>(first.url, '/')
  await first.kill()
  await squatter(first.port, { headers: {}, text: 'hello' })
  const second = await start()
  expect(second.port).toBe(lines[1])
  expect(await ask<NodeJson>(second.url, '/')).toMatchObject({ id })
  expect(second.stdout()).toContain(`${lines[0]} something else answers\n`)
})
