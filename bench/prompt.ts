/** How long until every other node sees a publish, a clear, a start, a clean stop and a kill, at the default interval of 10 s. Target: 0.5 s, a kill 2 s. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { catalogueOf, nodesOf, publish } from '../test/helpers/api.ts'
import { freePorts, portsFile, type RunningNode, startNode } from '../test/helpers/process.ts'
import { cleanUp, median, report } from './measure.ts'

const NODES = 5
const ROUNDS = 9
const LOOK_EVERY_MS = 5

const ports = await portsFile(await freePorts(NODES + 1), cleanUp)
const start = async (): Promise<RunningNode> => await startNode({ ports, interval: 10, cleanUp })
const nodes = [await start()]
while (nodes.length < NODES) nodes.push(await start())

/** Milliseconds until all of them look as wanted. */
const seen = async (by: readonly RunningNode[], look: (node: RunningNode) => Promise<boolean>): Promise<number> => {
  const began = performance.now()
  await Promise.all(
    by.map(async (node) => {
      while (!(await look(node))) await sleep(LOOK_EVERY_MS)
    }),
  )
  return performance.now() - began
}

const alive =
  (count: number) =>
  async ({ url }: RunningNode): Promise<boolean> =>
    (await nodesOf(url)).filter((node) => node.alive).length === count
const holds =
  (count: number) =>
  async ({ url }: RunningNode): Promise<boolean> =>
    (await catalogueOf(url)).total === count

const [first, ...others] = nodes
if (!first) throw new Error('no node')
await seen(nodes, alive(NODES - 1))
const times: Record<'publish' | 'clear' | 'start' | 'stop' | 'kill', number[]> = {
  publish: [],
  clear: [],
  start: [],
  stop: [],
  kill: [],
}
for (let round = 0; round < ROUNDS; round++) {
  const name = `round ${round}.txt`
  await writeFile(join(first.home, name), String(round))
  await publish(first.url, name)
  times.publish.push(await seen(others, holds(1)))
  await fetch(new URL('/uploaded/clear', first.url), { method: 'POST' })
  times.clear.push(await seen(others, holds(0)))
  for (const end of ['stop', 'kill'] as const) {
    const late = await start()
    times.start.push(await seen(nodes, alive(NODES)))
    const ended = end === 'stop' ? late.stop('SIGTERM') : late.kill()
    times[end].push(await seen(nodes, alive(NODES - 1)))
    await ended
  }
}
for (const [what, all] of Object.entries(times)) {
  const limit = what === 'kill' ? 2_000 : 500
  report(
    `${what} seen by ${NODES - 1} others`,
    `${median(all).toFixed(0)} ms (at most ${Math.max(...all).toFixed(0)}), limit ${limit} ms`,
  )
}
