/** What the routes for other nodes need; node.ts hands it in. */
import type { Pace } from '../../allowance.ts'
import type { OwnRow } from '../../dht/row.ts'
import type { PeersAnswer, Update } from '../../protocol/messages.ts'
import type { Responder } from '../../session/respond.ts'
import type { InSessions } from '../../session/sessions.ts'
import type { Giving } from '../../transfer/giving.ts'
import type { Served } from '../../transfer/serve.ts'
import type { Limits } from './limits.ts'

export interface PeerDeps {
  readonly responder: Responder
  readonly sessions: InSessions
  readonly row: OwnRow
  /** A peer said that something changed, or that it leaves. `host` is where its request came from. */
  readonly onUpdate: (peerId: string, host: string, update: Update) => void
  /** Whether this node reaches a peer that asks for it, at the address it asks from. @throws Busy when it asks too often */
  readonly probe: (peerId: string, host: string, port: number) => Promise<boolean>
  /** Whom this node knows, for those who ask. */
  readonly peers: () => PeersAnswer
  /** Open a published file for a peer. @throws NotPublished, FileChanged */
  readonly serve: (name: string) => Promise<Served>
  /** Contents, in pieces. */
  readonly giving: Giving
  /** Something of a content is given to a peer. */
  readonly onGiven?: (peerId: string) => void
  readonly limits?: Limits
  /** How fast a peer at a host gets what it asked for; as fast as it can when left out. */
  readonly paceOf?: (peerId: string, host: string) => Pace
  /** Peers that are given to at the same time where that is limited; any number when left out. */
  readonly peersAtOnce?: () => number
  /** Whether a host is this computer. */
  readonly isOwnAddress?: (host: string) => boolean
  /** Something was refused. */
  readonly refused?: (code: string) => void
}
