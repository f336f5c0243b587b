/** One file of 64 MiB from one node to eight others at 100 Mbit/s each way, until all have it, against aria2. Needs root. [rounds] Target: at most 1.25 x one ideal copy, 1.15 x to aim at. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Lab } from '../test/helpers/lab.ts'
import { type Reached, talk } from '../test/helpers/lan-node.ts'
import { aria2Crowd } from './lib/aria2.ts'
import { labOf } from './lib/lab.ts'
import { startLan, wireOf } from './lib/lan.ts'
import { loadAverage, watchCpu } from './lib/machine.ts'
import { MIB, makeRoom, randomFile } from './lib/room.ts'
import { type Contender, interleave, printMore, printTable, roundsWanted, type Sample, spread } from './lib/rounds.ts'
import { fetchOnce, publish, untilHeld } from './lib/talk.ts'
import { report } from './measure.ts'

const ROUNDS = 5
const ASKERS = 8
const SIZE = 64 * MIB
const RATE = '100mbit'
/** One copy of it on an empty wire of that rate, without headers. */
const IDEAL_SECONDS = (SIZE * 8) / 100e6
const OURS = 'portmesh'
/** What is still on its way from the round before has come by then. */
const QUIET_MS = 1_000

const rounds = roundsWanted(ROUNDS)
const lab = labOf(Array.from({ length: ASKERS + 1 }, () => RATE))
const room = await makeRoom(2.5 * (ASKERS + 1) * SIZE)
if (typeof lab === 'string') report('skipped', lab)
else if (!room) report('skipped', 'no room for the files')
else await bench(lab, room.folder, room.where)

async function bench(lab: Lab, folder: string, where: string): Promise<void> {
  report('data', `on ${where}, ${rounds} rounds after one to warm up, load average ${loadAverage()}`)
  await mkdir(join(folder, 'nodes'))
  const nodes = await startLan(lab, join(folder, 'nodes'), ASKERS + 1)
  const aria2 = await aria2Crowd({ lab, folder, askers: ASKERS, size: SIZE })
  if (!aria2) report('aria2c is not installed', 'skipped')
  const ours = { name: OURS, run: spreadOver(nodes) }
  const results = await interleave([ours, ...(aria2 ? [aria2] : [])], rounds)
  printTable(results, OURS)
  for (const [name, samples] of results) {
    const ideal = samples.map(({ seconds }) => seconds / IDEAL_SECONDS)
    report(`${name}: all done, x ${IDEAL_SECONDS.toFixed(2)} s`, spread(ideal))
  }
  printMore(results)
}

function spreadOver(nodes: readonly Reached[]): Contender['run'] {
  return async (round, watch) => await spreadOnce(nodes, `crowd ${round}.bin`, watch)
}

/** A new file each time: who has fetched one keeps giving it. */
async function spreadOnce(
  nodes: readonly Reached[],
  name: string,
  watch: Parameters<Contender['run']>[1],
): Promise<Sample> {
  const [seeder, ...askers] = nodes
  if (!seeder) throw new Error('no seeder')
  const path = join(seeder.home, name)
  await randomFile(path, SIZE)
  const root = await publish(seeder, name)
  for (const asker of askers) await untilHeld(asker, root, 1)
  await sleep(QUIET_MS)
  const cpu = watchCpu({ seeder: [seeder.pid], askers: askers.map(({ pid }) => pid) })
  const wireBefore = await Promise.all(nodes.map(wireOf))
  const watched = watch()
  const times = await Promise.all(askers.map((asker) => fetchOnce(asker, root)))
  watched()
  const used = cpu()
  const wire = await Promise.all(nodes.map(wireOf))
  const received = wire.slice(1).map((one, at) => one.received - (wireBefore[at + 1]?.received ?? 0))
  await talk(seeder, `/myfiles/${encodeURIComponent(name)}/clear`, {})
  await rm(path)
  return {
    seconds: Math.max(...times),
    cpu: used.cpu,
    more: {
      ...used.more,
      'the first is done, s': Math.min(...times),
      'the seeder sent, wire bytes / size': ((wire[0]?.sent ?? 0) - (wireBefore[0]?.sent ?? 0)) / SIZE,
      'each received, wire bytes / size': received.reduce((sum, one) => sum + one, 0) / askers.length / SIZE,
    },
  }
}
