/** Every message of PROTOCOL.md as a schema and its type; servers and clients check with the same compiled schema. */
import { type Static, type TSchema, Type } from 'typebox'
import { Compile } from 'typebox/schema'
import {
  MAX_ADDRESS_CHARACTERS,
  MAX_FILES,
  MAX_NAME_BYTES,
  MAX_NODE_NAME_BYTES,
  MAX_PART_BYTES,
  MAX_TOLD_ADDRESSES,
  MAX_TOLD_PEERS,
  VERSION,
} from './constants.ts'

const strict = { additionalProperties: false }
const Hash = Type.String({ pattern: '^[0-9a-f]{64}$' })
const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const b64u = (characters: number) => Type.String({ pattern: `^[\\w-]{${characters}}$` })

/** One file of a row. `published` is milliseconds since 1970. */
export const RowFile = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: MAX_NAME_BYTES }),
    size: Count,
    hash: Hash,
    root: Hash,
    published: Count,
  },
  strict,
)
export type RowFile = Static<typeof RowFile>

/** What the owner of a row signs. `id` b64u, `files` the digest of all files, hex. */
export const RowHead = Type.Object({
  v: Type.Literal(VERSION),
  id: b64u(43),
  epoch: Count,
  version: Count,
  name: Type.String({ minLength: 1, maxLength: MAX_NODE_NAME_BYTES }),
  count: Type.Integer({ minimum: 0, maximum: MAX_FILES }),
  size: Count,
  files: Hash,
})
export type RowHead = Static<typeof RowHead>

/** One page of a row, or of its changes. */
export const RowPage = Type.Object({
  head: Type.String({ minLength: 1, maxLength: 4096 }),
  sig: b64u(86),
  whole: Type.Boolean(),
  upTo: Count,
  files: Type.Array(RowFile, { maxItems: MAX_FILES }),
  gone: Type.Array(Type.String({ minLength: 1, maxLength: MAX_NAME_BYTES }), { maxItems: MAX_FILES }),
})
export type RowPage = Static<typeof RowPage>

export const TableQuery = Type.Object(
  { epoch: Type.Optional(Count), since: Type.Optional(Count), files: Type.Optional(Hash) },
  strict,
)
export type TableQuery = Static<typeof TableQuery>

export const Update = Type.Object({
  kind: Type.Union([Type.Literal('changed'), Type.Literal('leaving')]),
  port: Type.Integer({ minimum: 1, maximum: 65_535 }),
})
export type Update = Static<typeof Update>

/** "Can you reach me?" */
export const Probe = Type.Object({ port: Type.Integer({ minimum: 1, maximum: 65_535 }) })
export type Probe = Static<typeof Probe>
export const ProbeAnswer = Type.Object({ reached: Type.Boolean() })
export type ProbeAnswer = Static<typeof ProbeAnswer>

/** Whom a node knows: what they signed of themselves, and where they answered it. */
export const PeersAnswer = Type.Object({
  peers: Type.Array(
    Type.Object({
      head: Type.String({ minLength: 1, maxLength: 4096 }),
      sig: b64u(86),
      addresses: Type.Array(Type.String({ minLength: 3, maxLength: MAX_ADDRESS_CHARACTERS }), {
        minItems: 1,
        maxItems: MAX_TOLD_ADDRESSES,
      }),
    }),
    { maxItems: MAX_TOLD_PEERS },
  ),
})
export type PeersAnswer = Static<typeof PeersAnswer>

export const ErrorReply = Type.Object({
  error: Type.Object({ code: Type.String({ maxLength: 64 }), message: Type.String({ maxLength: 1024 }) }),
})
export type ErrorReply = Static<typeof ErrorReply>

/**
 * A checker for foreign JSON.
 * @returns the value with its type, or undefined when it is not JSON of that form.
 */
export const checker = <Schema extends TSchema>(schema: Schema): ((text: string) => Static<Schema> | undefined) => {
  const compiled = Compile(schema)
  return (text) => {
    try {
      const value: unknown = JSON.parse(text)
      return compiled.Check(value) ? value : undefined
    } catch {
      return undefined
    }
  }
}

const NAME_PART = /^(?!\.)[^/]+$/

/** True for a name that may stand in a row: parts between `/`, none beginning with a dot, lengths in bytes of UTF-8, no NUL. */
export const isRowName = (name: string): boolean =>
  name.isWellFormed() &&
  !name.includes('\0') &&
  Buffer.byteLength(name) <= MAX_NAME_BYTES &&
  name.split('/').every((part) => NAME_PART.test(part) && Buffer.byteLength(part) <= MAX_PART_BYTES)
