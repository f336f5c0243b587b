/** One node: builds every room, joins them, starts and stops them in order. */
import type { Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import program from '../package.json' with { type: 'json' }
import { buildApp } from './app.ts'
import { toHex } from './bytes.ts'
import { type Claim, claim } from './claim.ts'
import { type Config, readPortsFile, withSettings } from './config.ts'
import { sign, verify } from './crypto/identity.ts'
import { Catalogue } from './dht/catalogue.ts'
import { OwnRow } from './dht/row.ts'
import { FILES_A_SLICE, inSlices, nextTurn } from './dht/slices.ts'
import { PeerTable } from './dht/table.ts'
import { KeepAlive } from './discovery/keepalive.ts'
import { discoveryLines } from './discovery/lines.ts'
import { blockedByBrowsers, parsePorts } from './discovery/ports.ts'
import { CannotStart, CannotWrite, DiskFull } from './errors.ts'
import { identityOf, welcome } from './first-start.ts'
import type { ProcessLog } from './log.ts'
import { Metrics } from './metrics.ts'
import { News } from './news.ts'
import { Asker } from './peer/ask.ts'
import { carryOver, PeerClient } from './peer/client.ts'
import { ContentClient } from './peer/contents.ts'
import { Reach } from './peer/reach.ts'
import { Remember } from './remember.ts'
import { arithmeticIn } from './session/arithmetic.ts'
import { Initiator } from './session/initiate.ts'
import { Responder } from './session/respond.ts'
import { InSessions } from './session/sessions.ts'
import { sharingOf } from './sharing.ts'
import { Hasher } from './store/hash.ts'
import { Home } from './store/home.ts'
import { LayerMaker } from './store/layer-maker.ts'
import { Place } from './store/place.ts'
import { Published } from './store/published.ts'
import { watchPublished } from './store/watch.ts'
import { HandOver } from './transfer/hand-over.ts'
import { serveFile } from './transfer/serve.ts'
import { partialsOf } from './transfer/transfers.ts'
import { acquaintancesIn, whoIsWho } from './who-is-who.ts'
import { WorkerPool } from './workers.ts'

/** Answers that run may end in this time when the node stops. */
const DRAIN_MS = 2_000
/** Handshakes that may wait for their thread: above, a newcomer is told to come back. */
const HANDSHAKE_QUEUE = 128
/** Two files are read at once, the rest waits in the room itself. */
const HASH_THREADS = 2
const HASH_QUEUE = 16

export interface NodeDeps {
  readonly log: ProcessLog
  /** A line for the person. */
  readonly print: (line: string) => void
  /** Says whether there is a desktop; without it nothing is opened. */
  readonly env?: Readonly<Record<string, string | undefined>>
}

export interface Node {
  readonly url: string
  readonly port: number
  readonly home: string
  /** Look for the others, and say so; ready when it returns. */
  start(): Promise<void>
  stop(): Promise<void>
}

/**
 * Claim a home and a port, and build the node; it answers from now on.
 * @throws CannotStart with a sentence for the terminal.
 */
export const createNode = async (config: Config, { log, print, env = {} }: NodeDeps): Promise<Node> => {
  const ports = parsePorts(await readPortsFile(config.portsFile), config.portsFile)
  const claimed = await claim(config, ports.candidates)
  log.toHome(claimed.home)
  try {
    const notices = [...claimed.state.notices]
    const settled = await withSettings(config, claimed.home, notices)
    return await build(claimed, settled, ports, { log, print, env, notices })
  } catch (error) {
    claimed.server.close()
    claimed.server.closeAllConnections()
    claimed.state.close()
    if (!(error instanceof DiskFull || error instanceof CannotWrite)) throw error
    throw new CannotStart(`${claimed.home}: ${error.message}`, { cause: error })
  }
}

const build = async (
  { home: folder, state, port, server, handleWith }: Claim,
  config: Config,
  ports: ReturnType<typeof parsePorts>,
  { log, print, env, notices }: Required<NodeDeps> & { readonly notices: readonly string[] },
): Promise<Node> => {
  const ownAddress = `127.0.0.1:${port}`
  const news = new News()
  const metrics = new Metrics()
  const stopping = new AbortController()

  // What lies on disk.
  const home = new Home(folder)
  await home.start()
  const place = new Place(home)
  await place.start({ keep: partialsOf(state) })
  const { identity, isNew } = await identityOf(state.folder)
  const ownId = toHex(identity.id)
  const hashPool = new WorkerPool({ threads: HASH_THREADS, queue: HASH_QUEUE })
  const hasher = new Hasher(hashPool)
  const published = new Published({ home, state, hasher, news })
  await published.start()
  const layers = new LayerMaker({ home, state, hasher, signal: stopping.signal })
  state.layers.prune(new Set(published.entries().flatMap(({ file }) => file?.root ?? [])))
  if (isNew) await welcome(home, place).catch((error) => log.warn({ error }, 'the sample file could not be made'))

  // Our row, everybody's rows, and what they make together.
  const catalogue = new Catalogue()
  const epoch = state.nextEpoch()
  const row = new OwnRow({
    id: identity.id,
    name: config.name,
    epoch,
    sign: (head) => sign(identity.seed, 'row', head),
  })
  const acquaintances = acquaintancesIn(state, news, (error) => log.warn({ error }, 'who was met could not be kept'))
  const refuses = (id: string): boolean => acquaintances.isBlocked(id)
  const table = new PeerTable({
    news,
    refuses,
    verify: (id, sig, head) => verify(id, sig, 'row', head),
    onRow: (change) => {
      catalogue.change(change)
      remember.note(change)
    },
  })
  const remember = new Remember({
    table,
    state,
    ownId,
    onTrouble: (error) => log.warn({ error }, 'the table could not be kept'),
  })
  await remember.start(news)

  // How we speak with others, and they with us.
  const handshakePool = new WorkerPool({ threads: 1, keep: 1, queue: HANDSHAKE_QUEUE })
  const arithmetic = arithmeticIn(handshakePool)
  const sessions = new InSessions()
  const responder = new Responder({ identity, arithmetic, sessions, metrics, refuses })
  const reach = new Reach((address) => {
    if (!stopping.signal.aborted && table.at(address)) void keepAlive.probe(address)
  })
  const initiator = new Initiator({ identity, arithmetic, carry: carryOver(reach), metrics, refuses })
  const client = new PeerClient(reach, initiator)
  const who = whoIsWho({
    ...{ ownId, ownEpoch: epoch, acquaintances, table, news },
    cutOff: (id, addresses) => {
      sessions.end(id)
      initiator.end(id)
      for (const address of addresses) void reach.leave(address)
    },
    look: (address) => void keepAlive.probe(address),
  })
  const others = [...ports.candidates.map((candidate) => `127.0.0.1:${candidate}`), ...ports.addresses]
  const keepAlive = new KeepAlive({
    client,
    table,
    ownId,
    ownPort: port,
    addresses: [...new Set(others)].filter((address) => address !== ownAddress),
    intervalMs: config.intervalMs,
    refuses,
    onSaid: (address, freshness) => who.doubles.said(address, freshness),
    onProved: (proved) => who.doubles.proved(proved),
    onTrouble: (address, error) => log.info({ address, error }, 'a peer could not be asked'),
    // What runs over old connections breaks off; whatever comes next opens new ones.
    onGap: () => void reach.drop(),
  })

  /** @returns whether there is more: all of a hundred thousand files come and go in slices. */
  const syncSome = (): boolean => {
    const { removed, added, more } = row.sync(published.files(), FILES_A_SLICE)
    if (removed.length + added.length === 0) return more
    catalogue.change({ id: ownId, removed, added })
    news.tell('catalogue')
    keepAlive.tellChanged()
    return more
  }
  const syncRow = (): void => {
    if (syncSome() && !stopping.signal.aborted) void nextTurn().then(syncRow)
  }
  while (syncSome()) await nextTurn()
  await inSlices(row.preparing())
  news.on('files', syncRow)

  const sharing = sharingOf({
    ownId,
    home,
    place,
    state,
    published,
    layers,
    table,
    catalogue,
    news,
    client: new ContentClient(new Asker(reach, initiator)),
    onLie: (id, code) => acquaintances.lied(id, code),
    onTrouble: (what, error) => log.warn({ error }, what),
  })
  const app = await buildApp({
    server,
    handleWith,
    log,
    peer: {
      responder,
      sessions,
      row,
      onUpdate: (peerId, host, update) => keepAlive.heard(peerId, host, update),
      serve: async (name) => await serveFile(published, name),
      giving: sharing.giving,
      onGiven: (id) => acquaintances.gave(id),
    },
    user: {
      self: { id: ownId, name: config.name, port, address: ownAddress, home: folder, version: program.version },
      home,
      place,
      published,
      table,
      who,
      catalogue,
      news,
      transfers: sharing.transfers,
      handOver: new HandOver({ env }),
      handOn: sharing.handOn,
      onTrouble: (what, error) => log.warn({ error }, what),
      stopping: stopping.signal,
    },
  })

  let watching: Promise<void> = Promise.resolve()
  return {
    url: `http://${ownAddress}/`,
    port,
    home: folder,
    start: async () => {
      for (const notice of notices) print(notice)
      if (blockedByBrowsers(port))
        print(`warning: browsers refuse to open port ${port}; put another one into ${config.portsFile}`)
      const findings = await keepAlive.start()
      for (const line of discoveryLines(ports, ownAddress, findings)) print(line)
      watching = watchPublished(published, {
        pauseMs: config.intervalMs,
        signal: stopping.signal,
        onTrouble: (error) => log.warn({ error }, 'the published files could not be looked at'),
      })
      sharing.transfers.start()
      print(`the folder of this node is ${folder}; Ctrl-C stops it`)
      print(`portmesh ready at http://${ownAddress}/`)
    },
    stop: async () => {
      if (stopping.signal.aborted) return
      print('stopping')
      await keepAlive.tellLeaving()
      stopping.abort()
      await sharing.stop()
      await keepAlive.stop()
      await closeServer(server, app)
      await reach.drop()
      await watching
      await published.stop()
      remember.stop()
      await Promise.all([hashPool.stop(), handshakePool.stop()])
      state.close()
    },
  }
}

/** No new requests, a moment for those that run, then the end. */
const closeServer = async (server: Server, app: FastifyInstance): Promise<void> => {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  await Promise.race([closed, sleep(DRAIN_MS, undefined, { ref: false })])
  server.closeAllConnections()
  await app.close()
}
