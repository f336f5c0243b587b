/** JSON of the files of this node's own folder. */
import { type Static, Type } from 'typebox'
import { SharedFile } from './node.ts'
import { Paging } from './paging.ts'

export const FILE_STATES = ['private', 'preparing', 'published', 'changed'] as const
/** What a list of one's own files can be narrowed to; empty is what a form sends for "all". */
export const SHOWN = ['', 'published', 'private'] as const

export const MyFile = Type.Object({
  name: Type.String(),
  size: Type.Integer({ minimum: 0 }),
  /** ISO 8601, UTC; absent for a published file that is no longer in the folder. */
  modified: Type.Optional(Type.String()),
  state: Type.Enum(FILE_STATES),
  published: Type.Boolean(),
  hash: Type.Optional(Type.String()),
  root: Type.Optional(Type.String()),
})
export type MyFile = Static<typeof MyFile>

/** GET /myfiles */
export const MyFilesQuery = Type.Object({ ...Paging, show: Type.Optional(Type.Enum(SHOWN)) })
export type MyFilesQuery = Static<typeof MyFilesQuery>

export const MyFilesAnswer = Type.Object({
  total: Type.Integer({ minimum: 0 }),
  /** False when the folder has more files than are listed. */
  complete: Type.Boolean(),
  files: Type.Array(MyFile),
})
export type MyFilesAnswer = Static<typeof MyFilesAnswer>

/** GET /myfiles/uploaded */
export const UploadedAnswer = Type.Object({ files: Type.Array(SharedFile) })

export const NameParams = Type.Object({ name: Type.String({ minLength: 1 }) })
export type NameParams = Static<typeof NameParams>

/** POST or GET /myfiles/:name/upload */
export const PublishAnswer = Type.Object({
  name: Type.String(),
  size: Type.Integer({ minimum: 0 }),
  hash: Type.String(),
  root: Type.String(),
  /** Live nodes that have published the same content. */
  alreadyOn: Type.Array(Type.String()),
  /** Other names under which this node has published it. */
  alsoHere: Type.Array(Type.String()),
})
export type PublishAnswer = Static<typeof PublishAnswer>

/** POST /uploaded: as many as one upload may bring. */
export const MAX_FILES_AT_ONCE = 10_000
export const PublishManyBody = Type.Object({
  name: Type.Array(Type.String({ minLength: 1 }), { minItems: 1, maxItems: MAX_FILES_AT_ONCE }),
})
export const PublishManyAnswer = Type.Object({ files: Type.Array(PublishAnswer) })

/** 202, when the answer was not waited for. */
export const PublishBegun = Type.Object({ name: Type.String(), state: Type.Enum(FILE_STATES) })

/** The two clears. */
export const ClearAnswer = Type.Object({ cleared: Type.Array(Type.String()) })

/** POST /myfiles */
export const UploadQuery = Type.Object({ publish: Type.Optional(Type.Enum(['', '0', '1'])) })

export const ReceivedFile = Type.Object({
  name: Type.String(),
  size: Type.Integer({ minimum: 0 }),
  hash: Type.Optional(Type.String()),
  root: Type.Optional(Type.String()),
  alreadyOn: Type.Optional(Type.Array(Type.String())),
  alsoHere: Type.Optional(Type.Array(Type.String())),
})
export type ReceivedFile = Static<typeof ReceivedFile>

export const UploadAnswer = Type.Object({ files: Type.Array(ReceivedFile) })
