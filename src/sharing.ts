/** Joins what is published, what is fetched and who is there: contents that come and go in pieces. */
import type { Catalogue } from './dht/catalogue.ts'
import type { Peer, PeerTable } from './dht/table.ts'
import type { News } from './news.ts'
import type { ContentClient } from './peer/contents.ts'
import { isForOthers } from './protocol/addresses.ts'
import type { Home } from './store/home.ts'
import type { LayerMaker } from './store/layer-maker.ts'
import type { Place } from './store/place.ts'
import type { Published, PublishedFile } from './store/published.ts'
import type { Reach } from './store/reach.ts'
import type { State } from './store/state.ts'
import type { Content, FetchDeps } from './transfer/fetch.ts'
import type { Holder } from './transfer/following.ts'
import { Giving } from './transfer/giving.ts'
import { type HandedOn, handOn } from './transfer/hand-on.ts'
import type { Holdings } from './transfer/holding.ts'
import { publishedHoldings } from './transfer/published-holding.ts'
import { TRANSFERS_AT_ONCE, Transfers } from './transfer/transfers.ts'
import { WorkerPool } from './workers.ts'

export interface SharingDeps {
  readonly ownId: string
  readonly home: Home
  readonly place: Place
  readonly state: State
  readonly published: Published
  readonly layers: LayerMaker
  readonly table: PeerTable
  readonly catalogue: Catalogue
  readonly news: News
  readonly client: ContentClient
  /** Requests for pieces that may run at the same time. */
  readonly atOnce?: FetchDeps['atOnce']
  /** A holder sent something wrong, and nobody else can have sent it. */
  readonly onLie?: (id: string, code: string) => void
  readonly onTrouble: (what: string, error: unknown) => void
}

export interface Sharing {
  readonly transfers: Transfers
  /** To those who ask from there. */
  readonly giving: Readonly<Record<Reach, Giving>>
  readonly handOn: (content: Content, first: string | undefined, signal: AbortSignal) => Promise<HandedOn>
  /** Fetches come to rest, and nothing is given any more. */
  stop(): Promise<void>
}

export const sharingOf = (deps: SharingDeps): Sharing => {
  const { table, published, layers, news } = deps
  // One thread for each transfer that runs.
  const pool = new WorkerPool({ threads: TRANSFERS_AT_ONCE, queue: TRANSFERS_AT_ONCE })
  const transfers = transfersOf(deps, pool)
  const publishers = publishersIn(deps)
  const giving = {
    computer: new Giving({
      holdings: [publishedHoldings({ published, news, layers }), transfers.holdings],
      addressOf: (id) => table.addressOf(id),
    }),
    network: new Giving({
      holdings: [publishedHoldings({ published, news, layers }, 'network'), relaysIn(deps, transfers)],
      addressOf: (id) => onNetwork(table.addressOf(id)),
    }),
  }
  return {
    transfers,
    giving,
    handOn: async (content, first, signal) => {
      const isFirst = ({ id }: Holder): number => (id === first ? 0 : 1)
      const holders = () => [...publishers(content)].sort((a, b) => isFirst(a) - isFirst(b))
      const { onLie } = deps
      return await handOn({ content, holders, signal, ...(onLie && { onLie }) }, deps.client)
    },
    stop: async () => {
      await transfers.stop()
      await Promise.all([giving.computer.stop(), giving.network.stop()])
      await pool.stop()
    },
  }
}

/** An address that means the same node to whoever hears it on the network. */
const onNetwork = (address: string | undefined): string | undefined =>
  address !== undefined && isForOthers(address) ? address : undefined

/**
 * What is fetched is handed on to the network where it came from there: what only this computer shows stays on it. That somebody says
 * to publish it opens nothing but a stream of news, as long as nothing of it is here: who knows a root could say so.
 */
const relaysIn =
  ({ catalogue, table }: SharingDeps, transfers: Transfers): Holdings =>
  (root) => {
    const isThere = ({ id }: { readonly id: string }): boolean => onNetwork(table.addressOf(id)) !== undefined
    const givers = transfers.all().flatMap(({ content, weave }) => (content.root === root ? weave.givers : []))
    const holders = catalogue.find(root).flatMap((entry) => (entry.root === root ? entry.holders : []))
    return (givers.length > 0 ? givers : holders).some(isThere) ? transfers.holdings(root) : undefined
  }

const holderIn =
  ({ ownId, table }: SharingDeps) =>
  (peer: Peer | undefined): Holder | undefined => {
    const address = peer?.alive && peer.id !== ownId ? table.addressOf(peer.id) : undefined
    return peer && address !== undefined ? { id: peer.id, name: peer.name, address } : undefined
  }

/** Who publishes a content and is there now. */
const publishersIn = (deps: SharingDeps): ((content: Content) => readonly Holder[]) => {
  const { catalogue, table } = deps
  const holderOf = holderIn(deps)
  return (content) => (catalogue.of(content)?.holders ?? []).flatMap(({ id }) => holderOf(table.get(id)) ?? [])
}

export const transfersOf = (deps: SharingDeps, pool: WorkerPool): Transfers => {
  const { home, state, published, table } = deps
  const holderOf = holderIn(deps)
  const ownFile = ({ root, hash }: Content): PublishedFile | undefined =>
    published.byRoot(root).find((file) => file.hash === hash)
  return new Transfers({
    ...deps,
    pool,
    publishers: publishersIn(deps),
    at: (address) => holderOf(table.at(address)),
    byId: (id) => holderOf(table.get(id)),
    hasOwn: (content) => ownFile(content) !== undefined,
    own: async (content) => {
      const file = ownFile(content)
      if (!file) return undefined
      await home.stat(file.name)
      return { path: home.path(file.name), layer: await deps.layers.of(file) }
    },
    placed: async (name, { root, hash, layer }, isSure) => {
      const { stamp } = await home.stat(name)
      // It need not be read again to be published.
      if (isSure) {
        if (layer && layer.length > root.length / 2) state.layers.put(root, layer)
        state.cache.put([{ name, stamp, hash, root }])
      }
      return { path: home.path(name), stamp }
    },
    now: () => performance.now(),
  })
}
