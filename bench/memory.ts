/** The most memory that sender and receiver need for 1 GiB and for 10 GiB. [rounds] Target: at most 64 MiB above their own peak when idle and 192 MiB in all, the same for both. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { forgetPeakOf, loadAverage, peakOf, residentOf } from './lib/machine.ts'
import { share, startPair } from './lib/pair.ts'
import { GIB, makeRoom, sparseFile } from './lib/room.ts'
import { roundsWanted, spread } from './lib/rounds.ts'
import { fetchOnce } from './lib/talk.ts'
import { report } from './measure.ts'

const ROUNDS = 3
const SIZES = [1, 10] as const
/** More than this goes to the disk: memory is what is measured. */
const MOST_ON_RAM_DISK_GIB = 2
const IDLE_MS = 3_000
const WHO = ['sender', 'receiver'] as const

const rounds = roundsWanted(ROUNDS)
for (const size of SIZES) {
  const room = await makeRoom((size + 1) * GIB, { onDisk: size > MOST_ON_RAM_DISK_GIB })
  if (room) await bench(room.folder, room.where, size)
  else report(`${size} GiB`, 'skipped: no room for it')
}

/** New nodes for each size and round, so that none profits from what another one left behind. */
async function bench(folder: string, where: string, size: number): Promise<void> {
  const figures = new Map<string, number[]>()
  const note = (what: string, value: number): void => void figures.set(what, [...(figures.get(what) ?? []), value])
  for (let round = 0; round < rounds; round++) {
    const own = join(folder, String(round))
    await mkdir(own)
    const pair = await startPair(own)
    await sleep(IDLE_MS)
    const idle = { sender: memoryOf(pair.sender.pid), receiver: memoryOf(pair.receiver.pid) }
    await sparseFile(join(pair.sender.home, 'large.bin'), size * GIB)
    const root = await share(pair, 'large.bin')
    for (const who of WHO) forgetPeakOf(pair[who].pid)
    note('seconds', await fetchOnce(pair.receiver, root))
    for (const who of WHO) {
      const peak = peakOf(pair[who].pid)
      note(`${who}: peak`, peak)
      note(`${who}: above its peak at the start`, peak - idle[who].peak)
      note(`${who}: above idle`, peak - idle[who].resident)
      await pair[who].stop()
    }
    await rm(own, { recursive: true })
  }
  report(`${size} GiB on ${where}`, `${spread(figures.get('seconds') ?? [], 1)} s, load average ${loadAverage()}`)
  figures.delete('seconds')
  for (const [what, values] of figures) report(`${size} GiB, ${what}`, `${spread(values, 0)} MiB`)
}

function memoryOf(pid: number): { readonly resident: number; readonly peak: number } {
  return { resident: residentOf(pid), peak: peakOf(pid) }
}
