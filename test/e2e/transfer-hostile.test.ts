/** A node that fetches among holders who flood, drip and lie: it gets what it asked for, answers all the time, and has its memory and its descriptors back. */
import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { catalogueOf, until } from '../helpers/api.ts'
import { partials, sha256 } from '../helpers/faults.ts'
import { type Asked, type HolderTurn, shared, startHolder } from '../helpers/holder-server.ts'
import { freePorts, type RunningNode, startNode } from '../helpers/process.ts'
import { begin, hashOfFile, transfersOf, untilShared, untilTransfer } from '../helpers/transfers.ts'
import { descriptors, memoryMb } from '../helpers/wire.ts'

const MIB = 1024 * 1024

/** Ask /alive until told to stop. @returns the longest it took, ms */
const aliveMeanwhile = (node: RunningNode): { readonly end: () => Promise<number> } => {
  let over = false
  let longest = 0
  const asking = (async () => {
    while (!over) {
      const since = performance.now()
      const answer = await fetch(`${node.url}alive`, { signal: AbortSignal.timeout(10_000) })
      expect([answer.status, await answer.text()]).toEqual([200, 'up and running'])
      longest = Math.max(longest, performance.now() - since)
      await sleep(20)
    }
  })()
  asking.catch(() => {})
  return {
    end: async () => {
      over = true
      await asking
      return longest
    },
  }
}

/** Write as fast as it is taken. */
const endless = ({ response }: HolderTurn, next: () => boolean): void => {
  const more = (): void => {
    while (!response.destroyed && next());
    if (!response.destroyed) response.once('drain', more)
  }
  more()
}

const HOSTILE: readonly (readonly [name: string, asked: Asked, answer: (turn: HolderTurn) => unknown])[] = [
  [
    'news without end',
    'have',
    (turn) => {
      const { say } = turn.live()
      say({ bits: Buffer.alloc(Math.ceil(256 / 8)).toString('base64url') })
      const large = { new: Array.from({ length: 256 }, (_, piece) => piece), peers: ['127.0.0.1:1', '127.0.0.1:2'] }
      endless(turn, () => say(large))
    },
  ],
  [
    'noise for news',
    'have',
    (turn) => {
      turn.response.writeHead(200, { 'portmesh-sealed': 'v=1' })
      endless(turn, () => turn.response.write(randomBytes(65_536)))
    },
  ],
  [
    'noise for a tree',
    'tree',
    (turn) => {
      turn.response.writeHead(200, { 'portmesh-sealed': 'v=1' })
      endless(turn, () => turn.response.write(Buffer.alloc(65_536)))
    },
  ],
  [
    'a length of a tebibyte',
    'pieces',
    (turn) => {
      turn.response.writeHead(200, { 'portmesh-sealed': 'v=1', 'content-length': String(2 ** 40) })
      endless(turn, () => turn.response.write(Buffer.alloc(65_536)))
    },
  ],
  [
    'a byte a second',
    'pieces',
    ({ response, pieces, run }) => {
      const body = pieces(run)
      response.writeHead(200, { 'portmesh-sealed': 'v=1', 'content-length': body.length })
      let at = 0
      const timer = setInterval(() => response.write(body.subarray(at, ++at)), 1_000)
      response.once('close', () => clearInterval(timer))
    },
  ],
  ['wrong bytes', 'pieces', ({ send, pieces, run }) => send(pieces(run, { content: randomBytes(32 * MIB) }))],
]

test('among holders that flood, drip and lie a node fetches, answers, and comes to rest', async () => {
  const [port = 0, ...others] = await freePorts(8)
  const node = await startNode({ ports: [port, ...others], interval: 0.5 })
  const before = { ...(await descriptors(node)), memory: await memoryMb(node) }
  const content = shared(randomBytes(32 * MIB))
  const honest = await startHolder(content, { name: 'honest', port: others[0] ?? 0, slowMs: 10 })
  const hostile = await Promise.all(
    HOSTILE.map(async ([name, asked, answer], index) => {
      const holder = await startHolder(content, { name, port: others[index + 1] ?? 0 })
      holder.does.set(asked, answer)
      return holder
    }),
  )
  await untilShared(node.url, content.root, 1 + hostile.length)
  const alive = aliveMeanwhile(node)
  for (let round = 0; round < 2; round++) {
    const { json } = await begin(node.url, { root: content.root })
    const done = await untilTransfer(node.url, json.id, 'done', 60_000)
    expect(await hashOfFile(join(node.home, done.file ?? ''))).toBe(sha256(content.bytes))
    const dropped = done.dropped.map(({ name }) => name)
    expect(dropped.filter((name) => name !== 'wrong bytes')).toEqual([])
    await rm(join(node.home, done.file ?? ''))
  }
  const longest = await alive.end()
  expect(longest).toBeLessThan(2_000)
  await Promise.all([honest, ...hostile].map(({ stop }) => stop()))
  expect(await partials(node.home)).toEqual([])
  const after = await until(
    () => descriptors(node),
    // Our own program has some to the node.
    ({ sockets, files }) => sockets <= before.sockets + 5 && files.length <= before.files.length,
    20_000,
  )
  // What is left are threads that end when nothing is to do for a minute.
  expect(after.others).toBeLessThan(before.others + 20)
  await until(
    () => memoryMb(node),
    (memory) => memory < before.memory + 120,
    20_000,
  )
  expect(node.output()).not.toContain('something went wrong')
}, 120_000)

test('two contents that claim the same hash are told apart by their roots, and never mixed', async () => {
  const [port = 0, first = 0, second = 0] = await freePorts(3)
  const node = await startNode({ ports: [port, first, second], interval: 0.5 })
  const one = shared(randomBytes(MIB))
  const other = shared(randomBytes(MIB))
  await startHolder(one, { name: 'honest', port: first })
  await startHolder(other, { name: 'a liar', port: second, lies: { hash: one.hash } })
  await untilShared(node.url, one.root)
  await untilShared(node.url, other.root)
  expect((await catalogueOf(node.url)).total).toBe(2)
  const refused = await begin(node.url, { hash: one.hash })
  expect([refused.status, refused.code]).toEqual([409, 'PM_AMBIGUOUS_HASH'])
  const text = JSON.stringify(refused.json)
  expect([text.includes(one.root), text.includes(other.root)]).toEqual([true, true])
  expect(await transfersOf(node.url)).toEqual([])
  const [right, wrong] = await Promise.all([one, other].map(({ root }) => begin(node.url, { root })))
  expect(right?.json.id).not.toBe(wrong?.json.id)
  const { file = '', holders } = await untilTransfer(node.url, right?.json.id ?? '', 'done')
  expect(await hashOfFile(join(node.home, file))).toBe(one.hash)
  expect(holders.map(({ name }) => name)).toEqual(['honest'])
  const failed = await untilTransfer(node.url, wrong?.json.id ?? '', 'failed')
  expect([failed.error?.code, failed.file]).toEqual(['PM_WRONG_HASH', undefined])
  expect(await partials(node.home)).toEqual([])
})
