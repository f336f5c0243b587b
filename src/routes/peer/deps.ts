/** What the routes for other nodes need; node.ts hands it in. */
import type { OwnRow } from '../../dht/row.ts'
import type { Update } from '../../protocol/messages.ts'
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
  /** Open a published file for a peer. @throws NotPublished, FileChanged */
  readonly serve: (name: string) => Promise<Served>
  /** Contents, in pieces. */
  readonly giving: Giving
  /** Something of a content is given to a peer. */
  readonly onGiven?: (peerId: string) => void
  readonly limits?: Limits
}
