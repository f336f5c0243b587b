/** The person's scope by itself: its real routes over a real folder and a real socket, with peers that are only said to be there. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { join } from 'node:path'
import Fastify from 'fastify'
import { type Dispatcher, request } from 'undici'
import { onTestFinished } from 'vitest'
import { toB64u } from '../../src/bytes.ts'
import { isLoopback } from '../../src/connections.ts'
import { Catalogue } from '../../src/dht/catalogue.ts'
import type { SharedFile } from '../../src/dht/digest.ts'
import { OwnRow } from '../../src/dht/row.ts'
import { PeerTable } from '../../src/dht/table.ts'
import type { Facts } from '../../src/doctor/facts.ts'
import { NotFound } from '../../src/errors.ts'
import { typed } from '../../src/network-side.ts'
import { News } from '../../src/news.ts'
import { UNLIMITED } from '../../src/rate-words.ts'
import type { UserDeps } from '../../src/routes/user/deps.ts'
import { answerUserError, userRoutes } from '../../src/routes/user/index.ts'
import { SettingsFile } from '../../src/settings-file.ts'
import { sharingOf } from '../../src/sharing.ts'
import { Hasher } from '../../src/store/hash.ts'
import { Home } from '../../src/store/home.ts'
import { LayerMaker } from '../../src/store/layer-maker.ts'
import { Place } from '../../src/store/place.ts'
import { Published } from '../../src/store/published.ts'
import { openState } from '../../src/store/state.ts'
import { Traffic } from '../../src/traffic.ts'
import { HandOver, type HandOverOptions } from '../../src/transfer/hand-over.ts'
import { partialsOf } from '../../src/transfer/transfers.ts'
import { acquaintancesIn, type WhoIsWho, whoIsWho } from '../../src/who-is-who.ts'
import { WorkerPool } from '../../src/workers.ts'
import { type ContentsOf, contentsOf, rootOf } from '../helpers/contents.ts'
import { tempDir } from '../helpers/process.ts'

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  json<Json>(): Json
}

export interface Ask {
  readonly method?: 'GET' | 'POST' | 'HEAD' | 'PUT' | 'DELETE'
  readonly headers?: Record<string, string>
  readonly body?: Dispatcher.DispatchOptions['body']
}

export interface OtherFile {
  readonly name: string
  readonly bytes: Buffer
  readonly publishedMs?: number
  /** A lie about the content. */
  readonly hash?: string
  readonly root?: string
}

export interface Scope extends Pick<UserDeps, 'place' | 'published' | 'table' | 'catalogue' | 'news' | 'transfers'> {
  readonly url: string
  readonly port: number
  readonly home: string
  ask(path: string, options?: Ask): Promise<Answer>
  /** Somebody else appears, or says something else of himself. */
  meet(peer: { id: string; name: string; address: string; files?: readonly OtherFile[]; alive?: boolean }): void
  /** What peers give in pieces, and how. */
  readonly contents: ContentsOf
  readonly stopping: AbortController
  /** As when the node stops: its folder is free for another one. */
  stop(): Promise<void>
  /** Who is who, as the node joins it. */
  readonly who: WhoIsWho
  /** Whose sessions were ended. */
  readonly cutOff: readonly string[]
  /** Every address of the scope: `GET /myfiles`. */
  readonly routes: readonly string[]
  /** What was given to the log. */
  readonly troubles: string[]
}

/** What a browser says of a click on our own page, of a typed address, of another site. */
export const BROWSER = {
  accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
  'sec-fetch-mode': 'navigate',
  'sec-fetch-dest': 'document',
}
export const HTMX = {
  accept: 'text/html, text/event-stream',
  'hx-request': 'true',
  'hx-request-type': 'partial',
  'sec-fetch-site': 'same-origin',
  'sec-fetch-mode': 'same-origin',
}

export const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
export const idOf = (name: string): string => hashOf(Buffer.from(name))

export interface ScopeOptions {
  /** What an examination of the network finds. */
  readonly facts?: Facts
  readonly name?: string
  readonly stallMs?: number
  /** The folder of an earlier scope; one of its own when left out. */
  readonly home?: string
  /** How files are opened; as without a desktop when left out. */
  readonly handOver?: HandOverOptions
}

/** A computer that has not joined any network. */
const NO_FACTS: Facts = {
  ...{ on: false, platform: 'linux', port: 5_000, interfaces: [], addresses: [], failed: [], multicast: [] },
  ...{ looks: [], blocked: [], reverse: [], here: 0 },
}

export const startScope = async (options: ScopeOptions = {}): Promise<Scope> => {
  const { name = 'Ana’s laptop', stallMs = 30_000, handOver = { platform: 'linux' }, facts = NO_FACTS } = options
  const folder = options.home ?? (await tempDir())
  const news = new News()
  const home = new Home(folder)
  await home.start()
  const state = await openState(join(folder, '.portmesh'))
  const place = new Place(home)
  await place.start({ keep: partialsOf(state) })
  const pool = new WorkerPool({ threads: 1, queue: 16 })
  const hasher = new Hasher(pool)
  const published = new Published({ home, state, hasher, news })
  await published.start()
  const catalogue = new Catalogue()
  const acquaintances = acquaintancesIn(state, news, () => {})
  const table = new PeerTable({
    news,
    verify: () => true,
    refuses: (peer) => acquaintances.isBlocked(peer),
    onRow: (change) => catalogue.change(change),
  })
  const id = idOf(name)
  const cutOff: string[] = []
  const who = whoIsWho({
    ...{ ownId: id, ownEpoch: 1, acquaintances, table, news },
    cutOff: (peer) => void cutOff.push(peer),
    look: () => {},
  })
  const row = new OwnRow({ id: Buffer.from(id, 'hex'), name, epoch: 1, sign: () => new Uint8Array(64) })
  news.on('files', () => {
    const change = row.sync(published.files())
    if (change.removed.length + change.added.length === 0) return
    catalogue.change({ id, ...change })
    news.tell('catalogue')
  })
  const contents = contentsOf()
  const stopping = new AbortController()
  const sharing = sharingOf({
    ownId: id,
    home,
    place,
    state,
    published,
    layers: new LayerMaker({ home, state, hasher, signal: stopping.signal }),
    table,
    catalogue,
    news,
    client: contents.client,
    onTrouble: () => {},
  })
  const { transfers } = sharing
  transfers.start()
  const troubles: string[] = []

  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  const port = typeof bound === 'object' && bound ? bound.port : 0
  const deps: UserDeps = {
    self: { id, name, port, address: `127.0.0.1:${port}`, home: folder, version: '0.0.0' },
    examine: async () => facts,
    network: networkOf(port, table),
    home,
    place,
    published,
    table,
    who,
    catalogue,
    news,
    transfers,
    handOver: new HandOver(handOver),
    handOn: sharing.handOn,
    traffic: new Traffic({ limits: UNLIMITED, settings: new SettingsFile(folder), isOwnAddress: isLoopback }),
    refusals: () => ({}),
    onTrouble: (what) => void troubles.push(what),
    stopping: stopping.signal,
    stallMs,
  }
  const app = Fastify({
    serverFactory: (handler) => server.on('request', handler),
    bodyLimit: 8 * 1024,
    routerOptions: { maxParamLength: 3 * 1024 },
    exposeHeadRoutes: false,
    ajv: { customOptions: { removeAdditional: false } },
  })
  const routes: string[] = []
  app.addHook('onRoute', ({ method, url }) => void routes.push(...[method].flat().map((each) => `${each} ${url}`)))
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string' }, app.getDefaultJsonParser('error', 'error'))
  await app.register(userRoutes, deps)
  const answer = answerUserError(deps)
  app.setNotFoundHandler((request, reply) => answer(new NotFound(), request, reply))
  await app.ready()
  const stop = async (): Promise<void> => {
    if (stopping.signal.aborted && !server.listening) return
    stopping.abort()
    await sharing.stop()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await app.close()
    await published.stop()
    await pool.stop()
    state.close()
  }
  onTestFinished(stop)

  const url = `http://127.0.0.1:${port}`
  return {
    url,
    port,
    home: folder,
    place,
    published,
    table,
    who,
    cutOff,
    catalogue,
    news,
    transfers,
    contents,
    stopping,
    stop,
    routes,
    troubles,
    ask: async (path, { method = 'GET', headers, body } = {}) => {
      const answer = await request(url + path, {
        method,
        ...(headers && { headers }),
        ...(body !== undefined && { body }),
      })
      const text = await answer.body.text()
      return {
        status: answer.statusCode,
        headers: Object.fromEntries(Object.entries(answer.headers).map(([key, value]) => [key, String(value)])),
        text,
        json: () => JSON.parse(text),
      }
    },
    meet: ({ id: peer, name: peerName, address, files = [], alive = true }) => {
      if (table.get(peer)) table.forget(peer)
      const shared = files.map((file): SharedFile => {
        const hash = file.hash ?? hashOf(file.bytes)
        const root = file.root ?? (file.hash === undefined ? rootOf(file.bytes) : hash)
        contents.put(peer, { hash, root, bytes: file.bytes })
        return {
          name: file.name,
          size: file.bytes.length,
          hash,
          root,
          publishedMs: file.publishedMs ?? Date.now(),
        }
      })
      const head = { v: 'portmesh/1', id: toB64u(Buffer.from(peer, 'hex')), epoch: 1, version: 1, name: peerName }
      const size = shared.reduce((sum, file) => sum + file.size, 0)
      table.restore({
        id: peer,
        head: Buffer.from(JSON.stringify({ ...head, count: shared.length, size, files: '0'.repeat(64) })),
        sig: new Uint8Array(64),
        files: new Map(shared.map((file) => [file.name, file])),
        addresses: new Map([[address, Date.now()]]),
        lastSeenMs: Date.now(),
      })
      if (alive) table.answered(address)
      news.tell('table')
      news.tell('catalogue')
    },
  }
}

/** A network with nobody on it: joined and left, and what was typed is kept. */
const networkOf = (port: number, table: PeerTable): UserDeps['network'] => {
  let on = false
  let said = false
  const known = new Set<string>()
  return {
    status: () => ({ on, addresses: on ? [`192.0.2.7:${port}`] : [], failed: [], multicast: [] }),
    turn: async (turned) => {
      on = turned
    },
    wasAnswered: () => said,
    answered: () => {
      said = true
    },
    addressOf: (text) => typed(text, port),
    askedAt: (address) => (address === `192.0.2.7:${port}` ? undefined : address),
    typed: () => [...known],
    add: async (address) => {
      known.add(address)
      table.at(address)
    },
    remove: (address) => void known.delete(address),
  }
}
