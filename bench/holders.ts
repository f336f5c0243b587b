/** One file from four holders of 100 Mbit/s at once: equal, one slow, one stopped for 5 s; against four curls. Needs root. [rounds] Target: at least 91 % of what is available at 64 MiB, 94 % at 256 MiB. */
import { copyFile, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Lab } from '../test/helpers/lab.ts'
import { type Reached, talk } from '../test/helpers/lan-node.ts'
import { type Curls, startCurls } from './lib/curls.ts'
import { labOf } from './lib/lab.ts'
import { startLan } from './lib/lan.ts'
import { cpuOfEnded, loadAverage, watchCpu } from './lib/machine.ts'
import { MIB, makeRoom, randomFile } from './lib/room.ts'
import { type Contender, interleave, roundsWanted, spread } from './lib/rounds.ts'
import { fetchOnce, publish, untilHeld } from './lib/talk.ts'
import { median, report } from './measure.ts'

const ROUNDS = 3
const HOLDERS = 4
const ASKER = HOLDERS + 1
/** Who is slow, or stopped. */
const ODD = HOLDERS
const RATE_MBIT = 100
const ASKER_RATE = '1gbit'
const SLOW_MBIT = 10
const STOP_S = { from: 0.5, to: 5.5 } as const
const SIZES = [64 * MIB, 256 * MIB] as const
const QUIET_MS = 1_000

type Case = 'equal' | 'one at 10 Mbit/s' | 'one stopped, 0.5 to 5.5 s'
const CASES: readonly Case[] = ['equal', 'one at 10 Mbit/s', 'one stopped, 0.5 to 5.5 s']

const rounds = roundsWanted(ROUNDS)
const lab = labOf([...Array.from({ length: HOLDERS }, () => `${RATE_MBIT}mbit`), ASKER_RATE])
const room = await makeRoom(2.5 * (HOLDERS + 1) * Math.max(...SIZES))
if (typeof lab === 'string') report('skipped', lab)
else if (!room) report('skipped', 'no room for the files')
else await bench(lab, room.folder, room.where)

async function bench(lab: Lab, folder: string, where: string): Promise<void> {
  report('data', `on ${where}, ${rounds} rounds after one to warm up, load average ${loadAverage()}`)
  await mkdir(join(folder, 'nodes'))
  const nodes = await startLan(lab, join(folder, 'nodes'), ASKER)
  const curls = await startCurls(lab, folder, { holders: HOLDERS, asker: ASKER })
  if (!curls) report('nginx or curl is not installed', 'skipped')
  for (const size of SIZES) {
    for (const what of CASES) {
      lab.rate(ODD, `${what === 'one at 10 Mbit/s' ? SLOW_MBIT : RATE_MBIT}mbit`)
      const ours = oursOf(nodes, size, what)
      // A quarter of 256 MiB at 10 Mbit/s would take a minute, and says nothing new.
      const withCurls = curls && (what !== 'one at 10 Mbit/s' || size === SIZES[0])
      const contenders = [ours, ...(withCurls ? [curlsOf(curls, folder, size, what)] : [])]
      const results = await interleave(contenders, rounds, { warmUp: size === SIZES[0] && what === 'equal' })
      for (const [name, samples] of results) {
        const percents = samples.map(({ seconds }) => (idealSeconds(size, what) / seconds) * 100)
        const busy = median(samples.map(({ busyPercent }) => busyPercent))
        const others = spread(
          samples.map(({ othersCores }) => othersCores),
          1,
        )
        report(
          `${size / MIB} MiB, ${what}: ${name}`,
          `${spread(percents, 1)} % of what is available, ${spread(samples.map(({ seconds }) => seconds))} s; machine busy ${busy.toFixed(0)} %, others ${others} cores`,
        )
      }
    }
  }
  report('load average now', loadAverage())
}

/** How long it takes when every holder gives all that it has. */
function idealSeconds(size: number, what: Case): number {
  const all = (RATE_MBIT * HOLDERS * 1e6) / 8
  const others = (RATE_MBIT * (HOLDERS - 1) * 1e6) / 8
  if (what === 'equal') return size / all
  if (what === 'one at 10 Mbit/s') return size / (others + (SLOW_MBIT * 1e6) / 8)
  const before = all * STOP_S.from
  const meanwhile = others * (STOP_S.to - STOP_S.from)
  if (size <= before + meanwhile) return STOP_S.from + (size - before) / others
  return STOP_S.to + (size - before - meanwhile) / all
}

function oursOf(nodes: readonly Reached[], size: number, what: Case): Contender {
  const asker = nodes[ASKER - 1]
  const holders = nodes.slice(0, HOLDERS)
  const [first] = holders
  if (!asker || !first) throw new Error('no nodes')
  return {
    name: 'portmesh',
    run: async (round, watch) => {
      // A new content each time: what was fetched once is still given.
      const name = `${size / MIB} ${what} ${round}.bin`.replaceAll('/', ' ')
      await randomFile(join(first.home, name), size)
      for (const { home } of holders.slice(1)) await copyFile(join(first.home, name), join(home, name))
      let root = ''
      for (const holder of holders) root = await publish(holder, name)
      await untilHeld(asker, root, HOLDERS)
      await sleep(QUIET_MS)
      const cpu = watchCpu({ nodes: nodes.map(({ pid }) => pid) })
      const watched = watch()
      const seconds = await stopping(what, holders[ODD - 1]?.pid, () => fetchOnce(asker, root))
      watched()
      const used = cpu().cpu
      for (const holder of holders) {
        await talk(holder, `/myfiles/${encodeURIComponent(name)}/clear`, {})
        await rm(join(holder.home, name))
      }
      return { seconds, cpu: used }
    },
  }
}

function curlsOf(curls: Curls, folder: string, size: number, what: Case): Contender {
  const path = join(folder, 'for-curl')
  return {
    name: `${HOLDERS} curls`,
    run: async (_round, watch) => {
      await randomFile(path, size)
      await curls.place(path, 'content.bin')
      await sleep(QUIET_MS)
      const all = Array.from({ length: HOLDERS }, (_, at) => curls.pid(at + 1))
      const cpu = watchCpu({ nginx: all })
      const ended = cpuOfEnded()
      const watched = watch()
      const seconds = await stopping(what, curls.pid(ODD), () => curls.fetch('content.bin', size))
      watched()
      const used = cpu().cpu + cpuOfEnded() - ended
      await curls.remove('content.bin')
      await rm(path)
      return { seconds, cpu: used }
    },
  }
}

/** Do something while a process is stopped for a while, and wait for both. */
async function stopping<Value>(what: Case, pid: number | undefined, work: () => Promise<Value>): Promise<Value> {
  if (what !== 'one stopped, 0.5 to 5.5 s' || pid === undefined) return await work()
  const stopped = (async () => {
    await sleep(STOP_S.from * 1_000)
    process.kill(pid, 'SIGSTOP')
    try {
      await sleep((STOP_S.to - STOP_S.from) * 1_000)
    } finally {
      process.kill(pid, 'SIGCONT')
    }
  })()
  const value = await work()
  await stopped
  return value
}
