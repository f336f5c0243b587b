/** JSON of what is on the mesh, and of fetching it. */
import { type Static, Type } from 'typebox'
import { Paging } from './paging.ts'

/** Empty is what a form sends for "all" and "as it comes". */
export const KIND_CHOICES = ['', 'document', 'picture', 'video', 'music', 'other'] as const
export const SORT_CHOICES = ['', 'new', 'name', 'size', 'holders'] as const

export const CatalogueQuery = Type.Object({
  ...Paging,
  kind: Type.Optional(Type.Enum(KIND_CHOICES)),
  sort: Type.Optional(Type.Enum(SORT_CHOICES)),
})
export type CatalogueQuery = Static<typeof CatalogueQuery>

/** One content. */
export const MeshFile = Type.Object({
  root: Type.String(),
  hash: Type.String(),
  size: Type.Integer({ minimum: 0 }),
  /** The most used one first. */
  names: Type.Array(Type.String()),
  /** Other nodes that have published it. */
  holders: Type.Array(
    Type.Object({
      address: Type.String(),
      id: Type.String(),
      name: Type.String(),
      petname: Type.Optional(Type.String()),
      alive: Type.Boolean(),
    }),
  ),
  /** This node has published it. */
  mine: Type.Boolean(),
})
export type MeshFile = Static<typeof MeshFile>

/** GET /getfile/available */
export const CatalogueAnswer = Type.Object({ total: Type.Integer({ minimum: 0 }), files: Type.Array(MeshFile) })
export type CatalogueAnswer = Static<typeof CatalogueAnswer>

/** GET /getfile/:hash: a hash or a root. */
export const ContentParams = Type.Object({ hash: Type.String({ pattern: '^[0-9a-fA-F]{64}$' }) })

/** GET /getfile/:peer/:name */
export const PeerFileParams = Type.Object({
  peer: Type.String({ minLength: 1, maxLength: 300 }),
  name: Type.String({ minLength: 1 }),
})
export type PeerFileParams = Static<typeof PeerFileParams>

/** GET /events; without a view it is for a program. */
export const EventsQuery = Type.Object({
  ...Paging,
  view: Type.Optional(Type.Enum(['home', 'first', 'myfiles', 'nodes', 'node', 'transfers', 'transfer', 'lan'])),
  /** Of view=node and of view=transfer. */
  id: Type.Optional(Type.String({ pattern: '^([0-9a-f]{64}|[0-9a-f]{16})$' })),
  kind: Type.Optional(Type.Enum(KIND_CHOICES)),
  sort: Type.Optional(Type.Enum(SORT_CHOICES)),
  show: Type.Optional(Type.Enum(['', 'published', 'private'])),
  /** The present state once, not a stream: for a page that gave its stream to another. */
  once: Type.Optional(Type.Enum(['1'])),
})
export type EventsQuery = Static<typeof EventsQuery>
