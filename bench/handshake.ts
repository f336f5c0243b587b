/** The first handshake with a stranger, the first question after it, and how long either blocks the event loop; both ends in one process. Target: 60 ms, 15 ms to the first byte after discovery, 10 ms. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { resolveConfig } from '../src/config.ts'
import { generateIdentity } from '../src/crypto/identity.ts'
import { createLog } from '../src/log.ts'
import { Metrics } from '../src/metrics.ts'
import { createNode } from '../src/node.ts'
import { carryOver, PeerClient } from '../src/peer/client.ts'
import { Reach } from '../src/peer/reach.ts'
import { arithmeticIn } from '../src/session/arithmetic.ts'
import { Initiator } from '../src/session/initiate.ts'
import { WorkerPool } from '../src/workers.ts'
import { publish } from '../test/helpers/api.ts'
import { freePorts, portsFile, tempDir } from '../test/helpers/process.ts'
import { cleanUp, median, report } from './measure.ts'

const ROUNDS = 20

const folder = await tempDir(cleanUp)
const config = resolveConfig({
  options: { ports: await portsFile(await freePorts(1), cleanUp), files: folder },
  env: {},
  cwd: folder,
  root: folder,
  personHome: folder,
  user: 'bench',
  host: 'here',
})
const node = await createNode(config, { log: createLog('silent', { write: () => {} }), print: () => {} })
cleanUp(async () => await node.stop())
await node.start()
await writeFile(join(folder, 'small.txt'), 'small')
await publish(node.url, 'small.txt')
const address = `127.0.0.1:${node.port}`

const pool = new WorkerPool({ threads: 1, keep: 1, queue: 16 })
cleanUp(async () => await pool.stop())
const arithmetic = arithmeticIn(pool)
const reach = new Reach(() => {})
cleanUp(async () => await reach.drop())

/** A stranger with a session of its own; the same thread and connection, as in a node that runs. */
const stranger = async (): Promise<PeerClient> => {
  const identity = await generateIdentity()
  return new PeerClient(reach, new Initiator({ identity, arithmetic, carry: carryOver(reach), metrics: new Metrics() }))
}

const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const began = performance.now()
  await work()
  return performance.now() - began
}

const first: number[] = []
const second: number[] = []
const fetched: number[] = []
const blocked: number[] = []
for (let round = 0; round <= ROUNDS; round++) {
  const client = await stranger()
  await sleep(50)
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const times = [
    await timed(() => client.table(address, {})),
    await timed(() => client.table(address, {})),
    await timed(async () => {
      const { id } = await client.table(address, {})
      for await (const _ of await client.file(address, id, 'small.txt', AbortSignal.timeout(5_000))) break
    }),
  ]
  delay.disable()
  // The first round loads code; a node has done that long before a stranger comes.
  if (round === 0) continue
  first.push(times[0] ?? 0)
  second.push(times[1] ?? 0)
  fetched.push((times[2] ?? 0) - (times[1] ?? 0))
  blocked.push(delay.max / 1e6)
}
const figure = (all: readonly number[]): string =>
  `${median(all).toFixed(1)} ms (at most ${Math.max(...all).toFixed(1)})`
report('first question to a stranger, with handshake', `${figure(first)}, limit 60 ms`)
report('next question in the session', figure(second))
report('first byte of a file after discovery', `${figure(fetched)}, limit 15 ms`)
report('longest block of the event loop a round', `${figure(blocked)}, limit 10 ms and 1 ms of resolution`)
