/** Holders that die, sleep, lose their port, change their file, or come back while somebody fetches from them. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { appendFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { publish } from '../helpers/api.ts'
import { LONG, partials, pause, sha256, wake } from '../helpers/faults.ts'
import { freePorts, portsFile, type RunningNode, startNode, tempDir } from '../helpers/process.ts'
import {
  begin,
  hashOfFile,
  type Line,
  startLine,
  startPair,
  type TransferJson,
  untilShared,
  untilTransfer,
} from '../helpers/transfers.ts'

const MIB = 1024 * 1024

interface Crowd {
  readonly taker: RunningNode
  readonly holders: readonly { readonly node: RunningNode; readonly line: Line }[]
  readonly content: Buffer
  readonly id: string
  readonly root: string
}

/** One that fetches a content from several who have it, each over a line of its own. */
const startCrowd = async (count: number, size: number, bytesPerS: number): Promise<Crowd> => {
  const [takerPort = 0, ...ports] = await freePorts(count + 1)
  const lines = await Promise.all(ports.map((port) => startLine(port, bytesPerS)))
  const content = randomBytes(size)
  const [taker, ...nodes] = await Promise.all([
    startNode({ ports: [takerPort, ...lines.map(({ port }) => `127.0.0.1:${port}`)], interval: 0.5 }),
    ...ports.map((port, index) =>
      startNode({ name: `holder ${index}`, ports: [port, `127.0.0.1:${takerPort}`], interval: 0.5 }),
    ),
  ])
  const shared = await Promise.all(
    nodes.map(async ({ home, url }) => {
      await writeFile(join(home, 'large.bin'), content)
      return await publish(url, 'large.bin')
    }),
  )
  const root = shared[0]?.root ?? ''
  if (!taker) throw new Error('nobody fetches')
  await untilShared(taker.url, root, count)
  const { json } = await begin(taker.url, { root })
  const holders = nodes.flatMap((node, index) => {
    const line = lines[index]
    return line ? [{ node, line }] : []
  })
  return { taker, holders, content, id: json.id, root }
}

const isRight = async ({ taker, content, id }: Crowd, withinMs = 30_000): Promise<TransferJson> => {
  const transfer = await untilTransfer(taker.url, id, 'done', withinMs)
  expect(await hashOfFile(join(taker.home, 'large.bin'))).toBe(sha256(content))
  expect(await partials(taker.home)).toEqual([])
  return transfer
}

const bytesOf = ({ holders }: TransferJson): Record<string, number> =>
  Object.fromEntries(holders.map(({ name, bytes }) => [name, bytes]))

test('a holder that sleeps loses its pieces to the others within seconds; it wakes, the others are killed, and it brings the rest', async () => {
  const crowd = await startCrowd(3, 32 * MIB, 3 * MIB)
  const { taker, holders, id, content } = crowd
  const [sleeper, second, third] = holders
  if (!sleeper || !second || !third) throw new Error('three were started')
  await untilTransfer(taker.url, id, (now) => Object.values(bytesOf(now)).filter((bytes) => bytes > 0).length === 3)
  pause(sleeper.node)
  const { done: asleep } = await untilTransfer(taker.url, id, () => true)
  // More than it can have been asked for.
  await untilTransfer(taker.url, id, ({ done }) => done > asleep + 6 * MIB, 15_000)
  await second.node.kill()
  wake(sleeper.node)
  const { done: awake } = await untilTransfer(taker.url, id, () => true)
  await untilTransfer(taker.url, id, ({ done }) => done > awake + MIB)
  await third.node.kill()
  for (const { line } of holders) line.limit(Number.POSITIVE_INFINITY)
  const { dropped } = await isRight(crowd)
  expect(dropped).toEqual([])
  const all = holders.reduce((sum, { line }) => sum + line.bytes(), 0)
  expect(all).toBeLessThan(content.length * 1.02 + 12 * MIB)
})

/** One that fetches 16 MiB from one who has them, and is at it. */
const startAlone = async () => {
  const pair = await startPair(4 * MIB)
  const { holder, taker } = pair
  const content = randomBytes(16 * MIB)
  await writeFile(join(holder.home, 'large.bin'), content)
  const { root } = await publish(holder.url, 'large.bin')
  await untilShared(taker.url, root)
  const { json } = await begin(taker.url, { root })
  const { done } = await untilTransfer(taker.url, json.id, (now) => now.done > 2 * MIB)
  return { ...pair, content, id: json.id, done }
}

test.skipIf(!LONG)('the only holder is killed and comes back: the transfer waits, and goes on by itself', async () => {
  const { holder, taker, line, content, id, done } = await startAlone()
  await holder.kill()
  const waiting = await untilTransfer(taker.url, id, 'waiting')
  expect(waiting.done).toBeGreaterThanOrEqual(done)
  expect([waiting.error, waiting.dropped]).toEqual([undefined, []])
  line.limit(Number.POSITIVE_INFINITY)
  await startNode({ home: holder.home, ports: [holder.port, `127.0.0.1:${taker.port}`], interval: 0.5 })
  await untilTransfer(taker.url, id, 'done', 15_000)
  expect(await hashOfFile(join(taker.home, 'large.bin'))).toBe(sha256(content))
})

test.skipIf(!LONG)(
  'the only holder sleeps for as long as it likes and wakes up: the transfer goes on',
  async () => {
    const { holder, taker, content, id } = await startAlone()
    for (const sleepMs of [2_000, 20_000]) {
      pause(holder)
      await sleep(sleepMs)
      const { done } = await untilTransfer(taker.url, id, () => true)
      wake(holder)
      await untilTransfer(taker.url, id, (now) => now.done > done + MIB)
    }
    const { dropped } = await untilTransfer(taker.url, id, 'done')
    expect(dropped).toEqual([])
    expect(await hashOfFile(join(taker.home, 'large.bin'))).toBe(sha256(content))
  },
  120_000,
)

test('a program that takes the port of a killed holder spoils nothing, and the holder is used again at another port', async () => {
  const [takerPort = 0, first = 0, second = 0] = await freePorts(3)
  const ports = await portsFile([takerPort, first, second])
  const home = await tempDir()
  const holder = await startNode({ home, ports: [first, takerPort], interval: 0.5 })
  const taker = await startNode({ ports, interval: 0.5 })
  expect([taker.port, holder.port]).toEqual([takerPort, first])
  // Too large to come before the kill.
  const content = randomBytes(96 * MIB)
  await writeFile(join(home, 'large.bin'), content)
  const { root } = await publish(holder.url, 'large.bin')
  await untilShared(taker.url, root)
  const { json } = await begin(taker.url, { root })
  await untilTransfer(taker.url, json.id, ({ done }) => done > 0)
  await holder.kill()
  let asked = 0
  const squatter = createServer((request, response) => {
    asked += 1
    const sealed = request.url?.includes('have') ? { 'portmesh-sealed': 'v=1' } : {}
    response.writeHead(request.url === '/alive' ? 200 : 404, sealed).end('up and running')
  })
  squatter.listen({ host: '127.0.0.1', port: first })
  await once(squatter, 'listening')
  onTestFinished(() => {
    squatter.closeAllConnections()
    squatter.close()
  })
  const waiting = await untilTransfer(taker.url, json.id, 'waiting')
  expect(waiting.dropped).toEqual([])
  expect(asked).toBeGreaterThan(0)
  const again = await startNode({ home, ports: [second, takerPort], interval: 0.5 })
  expect(again.port).toBe(second)
  const { dropped } = await untilTransfer(taker.url, json.id, 'done', 60_000)
  expect(dropped).toEqual([])
  expect(await hashOfFile(join(taker.home, 'large.bin'))).toBe(sha256(content))
}, 120_000)

test('a holder whose file has changed is left, the other one goes on; with nobody else the transfer waits and says why', async () => {
  const crowd = await startCrowd(2, 16 * MIB, 2 * MIB)
  const { taker, holders, id, root, content } = crowd
  const [first, second] = holders
  if (!first || !second) throw new Error('two were started')
  await untilTransfer(taker.url, id, (now) => (bytesOf(now)['holder 0'] ?? 0) > 0)
  second.line.limit(MIB / 2)
  await appendFile(join(first.node.home, 'large.bin'), 'more')
  const { done } = await untilTransfer(taker.url, id, ({ dropped }) => dropped.some(({ name }) => name === 'holder 0'))
  await untilTransfer(taker.url, id, (now) => now.done > done)
  await appendFile(join(second.node.home, 'large.bin'), 'more')
  const waiting = await untilTransfer(taker.url, id, 'waiting')
  const codes = waiting.dropped.map(({ code }) => code)
  expect(codes).toHaveLength(2)
  for (const code of codes) expect(['PM_FILE_CHANGED', 'PM_NOT_PUBLISHED']).toContain(code)
  // As it was, published again.
  await writeFile(join(second.node.home, 'large.bin'), content)
  expect((await publish(second.node.url, 'large.bin')).root).toBe(root)
  second.line.limit(Number.POSITIVE_INFINITY)
  const { dropped } = await isRight(crowd)
  expect(dropped.map(({ name }) => name)).toEqual(['holder 0'])
})

test.skipIf(!LONG)('a holder that appears in the middle is used', async () => {
  const [port = 0] = await freePorts(1)
  const { holder, taker } = await startPair(2 * MIB, {}, [port])
  const content = randomBytes(24 * MIB)
  await writeFile(join(holder.home, 'large.bin'), content)
  const { root } = await publish(holder.url, 'large.bin')
  await untilShared(taker.url, root)
  const { json } = await begin(taker.url, { root })
  await untilTransfer(taker.url, json.id, ({ done }) => done > MIB)
  const newcomer = await startNode({ name: 'newcomer', ports: [port, taker.port], interval: 0.5 })
  await writeFile(join(newcomer.home, 'large.bin'), content)
  await publish(newcomer.url, 'large.bin')
  const done = await untilTransfer(taker.url, json.id, 'done', 60_000)
  expect(bytesOf(done).newcomer).toBeGreaterThan(content.length / 4)
  expect(await hashOfFile(join(taker.home, 'large.bin'))).toBe(sha256(content))
})
