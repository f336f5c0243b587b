/** Where the time of a fetch goes: the functions with the most time of their own, thread by thread; of 1 GiB from one holder, or with the word `crowd` of 64 MiB from one to eight. [fetches] */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { labOf } from './lib/lab.ts'
import { startLan } from './lib/lan.ts'
import { loadAverage } from './lib/machine.ts'
import { share, startPair } from './lib/pair.ts'
import { printProfiles, profiled } from './lib/profiles.ts'
import { GIB, MIB, makeRoom, randomFile } from './lib/room.ts'
import { roundsWanted, spread } from './lib/rounds.ts'
import { fetchOnce, publish, untilHeld } from './lib/talk.ts'
import { report } from './measure.ts'

const FETCHES = 3
const ASKERS = 8
const CROWD_SIZE = 64 * MIB
const CROWD_RATE = '100mbit'

const fetches = roundsWanted(FETCHES)
const room = await makeRoom(2.5 * GIB)
if (!room) report('skipped', 'no room for 2.5 GiB')
else if (process.argv.includes('crowd')) await ofCrowd(room.folder)
else await ofOne(room.folder)

async function ofOne(folder: string): Promise<void> {
  const written = { sender: join(folder, 'profiles-sender'), receiver: join(folder, 'profiles-receiver') }
  const pair = await startPair(folder, {
    senderFlags: await profiled(written.sender),
    receiverFlags: await profiled(written.receiver),
  })
  await randomFile(join(pair.sender.home, 'one.bin'), GIB)
  const root = await share(pair, 'one.bin')
  const seconds: number[] = []
  while (seconds.length < fetches) seconds.push(await fetchOnce(pair.receiver, root))
  report(`${fetches} fetches of 1 GiB`, `${spread(seconds)} s each, load average ${loadAverage()}`)
  for (const who of ['sender', 'receiver'] as const) {
    await pair[who].stop()
    await printProfiles(who, written[who])
  }
}

/** The seeder and one of the askers, which are all alike. */
async function ofCrowd(folder: string): Promise<void> {
  const lab = labOf(Array.from({ length: ASKERS + 1 }, () => CROWD_RATE))
  if (typeof lab === 'string') return report('skipped', lab)
  const written = [join(folder, 'profiles-seeder'), join(folder, 'profiles-asker')] as const
  const flags = [await profiled(written[0]), await profiled(written[1])]
  await mkdir(join(folder, 'nodes'))
  const nodes = await startLan(lab, join(folder, 'nodes'), ASKERS + 1, flags)
  const [seeder, ...askers] = nodes
  if (!seeder) return
  const seconds: number[] = []
  while (seconds.length < fetches) {
    const name = `crowd ${seconds.length}.bin`
    await randomFile(join(seeder.home, name), CROWD_SIZE)
    const root = await publish(seeder, name)
    for (const asker of askers) await untilHeld(asker, root, 1)
    seconds.push(Math.max(...(await Promise.all(askers.map((asker) => fetchOnce(asker, root))))))
    await rm(join(seeder.home, name))
  }
  report(`${fetches} crowds of ${ASKERS}`, `${spread(seconds)} s each, load average ${loadAverage()}`)
  for (const [at, who] of ['seeder', 'one asker'].entries()) {
    await nodes[at]?.stop()
    await printProfiles(who, written[at] ?? '')
  }
}
