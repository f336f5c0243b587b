/** What the person's routes need; node.ts hands it in. */
import type { Catalogue } from '../../dht/catalogue.ts'
import type { PeerTable } from '../../dht/table.ts'
import type { News } from '../../news.ts'
import type { Home } from '../../store/home.ts'
import type { Place } from '../../store/place.ts'
import type { Published } from '../../store/published.ts'
import type { Content } from '../../transfer/fetch.ts'
import type { HandedOn } from '../../transfer/hand-on.ts'
import type { HandOver } from '../../transfer/hand-over.ts'
import type { Transfers } from '../../transfer/transfers.ts'
import type { Acquaintances } from '../../trust/acquaintances.ts'
import type { Doubles } from '../../trust/doubles.ts'

/** This node, as its pages name it. */
export interface Self {
  /** Identity, 64 hex characters. */
  readonly id: string
  readonly name: string
  readonly port: number
  /** `127.0.0.1:<port>` */
  readonly address: string
  /** The home, an absolute path. */
  readonly home: string
  readonly version: string
}

/** Who is who, and what the person says of it. */
export interface Who {
  readonly acquaintances: Acquaintances
  readonly doubles: Pick<Doubles, 'all' | 'of' | 'ofUs'>
  /** It is not asked, not answered and not listed any more. @throws UnknownPeer, DiskFull, CannotWrite */
  readonly block: (id: string) => void
  readonly unblock: (id: string) => void
  /** @throws UnknownPeer; NotNow when it is here, or blocked */
  readonly forget: (id: string) => void
}

export interface UserDeps {
  readonly self: Self
  readonly home: Home
  readonly place: Place
  readonly published: Published
  readonly table: PeerTable
  readonly who: Who
  readonly catalogue: Catalogue
  readonly news: News
  readonly transfers: Transfers
  readonly handOver: Pick<HandOver, 'possible' | 'open'>
  /**
   * Fetch a content for somebody who reads it from front to back.
   * @param first - who is asked before all others, an identity
   * @throws NoHolder, the last holder's error
   */
  readonly handOn: (content: Content, first: string | undefined, signal: AbortSignal) => Promise<HandedOn>
  /** For the log: what failed after its answer was given, or in the middle of it. */
  readonly onTrouble?: (what: string, error: unknown) => void
  /** Aborted when the node begins to stop: every `/events` stream ends then. */
  readonly stopping: AbortSignal
  /** How long a body may stall, ms; 30 s when left out. */
  readonly stallMs?: number
}
