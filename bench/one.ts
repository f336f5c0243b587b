/** One file of 1 GiB from one holder into the home, against nginx TLS + curl + openssl dgst and scp. [rounds] Target: at most 0.9 x nginx, 3.3 CPU s/GiB, 64 MiB above idle. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { forgetPeakOf, loadAverage, peakOf, residentOf, watchCpu } from './lib/machine.ts'
import { tlsPeer } from './lib/nginx.ts'
import { type Pair, share, startPair } from './lib/pair.ts'
import { GIB, makeRoom, randomFile } from './lib/room.ts'
import { type Contender, interleave, printMore, printTable, roundsWanted, type Sample } from './lib/rounds.ts'
import { sshPeer } from './lib/ssh.ts'
import { fetchOnce } from './lib/talk.ts'
import { report } from './measure.ts'

const ROUNDS = 7
const IDLE_MS = 3_000
const OURS = 'portmesh'

const rounds = roundsWanted(ROUNDS)
/** The file, and one copy at a time; the peers' own files are small. */
const room = await makeRoom(2.2 * GIB)
if (room) await bench(room.folder, room.where)
else report('skipped', 'no room for 2 GiB')

async function bench(folder: string, where: string): Promise<void> {
  report('data', `on ${where}, ${rounds} rounds after one to warm up, load average ${loadAverage()}`)
  const pair = await startPair(folder)
  await sleep(IDLE_MS)
  const idle = { sender: memoryOf(pair.sender.pid), receiver: memoryOf(pair.receiver.pid) }
  const path = join(pair.sender.home, 'one.bin')
  await randomFile(path, GIB)
  const root = await share(pair, 'one.bin')
  forgetPeakOf(pair.sender.pid)

  const peers = [await tlsPeer(folder, path), await sshPeer(folder, path)]
  if (!peers[0]) report('nginx, curl or openssl is not installed', 'skipped')
  if (!peers[1]) report('sshd or scp is not installed', 'skipped')
  const ours: Contender = { name: OURS, run: async () => await fetchMeasured(pair, root) }
  const results = await interleave([ours, ...peers.flatMap((peer) => peer ?? [])], rounds)

  printTable(results, OURS)
  printMore(results)
  for (const who of ['sender', 'receiver'] as const) {
    const [peak, { resident, peak: idlePeak }] = [peakOf(pair[who].pid), idle[who]]
    report(
      `${who}: peak memory`,
      `${peak.toFixed(0)} MiB, ${(peak - idlePeak).toFixed(0)} above its peak at the start (${idlePeak.toFixed(0)}), ${(peak - resident).toFixed(0)} above idle (${resident.toFixed(0)})`,
    )
  }
}

function memoryOf(pid: number): { readonly resident: number; readonly peak: number } {
  return { resident: residentOf(pid), peak: peakOf(pid) }
}

/** One fetch, with the CPU time of both nodes. */
async function fetchMeasured({ sender, receiver }: Pair, root: string): Promise<Sample> {
  const cpu = watchCpu({ sender: [sender.pid], receiver: [receiver.pid] })
  const seconds = await fetchOnce(receiver, root)
  return { seconds, ...cpu() }
}
