/** How this node speaks with others, and they with it: handshakes, sessions, connections. */
import type { Identity } from './crypto/identity.ts'
import type { Metrics } from './metrics.ts'
import { Asker } from './peer/ask.ts'
import { carryOver, PeerClient } from './peer/client.ts'
import { Reach } from './peer/reach.ts'
import { arithmeticIn } from './session/arithmetic.ts'
import { Initiator } from './session/initiate.ts'
import { Responder } from './session/respond.ts'
import { InSessions } from './session/sessions.ts'
import { WorkerPool } from './workers.ts'

/** Handshakes that may wait for their thread: above, a newcomer is told to come back. */
const HANDSHAKE_QUEUE = 128

export interface SpeakingDeps {
  readonly identity: Identity
  readonly metrics: Metrics
  /** Whether this node has nothing to do with an identity, 64 hex characters. */
  readonly refuses: (id: string) => boolean
  /** A connection to an address broke. */
  readonly onBroken: (address: string) => void
}

export interface Speaking {
  readonly sessions: InSessions
  readonly responder: Responder
  readonly client: PeerClient
  readonly asker: Asker
  /** End whatever runs with a node, at these addresses of it. */
  readonly cutOff: (id: string, addresses: readonly string[]) => void
  /** Every connection of ours ends; whatever comes next opens new ones. */
  readonly drop: () => Promise<void>
  readonly stop: () => Promise<void>
}

export const speakingWith = ({ identity, metrics, refuses, onBroken }: SpeakingDeps): Speaking => {
  const pool = new WorkerPool({ threads: 1, keep: 1, queue: HANDSHAKE_QUEUE })
  const arithmetic = arithmeticIn(pool)
  const sessions = new InSessions()
  const reach = new Reach(onBroken)
  const initiator = new Initiator({ identity, arithmetic, carry: carryOver(reach), metrics, refuses })
  return {
    sessions,
    responder: new Responder({ identity, arithmetic, sessions, metrics, refuses }),
    client: new PeerClient(reach, initiator),
    asker: new Asker(reach, initiator),
    cutOff: (id, addresses) => {
      sessions.end(id)
      initiator.end(id)
      for (const address of addresses) void reach.leave(address)
    },
    drop: async () => await reach.drop(),
    stop: async () => await pool.stop(),
  }
}
