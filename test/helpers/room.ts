/** The rooms of a node that face the mesh, joined as node.ts joins them, in this process: real sockets, a real folder, no pages. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { buildApp } from '../../src/app.ts'
import { toHex } from '../../src/bytes.ts'
import { type Identity, sign, verify } from '../../src/crypto/identity.ts'
import { Catalogue } from '../../src/dht/catalogue.ts'
import { OwnRow } from '../../src/dht/row.ts'
import { PeerTable } from '../../src/dht/table.ts'
import { KeepAlive, type KeepAliveOptions } from '../../src/discovery/keepalive.ts'
import { createLog } from '../../src/log.ts'
import { Metrics } from '../../src/metrics.ts'
import { News } from '../../src/news.ts'
import { carryOver, PeerClient } from '../../src/peer/client.ts'
import { PATIENCE, type Patience } from '../../src/peer/patience.ts'
import { Reach } from '../../src/peer/reach.ts'
import type { PeerDeps } from '../../src/routes/peer/deps.ts'
import { type Arithmetic, arithmeticIn } from '../../src/session/arithmetic.ts'
import * as jobs from '../../src/session/handshake-worker.ts'
import { Initiator } from '../../src/session/initiate.ts'
import { Responder } from '../../src/session/respond.ts'
import { type Clock, InSessions } from '../../src/session/sessions.ts'
import { Hasher } from '../../src/store/hash.ts'
import { Home } from '../../src/store/home.ts'
import { LayerMaker } from '../../src/store/layer-maker.ts'
import { Published } from '../../src/store/published.ts'
import { openState, type State } from '../../src/store/state.ts'
import { Giving, type GivingDeps } from '../../src/transfer/giving.ts'
import { publishedHoldings } from '../../src/transfer/published-holding.ts'
import { serveFile } from '../../src/transfer/serve.ts'
import { WorkerPool } from '../../src/workers.ts'
import { tempDir } from './process.ts'
import { strangerIdentity } from './stranger.ts'

export interface RoomOptions {
  readonly addresses?: readonly string[]
  readonly identity?: Identity
  readonly intervalMs?: number
  /** Of sessions and of the responder's keys. */
  readonly clock?: Clock
  readonly keepAlive?: Partial<KeepAliveOptions>
  readonly peer?: Partial<PeerDeps>
  readonly giving?: Partial<GivingDeps>
  /** Of our calls to peers. */
  readonly patience?: Partial<Patience>
}

export interface Room {
  readonly identity: Identity
  readonly id: string
  readonly url: string
  readonly port: number
  readonly home: string
  readonly table: PeerTable
  readonly catalogue: Catalogue
  readonly published: Published
  readonly state: State
  readonly giving: Giving
  readonly row: OwnRow
  readonly responder: Responder
  readonly sessions: InSessions
  readonly initiator: Initiator
  readonly client: PeerClient
  readonly keepAlive: KeepAlive
  /** Codes of what went wrong with peers, in order. */
  readonly troubles: string[]
  /** Addresses whose connection broke. */
  readonly broken: string[]
  readonly metrics: Metrics
}

/** The jobs of the worker, in this thread; what they are given is copied, as it is on its way to a thread. */
export const directArithmetic = (): Arithmetic => {
  const known: Record<string, (task: never) => unknown> = { ...jobs }
  const run = async (_file: URL, task: never, { name }: { name: string }): Promise<unknown> =>
    known[name]?.(structuredClone(task))
  return arithmeticIn({ run } as unknown as WorkerPool)
}

export const startRoom = async (options: RoomOptions = {}): Promise<Room> => {
  const { identity = strangerIdentity(), addresses = [], intervalMs = 60_000, clock } = options
  const id = toHex(identity.id)
  const timed = clock ? { clock } : {}
  const folder = await tempDir()
  const news = new News()
  const metrics = new Metrics()
  const home = new Home(folder)
  await home.start()
  const state = await openState(join(folder, '.portmesh'))
  const pool = new WorkerPool({ threads: 1, queue: 16 })
  const hasher = new Hasher(pool)
  const published = new Published({ home, state, hasher, news })
  await published.start()
  const ending = new AbortController()
  const row = new OwnRow({
    id: identity.id,
    name: 'a room',
    epoch: 1,
    sign: (head) => sign(identity.seed, 'row', head),
  })
  news.on('files', () => row.sync(published.files()))
  const catalogue = new Catalogue()
  const table = new PeerTable({
    news,
    verify: (owner, sig, head) => verify(owner, sig, 'row', head),
    onRow: (change) => catalogue.change(change),
  })
  const arithmetic = directArithmetic()
  const sessions = new InSessions(clock)
  const responder = new Responder({ identity, arithmetic, sessions, metrics, ...timed })
  const broken: string[] = []
  const patience = { ...PATIENCE, ...options.patience }
  const reach = new Reach((address) => {
    broken.push(address)
    if (table.at(address)) void keepAlive.probe(address)
  })
  const initiator = new Initiator({ identity, arithmetic, carry: carryOver(reach, patience), metrics, ...timed })
  const client = new PeerClient(reach, initiator, patience)
  const troubles: string[] = []

  const server = createServer({ headersTimeout: 10_000, requestTimeout: 0, connectionsCheckingInterval: 1_000 })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  const port = typeof bound === 'object' && bound ? bound.port : 0
  const keepAlive = new KeepAlive({
    client,
    table,
    ownId: id,
    ownPort: port,
    addresses,
    intervalMs,
    onTrouble: (_address, error) =>
      troubles.push(error instanceof Error && 'code' in error ? String(error.code) : String(error)),
    ...options.keepAlive,
  })
  const layers = new LayerMaker({ home, state, hasher, signal: ending.signal })
  const giving = new Giving({
    holdings: [publishedHoldings({ published, news, layers })],
    addressOf: (peer) => table.addressOf(peer),
    ...options.giving,
  })
  const app = await buildApp({
    server,
    handleWith: (handler) => server.on('request', handler),
    log: createLog('silent', { write: () => {} }),
    peer: {
      responder,
      sessions,
      row,
      onUpdate: (peerId, host, update) => keepAlive.heard(peerId, host, update),
      probe: async () => false,
      peers: () => ({ peers: [] }),
      serve: async (name) => await serveFile(published, name),
      giving,
      ...options.peer,
    },
    user: undefined,
  })
  onTestFinished(async () => {
    ending.abort()
    await giving.stop()
    await keepAlive.stop()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await app.close()
    await reach.drop()
    await published.stop()
    await pool.stop()
    state.close()
  })
  const rooms = {
    state,
    giving,
    table,
    catalogue,
    published,
    row,
    responder,
    sessions,
    initiator,
    client,
    keepAlive,
    metrics,
  }
  return { identity, id, url: `http://127.0.0.1:${port}/`, port, home: folder, troubles, broken, ...rooms }
}
