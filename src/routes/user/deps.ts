/** What the person's routes need; node.ts hands it in. */
import type { Catalogue } from '../../dht/catalogue.ts'
import type { PeerTable } from '../../dht/table.ts'
import type { Facts } from '../../doctor/facts.ts'
import type { LanStatus } from '../../lan/lan.ts'
import type { News } from '../../news.ts'
import type { Limits } from '../../rate-words.ts'
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

/** This node on its networks, for the person. */
export interface NetworkSide {
  status(): LanStatus
  /** Join or leave, now and at the next start. */
  turn(on: boolean): Promise<void>
  /** Whether the person said what becomes of the files that were published before the network came. */
  wasAnswered(): boolean
  answered(): void
  /** What a person typed as `host:port`; undefined when it is no address. */
  addressOf(text: string): string | undefined
  /** Where that node is asked; undefined for this one. */
  askedAt(address: string): string | undefined
  /** Addresses that the person typed. */
  typed(): readonly string[]
  /** Look for a node there until it is found. Resolves when it was looked for once. */
  add(address: string): Promise<void>
  remove(address: string): void
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
  readonly network: NetworkSide
  /** Look at what may keep nodes from seeing each other; a few seconds at most. */
  readonly examine: () => Promise<Facts>
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
  readonly traffic: {
    readonly limits: Limits
    /** Holds from now on. @throws DiskFull, CannotWrite, NotNow; then nothing has changed */
    change(change: Partial<Limits>): Promise<void>
  }
  /** What was refused to others since the start, by code. */
  readonly refusals: () => Readonly<Record<string, number>>
  /** For the log: what failed after its answer was given, or in the middle of it. */
  readonly onTrouble?: (what: string, error: unknown) => void
  /** Aborted when the node begins to stop: every `/events` stream ends then. */
  readonly stopping: AbortSignal
  /** How long a body may stall, ms; 30 s when left out. */
  readonly stallMs?: number
}
