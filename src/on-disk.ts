/** What of a node lies on disk: its folder, its identity, what it has published. Opened in order. */
import type { Identity } from './crypto/identity.ts'
import { identityOf, welcome } from './first-start.ts'
import type { Log } from './log.ts'
import type { News } from './news.ts'
import { Hasher } from './store/hash.ts'
import { Home } from './store/home.ts'
import { LayerMaker } from './store/layer-maker.ts'
import { Place } from './store/place.ts'
import { Published } from './store/published.ts'
import type { Reach } from './store/reach.ts'
import type { State } from './store/state.ts'
import { partialsOf } from './transfer/transfers.ts'
import { WorkerPool } from './workers.ts'

/** Two files are read at once, the rest waits in the room itself. */
const HASH_THREADS = 2
const HASH_QUEUE = 16

export interface OnDiskDeps {
  /** The home, an absolute path. */
  readonly folder: string
  readonly state: State
  readonly news: News
  /** How far what is published from now on is seen. */
  readonly usualReach: () => Reach
  readonly log: Log
  readonly signal: AbortSignal
}

export interface OnDisk {
  readonly home: Home
  readonly place: Place
  readonly identity: Identity
  readonly hashPool: WorkerPool
  readonly published: Published
  readonly layers: LayerMaker
}

export const onDisk = async ({ folder, state, news, usualReach, log, signal }: OnDiskDeps): Promise<OnDisk> => {
  const home = new Home(folder)
  await home.start()
  const place = new Place(home)
  await place.start({ keep: partialsOf(state) })
  const { identity, isNew } = await identityOf(state.folder)
  const hashPool = new WorkerPool({ threads: HASH_THREADS, queue: HASH_QUEUE })
  const hasher = new Hasher(hashPool)
  const published = new Published({ home, state, hasher, news, usualReach })
  await published.start()
  const layers = new LayerMaker({ home, state, hasher, signal })
  state.layers.prune(new Set(published.entries().flatMap(({ file }) => file?.root ?? [])))
  if (isNew) await welcome(home, place).catch((error) => log.warn({ error }, 'the sample file could not be made'))
  return { home, place, identity, hashPool, published, layers }
}
