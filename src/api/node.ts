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
  /** Other nodes. */
  nodes: Type.Object({ alive: Count, away: Count }),
  /** Contents on the mesh. */
  files: Count,
  /** What was refused to others since the start, by code. */
  refusals: Type.Record(Type.String(), Count),
})
export type ThisNode = Static<typeof ThisNode>

/** One other node. */
export const OtherNode = Type.Object({
  address: Type.String(),
  addresses: Type.Array(Type.String()),
  id: Type.String(),
  name: Type.String(),
  alive: Type.Boolean(),
  /** ISO 8601, UTC. */
  lastSeen: Type.String(),
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
