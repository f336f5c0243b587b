/** JSON of this node and of the others it knows. */
import { type Static, Type } from 'typebox'

const Count = Type.Integer({ minimum: 0 })

/** What goes wrong, for programs. */
export const ErrorAnswer = Type.Object({ error: Type.Object({ code: Type.String(), message: Type.String() }) })
export type ErrorAnswer = Static<typeof ErrorAnswer>

/** A request that carries nothing: no body, or an empty form. */
export const NoBody = Type.Union([Type.Null(), Type.Object({})])

/** A published file, as one row of the table says it. */
export const SharedFile = Type.Object({
  name: Type.String(),
  size: Count,
  hash: Type.String(),
  root: Type.String(),
})
export type SharedFile = Static<typeof SharedFile>

/** GET / */
export const ThisNode = Type.Object({
  name: Type.String(),
  id: Type.String(),
  port: Type.Integer(),
  address: Type.String(),
  version: Type.String(),
  home: Type.String(),
  /** What people compare of its key. */
  fingerprint: Type.String(),
  /** Addresses at which another node says that it is this one. */
  copies: Type.Array(Type.String()),
  /** Other nodes. */
  nodes: Type.Object({ alive: Count, away: Count }),
  /** Contents on the mesh. */
  files: Count,
  /** What was refused to others since the start, by code. */
  refusals: Type.Record(Type.String(), Count),
})
export type ThisNode = Static<typeof ThisNode>

/** Whose name a node uses. `pretends`: of one that the person has named; `same name`: of one that was met before. */
export const NameWarning = Type.Object({
  kind: Type.Enum(['pretends', 'same name']),
  message: Type.String(),
  other: Type.Object({
    id: Type.String(),
    name: Type.String(),
    petname: Type.Union([Type.String(), Type.Null()]),
    fingerprint: Type.String(),
    firstMet: Type.String(),
  }),
})
export type NameWarning = Static<typeof NameWarning>

/** One other node. */
export const OtherNode = Type.Object({
  address: Type.String(),
  addresses: Type.Array(Type.String()),
  id: Type.String(),
  /** The one it gave itself. */
  name: Type.String(),
  /** The one the person gave it. */
  petname: Type.Union([Type.String(), Type.Null()]),
  /** What people compare of its key. */
  fingerprint: Type.String(),
  alive: Type.Boolean(),
  blocked: Type.Boolean(),
  /** ISO 8601, UTC. */
  firstMet: Type.String(),
  lastSeen: Type.String(),
  /** It sent something wrong: when last, and the code of the error. */
  lied: Type.Union([Type.Object({ at: Type.String(), code: Type.String() }), Type.Null()]),
  /** It uses the name of somebody else. */
  warning: Type.Union([NameWarning, Type.Null()]),
  /** Two addresses at which nodes with its key run at the same time. */
  copies: Type.Array(Type.String()),
  count: Count,
  size: Count,
  /** The first 100, or one page of them. */
  files: Type.Array(SharedFile),
})
export type OtherNode = Static<typeof OtherNode>

/** GET /nodes */
export const NodesAnswer = Type.Object({ nodes: Type.Array(OtherNode) })
export type NodesAnswer = Static<typeof NodesAnswer>

export const NodesQuery = Type.Object({ page: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })) })

/** Identity, in hex. */
export const NodeId = Type.String({ pattern: '^[0-9a-f]{64}$' })
export const NodeParams = Type.Object({ id: NodeId })

/** POST /nodes/:id/name; an empty name takes it away. */
export const NameBody = Type.Object({ name: Type.String({ maxLength: 1_000 }) }, { additionalProperties: false })

/** What became of it; null when it has been forgotten. */
export const AcquaintedAnswer = Type.Object({ node: Type.Union([OtherNode, Type.Null()]) })
export type AcquaintedAnswer = Static<typeof AcquaintedAnswer>
