/** What a node shows to a network, joined as node.ts joins it, in this process: real files, threads and sockets; whom it knows is only said. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { onTestFinished } from 'vitest'
import { networkApp } from '../../src/app.ts'
import { toB64u, toHex } from '../../src/bytes.ts'
import { sign } from '../../src/crypto/identity.ts'
import { Catalogue } from '../../src/dht/catalogue.ts'
import { PeerTable } from '../../src/dht/table.ts'
import { createLog } from '../../src/log.ts'
import { Metrics } from '../../src/metrics.ts'
import { OwnRows } from '../../src/own-rows.ts'
import type { PeerDeps } from '../../src/routes/peer/deps.ts'
import { Responder } from '../../src/session/respond.ts'
import { InSessions } from '../../src/session/sessions.ts'
import { type Sharing, sharingOf } from '../../src/sharing.ts'
import { LayerMaker } from '../../src/store/layer-maker.ts'
import { Place } from '../../src/store/place.ts'
import type { Published } from '../../src/store/published.ts'
import { serveFile } from '../../src/transfer/serve.ts'
import { partialsOf } from '../../src/transfer/transfers.ts'
import { startStore } from '../unit/store/fixture.ts'
import { type ContentsOf, contentsOf, rootOf } from './contents.ts'
import { directArithmetic } from './room.ts'
import { strangerIdentity } from './stranger.ts'

export interface NetworkRoom {
  /** Where the network asks. */
  readonly url: string
  readonly folder: string
  readonly published: Published
  readonly transfers: Sharing['transfers']
  /** What peers give in pieces, and how. */
  readonly contents: ContentsOf
  /** Somebody at an address who publishes a content. */
  meet(peer: { id: string; address: string; bytes: Buffer; hash: string }): void
}

export const startNetworkRoom = async (peer: Partial<PeerDeps> = {}): Promise<NetworkRoom> => {
  const { folder, home, state, hasher, news, published } = await startStore()
  const identity = strangerIdentity()
  const ownId = toHex(identity.id)
  const place = new Place(home)
  await place.start({ keep: partialsOf(state) })
  const ending = new AbortController()
  const { signal } = ending
  const catalogue = new Catalogue()
  const table = new PeerTable({ news, verify: () => true, onRow: (change) => catalogue.change(change) })
  const rows = new OwnRows({
    ...{ id: identity.id, ownId, name: 'a room', epoch: 1, published, signal },
    sign: (head) => sign(identity.seed, 'row', head),
    onChange: (change, seenFrom) => {
      if (seenFrom === 'computer') catalogue.change(change)
    },
  })
  await rows.start(news)
  const contents = contentsOf()
  const sharing = sharingOf({
    ...{ ownId, home, place, state, published, table, catalogue, news },
    layers: new LayerMaker({ home, state, hasher, signal }),
    client: contents.client,
    onTrouble: () => {},
  })
  sharing.transfers.start()
  const sessions = new InSessions()
  const network = await networkApp({
    log: createLog('silent', { write: () => {} }),
    peer: {
      responder: new Responder({ identity, arithmetic: directArithmetic(), sessions, metrics: new Metrics() }),
      sessions,
      row: rows.seenFrom('network'),
      onUpdate: () => {},
      probe: async () => false,
      peers: () => ({ peers: [] }),
      serve: async (name) => await serveFile(published, name, 'network'),
      giving: sharing.giving.network,
      ...peer,
    },
  })
  const server = createServer(network.handler)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  onTestFinished(async () => {
    ending.abort()
    await sharing.stop()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await network.close()
  })
  return {
    url: `http://127.0.0.1:${typeof bound === 'object' && bound ? bound.port : 0}/`,
    folder,
    published,
    transfers: sharing.transfers,
    contents,
    meet: ({ id, address, bytes, hash }) => {
      const root = rootOf(bytes)
      contents.put(id, { hash, root, bytes })
      const head = { v: 'portmesh/1', id: toB64u(Buffer.from(id, 'hex')), epoch: 1, version: 1, name: 'one' }
      table.restore({
        id,
        head: Buffer.from(JSON.stringify({ ...head, count: 1, size: bytes.length, files: '0'.repeat(64) })),
        sig: new Uint8Array(64),
        files: new Map([['theirs.bin', { name: 'theirs.bin', size: bytes.length, hash, root, publishedMs: 1 }]]),
        addresses: new Map([[address, Date.now()]]),
        lastSeenMs: Date.now(),
      })
      table.answered(address)
      news.tell('table')
      news.tell('catalogue')
    },
  }
}
