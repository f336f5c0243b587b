/** One node: builds every room, joins them, starts and stops them in order. */
import program from '../package.json' with { type: 'json' }
import { answerNoRequest, buildApp, networkApp } from './app.ts'
import { toHex } from './bytes.ts'
import { type Claim, claim } from './claim.ts'
import { type Config, readPortsFile } from './config.ts'
import type { Doorkeeper } from './connections.ts'
import { sign, verify } from './crypto/identity.ts'
import { Catalogue } from './dht/catalogue.ts'
import { PeerTable } from './dht/table.ts'
import { discoveryLines } from './discovery/lines.ts'
import { blockedByBrowsers, parsePorts } from './discovery/ports.ts'
import { CannotStart, CannotWrite, DiskFull } from './errors.ts'
import { closeServer } from './http-server.ts'
import { isOwnAddress as isOwn } from './lan/interfaces.ts'
import { lanLines } from './lan/lines.ts'
import type { ProcessLog } from './log.ts'
import { Metrics } from './metrics.ts'
import { Neighbours } from './neighbours.ts'
import { networkSide } from './network-side.ts'
import { News } from './news.ts'
import { onDisk } from './on-disk.ts'
import { OwnRows } from './own-rows.ts'
import { ContentClient } from './peer/contents.ts'
import { Refusals } from './refusals.ts'
import { Remember } from './remember.ts'
import type { PeerDeps } from './routes/peer/deps.ts'
import { withSettings } from './settings.ts'
import { SettingsFile } from './settings-file.ts'
import { sharingOf } from './sharing.ts'
import { speakingWith } from './speaking.ts'
import type { Reach as SeenFrom } from './store/reach.ts'
import { watchPublished } from './store/watch.ts'
import { Traffic } from './traffic.ts'
import { HandOver } from './transfer/hand-over.ts'
import { serveFile } from './transfer/serve.ts'
import { acquaintancesIn, whoIsWho } from './who-is-who.ts'

export interface NodeDeps {
  readonly log: ProcessLog
  /** A line for the person. */
  readonly print: (line: string) => void
  /** Says whether there is a desktop; without it nothing is opened. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Whether a host is this computer: what stays here is not limited. */
  readonly isOwnAddress?: (host: string) => boolean
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
export const createNode = async (config: Config, deps: NodeDeps): Promise<Node> => {
  const { log, print, env = {}, isOwnAddress = isOwn } = deps
  const ports = parsePorts(await readPortsFile(config.portsFile), config.portsFile)
  const metrics = new Metrics()
  const refusals = new Refusals({ metrics, log })
  const door: Doorkeeper = { isOwnAddress, onRefused: (reason) => refusals.count(`connection_${reason}`) }
  const claimed = await claim(config, ports.candidates, door)
  log.toHome(claimed.home)
  try {
    const notices = [...claimed.state.notices]
    const settled = await withSettings(config, claimed.home, notices)
    return await build(claimed, settled, ports, { log, print, env, isOwnAddress, door, notices, metrics, refusals })
  } catch (error) {
    claimed.server.close()
    claimed.server.closeAllConnections()
    claimed.state.close()
    if (!(error instanceof DiskFull || error instanceof CannotWrite)) throw error
    throw new CannotStart(`${claimed.home}: ${error.message}`, { cause: error })
  }
}

interface BuildDeps extends Required<NodeDeps> {
  readonly door: Doorkeeper
  readonly notices: readonly string[]
  readonly metrics: Metrics
  readonly refusals: Refusals
}

const build = async (
  { home: folder, state, port, server, handleWith }: Claim,
  config: Config,
  ports: ReturnType<typeof parsePorts>,
  { log, print, env, isOwnAddress, door, notices, metrics, refusals }: BuildDeps,
): Promise<Node> => {
  const ownAddress = `127.0.0.1:${port}`
  const news = new News()
  const stopping = new AbortController()
  /** It will be on the network in a moment. */
  let joining = config.lan
  const verifyRow = (id: Uint8Array, sig: Uint8Array, head: Uint8Array): boolean => verify(id, sig, 'row', head)

  const { home, place, identity, hashPool, published, layers } = await onDisk({
    folder,
    state,
    news,
    usualReach: () => (lan.on || joining ? 'network' : 'computer'),
    log,
    signal: stopping.signal,
  })
  const ownId = toHex(identity.id)

  // Our rows, everybody's rows, and what they make together.
  const catalogue = new Catalogue()
  const epoch = state.nextEpoch()
  const rows = new OwnRows({
    id: identity.id,
    ownId,
    name: config.name,
    epoch,
    sign: (head) => sign(identity.seed, 'row', head),
    published,
    onChange: (change, seenFrom) => {
      // The person sees what this computer sees.
      if (seenFrom === 'computer') {
        catalogue.change(change)
        news.tell('catalogue')
      }
      keepAlive.tellChanged(seenFrom)
    },
    signal: stopping.signal,
  })
  const acquaintances = acquaintancesIn(state, news, (error) => log.warn({ error }, 'who was met could not be kept'))
  const refuses = (id: string): boolean => acquaintances.isBlocked(id)
  const table = new PeerTable({
    news,
    refuses,
    verify: verifyRow,
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

  const speaking = speakingWith({
    identity,
    metrics,
    refuses,
    onBroken: (address) => {
      if (!stopping.signal.aborted && table.at(address)) void keepAlive.probe(address)
    },
  })
  const { client } = speaking
  const who = whoIsWho({
    ...{ ownId, ownEpoch: epoch, acquaintances, table, news },
    cutOff: speaking.cutOff,
    look: (address) => void keepAlive.probe(address),
  })
  const settings = new SettingsFile(folder)
  const traffic = new Traffic({ limits: config.limits, settings, isOwnAddress })
  const neighbours = new Neighbours({
    client,
    table,
    news,
    state,
    ports,
    port,
    ownId,
    intervalMs: config.intervalMs,
    hosts: config.hosts,
    lanHandler: (request, response) => network.handler(request, response),
    door,
    onClientError: answerNoRequest,
    onRefused: (code) => refusals.count(code),
    refuses,
    blocked: () => acquaintances.blocked(),
    doubles: who.doubles,
    verify: verifyRow,
    // What runs over old connections breaks off; whatever comes next opens new ones.
    onGap: () => void speaking.drop(),
    onTrouble: (what, error) => log.info({ error }, what),
    signal: stopping.signal,
  })
  const { keepAlive, lan } = neighbours
  await rows.start(news)

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
    client: new ContentClient(speaking.asker, traffic.fromAddress),
    atOnce: traffic.atOnce,
    onLie: (id, code) => acquaintances.lied(id, code),
    onTrouble: (what, error) => log.warn({ error }, what),
  })
  const peerSide = (from: SeenFrom): PeerDeps => ({
    responder: speaking.responder,
    sessions: speaking.sessions,
    row: rows.seenFrom(from),
    onUpdate: (peerId, host, update) => keepAlive.heard(peerId, host, update),
    probe: async (peerId, host, asked) => await neighbours.probing.reaches(peerId, host, asked),
    peers: () => neighbours.introductions.tell(),
    serve: async (name) => await serveFile(published, name, from),
    giving: sharing.giving[from],
    isOwnAddress,
    paceOf: traffic.toPeer,
    peersAtOnce: () => traffic.up.peers,
    refused: (code) => refusals.count(code),
    onGiven: (id) => acquaintances.gave(id),
  })
  const network = await networkApp({ log, peer: peerSide('network') })
  const app = await buildApp({
    server,
    handleWith,
    log,
    peer: peerSide('computer'),
    user: {
      self: { id: ownId, name: config.name, port, address: ownAddress, home: folder, version: program.version },
      home,
      place,
      published,
      table,
      who,
      catalogue,
      news,
      examine: async () => await neighbours.examine(),
      network: networkSide({ neighbours, state, settings, port }),
      transfers: sharing.transfers,
      handOver: new HandOver({ env }),
      handOn: sharing.handOn,
      traffic,
      refusals: () => refusals.all(),
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
      neighbours.start()
      if (joining) await lan.turnOn()
      joining = false
      for (const line of lanLines(lan.status())) print(line)
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
      await lan.turnOff()
      await sharing.stop()
      await keepAlive.stop()
      await Promise.all([closeServer(server).then(() => app.close()), network.close()])
      await speaking.drop()
      await watching
      await published.stop()
      remember.stop()
      await Promise.all([hashPool.stop(), speaking.stop()])
      state.close()
    },
  }
}
