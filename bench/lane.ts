/** One sealed answer of 1 GiB: through the lane, against undici's dispatch on the main thread. Target: at most 0.9 x its wall time and 0.85 x its CPU s. [rounds] */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Pool } from 'undici'
import { free } from '../src/bytes.ts'
import { Lane } from '../src/peer/lane.ts'
import { leavesOf } from '../src/peer/leaves.ts'
import { PATIENCE } from '../src/peer/patience.ts'
import { openPieces, type PieceOpener } from '../src/session/sealed.ts'
import { type Exchange, OutSession } from '../src/session/sessions.ts'
import { OPENED } from './lib/lane-holder.ts'
import { loadAverage, watchCpu } from './lib/machine.ts'
import { GIB } from './lib/room.ts'
import { interleave, printMore, printTable, roundsWanted, type Sample, spread } from './lib/rounds.ts'
import { cleanUp, report } from './measure.ts'

const ROUNDS = 7
const TARGET = '/content/0?pieces=0'
/** Of the memory that frames are copied to, as for a sink. */
const UNIT_BYTES = 1024 * 1024

const rounds = roundsWanted(ROUNDS)
const child = fork(fileURLToPath(new URL('lib/lane-holder.ts', import.meta.url)), [String(GIB)])
cleanUp(async () => void child.kill())
const [port] = await once(child, 'message')
const address = `127.0.0.1:${port}`

const lane = new Lane(() => {})
cleanUp(async () => await lane.drop())
const pool = new Pool(`http://${address}`, { connections: 1, bodyTimeout: 30_000 })
cleanUp(async () => await pool.destroy())
const session = new OutSession(OPENED)
const unit = new Uint8Array(new SharedArrayBuffer(UNIT_BYTES))

report('rounds', `${rounds} after one to warm up, load average ${loadAverage()}`)
const results = await interleave(
  [
    { name: 'lane', run: async () => await measured(throughLane) },
    { name: 'undici', run: async () => await measured(throughUndici) },
  ],
  rounds,
)
printTable(results, 'lane')
printMore(results)
const [ours = [], theirs = []] = [results.get('lane'), results.get('undici')]
report('CPU s, lane / undici', spread(ours.map(({ cpu = 0 }, round) => cpu / (theirs[round]?.cpu ?? Number.NaN))))

async function measured(receive: () => Promise<number>): Promise<Sample> {
  const cpu = watchCpu({ receiver: [process.pid] })
  const began = performance.now()
  const bytes = await receive()
  if (bytes !== GIB) throw new Error(`${bytes} bytes came`)
  return { seconds: (performance.now() - began) / 1_000, ...cpu() }
}

/** What a sink does with a frame. */
function take(parts: readonly Uint8Array[]): void {
  let at = 0
  for (const part of parts) {
    unit.set(part, at)
    at += part.length
    free(part)
  }
}

async function throughLane(): Promise<number> {
  const { header: auth, ...exchange } = session.next('GET', TARGET)
  let received = 0
  const reader = {
    head: () => {},
    progress: () => {},
    frame: (parts: readonly Uint8Array[], bytes: number): undefined => {
      take(parts)
      received += bytes
    },
  }
  const end = await lane.ask({ address, auth, exchange, patience: PATIENCE }, reader, new AbortController().signal)
  if (end.kind !== 'whole') throw new Error('it did not come whole')
  return received
}

async function throughUndici(): Promise<number> {
  const { header, ...exchange } = session.next('GET', TARGET)
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  let opener: PieceOpener | undefined
  let received = 0
  pool.dispatch(
    { method: 'GET', path: TARGET, headers: { 'portmesh-auth': header } },
    {
      onRequestStart: () => {},
      onResponseStart: (_controller, status, headers) => {
        opener = opening(exchange, status, Number(headers['content-length']), (parts, bytes) => {
          // The lane does so, too.
          leavesOf(parts, bytes)
          take(parts)
          received += bytes
        })
      },
      onResponseData: (_controller, chunk) => opener?.push(chunk),
      onResponseEnd: () => resolve(received),
      onResponseError: (_controller, error) => reject(error),
    },
  )
  return await promise
}

function opening(
  exchange: Exchange,
  status: number,
  length: number,
  frame: (parts: readonly Uint8Array[], bytes: number) => void,
): PieceOpener {
  return openPieces(exchange, status, length, { head: () => {}, frame })
}
