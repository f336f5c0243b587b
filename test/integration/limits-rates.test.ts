/** Two whole nodes in this process, each a stranger to the other as far as limits go: what moves between them in a second. */
import { createHash, randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { resolveConfig } from '../../src/config.ts'
import { silentLog } from '../../src/log.ts'
import { createNode } from '../../src/node.ts'
import { ask, publish } from '../helpers/api.ts'
import { freePorts, portsFile, tempDir } from '../helpers/process.ts'
import {
  begin,
  type Line,
  startLine,
  transferOf,
  transfersOf,
  untilShared,
  untilTransfer,
} from '../helpers/transfers.ts'

interface Started {
  readonly url: string
  readonly home: string
}

const start = async (options: {
  readonly ports: readonly (number | string)[]
  readonly env?: Readonly<Record<string, string>>
  readonly isOwnAddress?: (host: string) => boolean
}): Promise<Started> => {
  const home = await tempDir()
  const list = await portsFile(options.ports)
  const config = resolveConfig({
    options: { files: home, ports: list, interval: '0.5', logLevel: 'silent' },
    env: options.env ?? {},
    cwd: '/',
    root: '/nowhere',
    personHome: '/nowhere',
    user: 'ana',
    host: 'laptop',
  })
  const log = { ...silentLog, toHome: () => {}, file: undefined, close: () => {} }
  const node = await createNode(config, { log, print: () => {}, isOwnAddress: options.isOwnAddress ?? (() => false) })
  onTestFinished(() => node.stop())
  await node.start()
  return { url: node.url, home }
}

interface PairOptions {
  readonly giver?: Readonly<Record<string, string>>
  readonly taker?: Readonly<Record<string, string>>
  readonly isOwnAddress?: (host: string) => boolean
}

/** A node with a file, and one that fetches it over a line that counts. */
const pairWith = async (
  bytes: number,
  { giver: giving = {}, taker: taking = {}, isOwnAddress }: PairOptions,
): Promise<{ giver: Started; taker: Started; line: Line; root: string; content: Buffer }> => {
  const [giverPort = 0, takerPort = 0] = await freePorts(2)
  const line = await startLine(giverPort)
  const own = isOwnAddress ? { isOwnAddress } : {}
  const giver = await start({ ports: [giverPort, `127.0.0.1:${takerPort}`], env: giving, ...own })
  const taker = await start({ ports: [takerPort, `127.0.0.1:${line.port}`], env: taking, ...own })
  const content = randomBytes(bytes)
  await writeFile(join(giver.home, 'big.bin'), content)
  const { root } = await publish(giver.url, 'big.bin')
  await untilShared(taker.url, root)
  return { giver, taker, line, root, content }
}

/** Bytes a second over five seconds of a fetch that runs. */
const rateOver = async (count: () => number | Promise<number>, milliseconds = 5_000): Promise<number> => {
  const [before, began] = [await count(), performance.now()]
  await sleep(milliseconds)
  return ((await count()) - before) / ((performance.now() - began) / 1000)
}

const within = (rate: number, limit: number): void => {
  expect(rate / limit).toBeGreaterThan(0.95)
  expect(rate / limit).toBeLessThan(1.05)
}

test('what goes up holds its limit within 5 %, and the fetch ends well', async () => {
  const { taker, line, root, content } = await pairWith(9_000_000, { giver: { PORTMESH_UP: '1M' } })
  const { json } = await begin(taker.url, { root })
  await untilTransfer(taker.url, json.id, ({ done }) => done > 0)
  within(await rateOver(line.bytes), 1_000_000)
  await untilTransfer(taker.url, json.id, 'done')
  expect(
    createHash('sha256')
      .update(await readFile(join(taker.home, 'big.bin')))
      .digest(),
  ).toEqual(createHash('sha256').update(content).digest())
})

test('what comes down holds its limit within 5 %, and a new one without a start', async () => {
  const { taker, line, root } = await pairWith(20_000_000, { taker: { PORTMESH_DOWN: '2M' } })
  const { json } = await begin(taker.url, { root })
  await untilTransfer(taker.url, json.id, ({ done }) => done > 2_000_000)
  within(await rateOver(line.bytes), 2_000_000)
  const settings = await fetch(new URL('/settings', taker.url), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ down: '1M' }),
  })
  expect(await settings.json()).toEqual({ up: 0, down: 1_000_000, upPeer: 0, downPeer: 0 })
  // What was asked for before is read first.
  await sleep(2_000)
  within(await rateOver(line.bytes), 1_000_000)
  expect((await transferOf(taker.url, json.id)).state).toBe('running')
  expect(JSON.parse(await readFile(join(taker.home, '.portmesh', 'settings.json'), 'utf8'))).toEqual({
    down: 1_000_000,
  })
})

test('a limit for each peer holds like one in all, and a fetch that waits for it is cancelled at once', async () => {
  const { taker, line, root } = await pairWith(8_000_000, { giver: { PORTMESH_UP_PEER: '300k' } })
  const { json } = await begin(taker.url, { root })
  await untilTransfer(taker.url, json.id, ({ done }) => done > 0)
  within(await rateOver(line.bytes), 300_000)
  const began = performance.now()
  await fetch(new URL(`/transfers/${json.id}/cancel`, taker.url), { method: 'POST' })
  expect(performance.now() - began).toBeLessThan(2_000)
  expect((await transfersOf(taker.url)).every(({ state }) => state === 'cancelled')).toBe(true)
})

test('what stays on this computer is not limited', async () => {
  const limits = { PORTMESH_UP: '50k', PORTMESH_DOWN: '50k', PORTMESH_UP_PEER: '50k', PORTMESH_DOWN_PEER: '50k' }
  const isOwnAddress = (host: string): boolean => host === '127.0.0.1'
  const { taker, root } = await pairWith(5_000_000, { giver: limits, taker: limits, isOwnAddress })
  const { json } = await begin(taker.url, { root })
  await untilTransfer(taker.url, json.id, 'done', 20_000)
})

test('refusals are in what a node says of itself', async () => {
  const { giver } = await pairWith(10, {})
  const refused = await fetch(new URL('/table', giver.url), { headers: { 'portmesh-auth': 'v=1; nothing' } })
  expect(refused.status).toBe(401)
  const { refusals } = await ask<{ refusals: Record<string, number> }>(giver.url, '/')
  expect(refusals.PM_NO_SESSION).toBe(1)
})
