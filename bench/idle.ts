/** What twenty idle nodes cost a machine together, at the default interval of 10 s: CPU and memory. Target: 5 % of one core, 128 MiB each. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { nodesOf, until } from '../test/helpers/api.ts'
import { freePorts, portsFile, type RunningNode, startNode } from '../test/helpers/process.ts'
import { cleanUp, median, report } from './measure.ts'

const NODES = 20
const WATCH_MS = 30_000
/** Linux counts CPU time in hundredths of a second. */
const TICKS_PER_SECOND = 100

/** User and system time of a process with all its threads, in seconds (proc(5), fields 14 and 15). */
const cpuSeconds = ({ pid }: RunningNode): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

const residentMiB = ({ pid }: RunningNode): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024

const ports = await portsFile(await freePorts(NODES), cleanUp)
const nodes: RunningNode[] = []
while (nodes.length < NODES) {
  const batch = Array.from({ length: Math.min(4, NODES - nodes.length) }, () =>
    startNode({ ports, interval: 10, cleanUp }),
  )
  nodes.push(...(await Promise.all(batch)))
}
for (const { url } of nodes) {
  await until(
    () => nodesOf(url),
    (all) => all.filter(({ alive }) => alive).length === NODES - 1,
    60_000,
  )
}
await sleep(5_000)
const before = nodes.map(cpuSeconds)
await sleep(WATCH_MS)
const used = nodes.map((node, at) => cpuSeconds(node) - (before[at] ?? 0)).reduce((sum, one) => sum + one, 0)
report(`${NODES} idle nodes, CPU together`, `${((used / (WATCH_MS / 1000)) * 100).toFixed(1)} % of one core, limit 5 %`)
report(`${NODES} idle nodes, memory each`, `${median(nodes.map(residentMiB)).toFixed(0)} MiB resident, limit 128 MiB`)
