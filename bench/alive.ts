/** GET /alive while a transfer of 1 GiB runs, against a bare node:http server. [rounds] Target: at least 0.9 x its answers, and the transfer at least 0.8 x as fast as alone. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePorts } from '../test/helpers/process.ts'
import { cpuOf, loadAverage } from './lib/machine.ts'
import { share, startPair } from './lib/pair.ts'
import { endGroup, listensAt, start } from './lib/programs.ts'
import { GIB, makeRoom, randomFile } from './lib/room.ts'
import { type Contender, interleave, type Measured, ratios, roundsWanted, spread } from './lib/rounds.ts'
import { fetchOnce } from './lib/talk.ts'
import type { Seen } from './lib/visitors.ts'
import { cleanUp, report } from './measure.ts'

const ROUNDS = 5
const CONNECTIONS = 16
const ALONE = 'nobody asks'
/** Answers a second that are asked for; 0: as many as it gives. */
const RATES = [1_000, 0] as const
const WITHOUT_TRANSFER_MS = 2_000
const here = (name: string): string => fileURLToPath(new URL(`lib/${name}`, import.meta.url))

const rounds = roundsWanted(ROUNDS)
const room = await makeRoom(2.2 * GIB)
if (room) await bench(room.folder, room.where)
else report('skipped', 'no room for 2 GiB')

async function bench(folder: string, where: string): Promise<void> {
  report('data', `on ${where}, ${rounds} rounds after one to warm up, load average ${loadAverage()}`)
  const pair = await startPair(folder)
  await randomFile(join(pair.sender.home, 'one.bin'), GIB)
  const root = await share(pair, 'one.bin')
  const [bare] = await freePorts(1)
  if (bare === undefined) throw new Error('no free port')
  const body = await (await fetch(new URL('/alive', pair.sender.url))).text()
  const server = start(process.execPath, [here('bare.ts'), String(bare), body])
  await listensAt(bare)
  const visitable: readonly Visitable[] = [
    { who: 'bare', port: bare, pid: server.pid ?? 0 },
    { who: 'sender', port: pair.sender.port, pid: pair.sender.pid },
    { who: 'receiver', port: pair.receiver.port, pid: pair.receiver.pid },
  ]

  for (const rate of RATES) {
    const idle = visitable.map((one) => visited(one, rate, () => sleep(WITHOUT_TRANSFER_MS)))
    print(await interleave(idle, rounds), rate, 'no transfer')
    const alone: Contender = { name: ALONE, run: async () => ({ seconds: await fetchOnce(pair.receiver, root) }) }
    const busy = visitable.map((one) => visited(one, rate, () => fetchOnce(pair.receiver, root)))
    print(await interleave([alone, ...busy], rounds, { warmUp: rate === RATES[0] }), rate, 'a transfer runs')
  }
  report('load average now', loadAverage())
}

interface Visitable {
  readonly who: string
  readonly port: number
  readonly pid: number
}

/** Ask one of them all the time that something takes. */
function visited({ who, port, pid }: Visitable, rate: number, work: () => Promise<unknown>): Contender {
  return {
    name: who,
    run: async () => {
      const visitors = await startVisitors(port, rate)
      try {
        const [cpu, began] = [cpuOf(pid), performance.now()]
        visitors.send('begin')
        const seconds = await work()
        visitors.send('end')
        const wall = (performance.now() - began) / 1_000
        const [seen]: Seen[] = await once(visitors, 'message')
        const microseconds = ((cpuOf(pid) - cpu) * 1e6) / ((seen?.answersPerSecond ?? 0) * wall)
        return { seconds: typeof seconds === 'number' ? seconds : 0, more: { ...seen, microseconds } }
      } finally {
        endGroup(visitors)
      }
    },
  }
}

async function startVisitors(port: number, rate: number): Promise<ChildProcess> {
  const words = [here('visitors.ts'), String(port), '/alive', String(CONNECTIONS), String(rate)]
  const child = spawn(process.execPath, words, { detached: true, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  cleanUp(async () => endGroup(child))
  await once(child, 'message')
  return child
}

function print(results: ReadonlyMap<string, readonly Measured[]>, rate: number, meanwhile: string): void {
  const figure = (samples: readonly Measured[], what: keyof Seen | 'microseconds'): number[] =>
    samples.map(({ more }) => more?.[what] ?? Number.NaN)
  const bare = figure(results.get('bare') ?? [], 'answersPerSecond')
  const alone = results.get(ALONE)
  const asked = rate === 0 ? 'as many as it gives' : `${rate} a second`
  for (const [who, samples] of results) {
    if (who === ALONE) continue
    const answers = figure(samples, 'answersPerSecond')
    const share = answers.map((one, at) => one / (bare[at] ?? Number.NaN))
    report(
      `${asked}, ${meanwhile}: ${who}`,
      [
        `${spread(answers, 0)} answers/s`,
        ...(who === 'bare' ? [] : [`${spread(share)} x bare`]),
        `p50 ${spread(figure(samples, 'p50'))} ms`,
        `p99 ${spread(figure(samples, 'p99'), 1)} ms`,
        // While it transfers, it works for that, too.
        ...(alone
          ? [`transfer ${spread(ratios(alone, samples))} x its speed alone`]
          : [`${spread(figure(samples, 'microseconds'), 0)} us of CPU an answer`]),
      ].join(', '),
    )
  }
  if (alone) report('the transfer alone', `${spread(alone.map(({ seconds }) => seconds))} s`)
}
