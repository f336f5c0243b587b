/** The rooms of a node that fetch, joined as node.ts joins them, in this process: real sockets, threads and files, no table. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { Metrics } from '../../src/metrics.ts'
import { News } from '../../src/news.ts'
import { Asker } from '../../src/peer/ask.ts'
import { carryOver } from '../../src/peer/client.ts'
import { ContentClient } from '../../src/peer/contents.ts'
import { PATIENCE, type Patience } from '../../src/peer/patience.ts'
import { Reach } from '../../src/peer/reach.ts'
import { Initiator } from '../../src/session/initiate.ts'
import { Home } from '../../src/store/home.ts'
import { Place } from '../../src/store/place.ts'
import { openState } from '../../src/store/state.ts'
import type { TransferState } from '../../src/store/transfers.ts'
import type { Content } from '../../src/transfer/fetch.ts'
import type { Holder } from '../../src/transfer/following.ts'
import type { Transfer } from '../../src/transfer/transfer.ts'
import { partialsOf, Transfers } from '../../src/transfer/transfers.ts'
import { WorkerPool } from '../../src/workers.ts'
import { until } from './api.ts'
import { tempDir } from './process.ts'
import { directArithmetic } from './room.ts'
import { strangerIdentity } from './stranger.ts'

export interface Taking {
  readonly home: string
  readonly transfers: Transfers
  /** Who publishes the content and is there: to be changed by the test. */
  readonly publishers: Set<Holder>
  /** Who else is in the table. */
  readonly others: Set<Holder>
  readonly troubles: string[]
  /** Something about the holders changed. */
  readonly changed: () => void
  readonly begin: (content: Content, name?: string) => Promise<Transfer>
  /** Begin, and wait for a state. */
  readonly fetch: (content: Content, state?: TransferState, withinMs?: number) => Promise<Transfer>
  readonly fileOf: (transfer: Transfer) => Promise<Buffer>
  readonly stop: () => Promise<void>
}

export interface TakingOptions {
  readonly home?: string
  readonly patience?: Partial<Patience>
}

export const startTaking = async (holders: Iterable<Holder>, options: TakingOptions = {}): Promise<Taking> => {
  const folder = options.home ?? (await tempDir())
  const home = new Home(folder)
  await home.start()
  const state = await openState(join(home.realRoot, '.portmesh'))
  const place = new Place(home)
  await place.start({ keep: partialsOf(state) })
  const news = new News()
  const pool = new WorkerPool({ threads: 3, queue: 3 })
  const patience = { ...PATIENCE, ...options.patience }
  const reach = new Reach(() => {})
  const arithmetic = directArithmetic()
  const identity = strangerIdentity()
  const initiator = new Initiator({ identity, arithmetic, carry: carryOver(reach, patience), metrics: new Metrics() })
  const publishers = new Set(holders)
  const others = new Set<Holder>()
  const troubles: string[] = []
  const all = (): Holder[] => [...publishers, ...others]
  const transfers = new Transfers({
    ...{ home, place, state, news, pool },
    client: new ContentClient(new Asker(reach, initiator, patience)),
    publishers: () => [...publishers],
    at: (address) => all().find((holder) => holder.address === address),
    byId: (id) => all().find((holder) => holder.id === id),
    hasOwn: () => false,
    own: async () => undefined,
    placed: async (name, { root, hash }) => {
      const { stamp } = await home.stat(name)
      state.cache.put([{ name, stamp, hash, root }])
      return { path: home.path(name), stamp }
    },
    onTrouble: (_what, error) =>
      troubles.push(error instanceof Error && 'code' in error ? String(error.code) : String(error)),
    now: () => performance.now(),
  })
  transfers.start()
  let stopped: Promise<void> | undefined
  const stopNow = async (): Promise<void> => {
    await transfers.stop()
    await reach.drop()
    await pool.stop()
    state.close()
  }
  const stop = (): Promise<void> => {
    stopped ??= stopNow()
    return stopped
  }
  onTestFinished(stop)
  const begin = async (content: Content, name = 'content.bin'): Promise<Transfer> => {
    const { root, hash, size } = content
    return (await transfers.add({ root, hash, size }, name)).transfer
  }
  return {
    ...{ home: home.realRoot, transfers, publishers, others, troubles, begin, stop },
    changed: () => news.tell('table'),
    fetch: async (content, wanted = 'done', withinMs = 20_000) => {
      const transfer = await begin(content)
      await reached(transfer, wanted, withinMs)
      return transfer
    },
    fileOf: async ({ record }) => await readFile(join(home.realRoot, record.finalName ?? '')),
  }
}

export const reached = async (transfer: Transfer, wanted: TransferState, withinMs = 20_000): Promise<void> => {
  await until(
    async () => ({ state: transfer.state, error: transfer.record.error, done: transfer.done }),
    ({ state }) => state === wanted,
    withinMs,
  )
}
