/** What the person's routes need; node.ts hands it in. */
import type { Catalogue } from '../../dht/catalogue.ts'
import type { PeerTable } from '../../dht/table.ts'
import type { News } from '../../news.ts'
import type { Home } from '../../store/home.ts'
import type { Place } from '../../store/place.ts'
import type { Published } from '../../store/published.ts'
import type { Download, WholeRequest } from '../../transfer/whole.ts'

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

export interface UserDeps {
  readonly self: Self
  readonly home: Home
  readonly place: Place
  readonly published: Published
  readonly table: PeerTable
  readonly catalogue: Catalogue
  readonly news: News
  /** Fetch a whole content from the first of several sources that can give it. */
  readonly fetchWhole: (request: WholeRequest) => Promise<Download>
  /** For the log: what failed after its answer was given, or in the middle of it. */
  readonly onTrouble?: (what: string, error: unknown) => void
  /** Aborted when the node begins to stop: every `/events` stream ends then. */
  readonly stopping: AbortSignal
  /** How long a body may stall, ms; 30 s when left out. */
  readonly stallMs?: number
}
