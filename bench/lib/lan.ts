/** Nodes on the computers of a lab. */
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { nodesOf } from '../../test/helpers/api.ts'
import type { Lab } from '../../test/helpers/lab.ts'
import { LAN_PORT, type Reached, startLanNode, talk } from '../../test/helpers/lan-node.ts'
import type { RunningNode } from '../../test/helpers/process.ts'
import { cleanUp } from '../measure.ts'
import { explainEnd } from './pair.ts'

const KNOWN_WITHIN_MS = 60_000

/**
 * One node on each computer, all knowing each other.
 * @param flags - words for Node itself, for the first computers
 */
export const startLan = async (
  lab: Lab,
  folder: string,
  computers: number,
  flags: readonly (readonly string[])[] = [],
): Promise<readonly Reached[]> => {
  const nodes: Reached[] = []
  for (let computer = 1; computer <= computers; computer++) {
    nodes.push(await startOn(lab, folder, { computer, computers, flags: flags[computer - 1] ?? [] }))
  }
  for (const node of nodes) await untilKnown(node, computers - 1)
  return nodes
}

const startOn = async (
  lab: Lab,
  folder: string,
  { computer, computers, flags }: { computer: number; computers: number; flags: readonly string[] },
): Promise<Reached> => {
  const others = Array.from({ length: computers }, (_, at) => at + 1).filter((other) => other !== computer)
  const home = join(folder, `home-${computer}`)
  await mkdir(home)
  const node = await startLanNode(lab, computer, {
    home,
    ports: [LAN_PORT, ...others.map((other) => `${lab.address(other)}:${LAN_PORT}`)],
    interval: 10,
    cleanUp,
    // A node whose benchmark is gone ends by itself.
    channel: true,
    everywhere: true,
    flags,
  })
  explainEnd(node, `computer ${computer}`)
  return node
}

const untilKnown = async (node: Reached, others: number): Promise<void> => {
  const end = performance.now() + KNOWN_WITHIN_MS
  for (;;) {
    const { nodes } = await talk<{ nodes: Awaited<ReturnType<typeof nodesOf>> }>(node, '/nodes')
    if (nodes.filter(({ alive }) => alive).length === others) return
    if (performance.now() > end) throw new Error('the nodes of the lab do not find each other')
    await sleep(50)
  }
}

/** Bytes that a node's computer sent, and received, on its network card; headers included. */
export const wireOf = async ({ pid }: RunningNode): Promise<{ readonly sent: number; readonly received: number }> => {
  const line = /eth0:\s*(.*)/.exec(await readFile(`/proc/${pid}/net/dev`, 'utf8'))?.[1]?.split(/\s+/) ?? []
  return { received: Number(line[0]), sent: Number(line[8]) }
}
