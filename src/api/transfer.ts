/** JSON of the transfers: what is fetched into the home. */
import { type Static, Type } from 'typebox'

const Hash = Type.String({ pattern: '^[0-9a-fA-F]{64}$' })
const Bytes = Type.Integer({ minimum: 0 })

export const TRANSFER_STATES = [
  'queued',
  'running',
  'paused',
  'waiting',
  'verifying',
  'done',
  'failed',
  'cancelled',
] as const

/** POST /transfers: hash or root is enough; both where several contents claim one of them. The name is one that it has. */
export const TransferBody = Type.Object(
  { hash: Type.Optional(Hash), root: Type.Optional(Hash), name: Type.Optional(Type.String()) },
  { additionalProperties: false },
)
export type TransferBody = Static<typeof TransferBody>

export const TransferParams = Type.Object({ id: Type.String({ pattern: '^[0-9a-f]{16}$' }) })
export type TransferParams = Static<typeof TransferParams>

/** One transfer. Rates are bytes a second over the last five seconds; times are milliseconds since 1970. */
export const TransferAnswer = Type.Object({
  id: Type.String(),
  /** As the mesh calls it; `file` is the name of the finished file in the folder. */
  name: Type.String(),
  file: Type.Optional(Type.String()),
  root: Type.String(),
  hash: Type.String(),
  size: Bytes,
  done: Bytes,
  rate: Bytes,
  /** Seconds. */
  eta: Type.Union([Type.Integer({ minimum: 0 }), Type.Null()]),
  state: Type.Enum(TRANSFER_STATES),
  holders: Type.Array(
    Type.Object({
      id: Type.String(),
      name: Type.String(),
      petname: Type.Optional(Type.String()),
      address: Type.Optional(Type.String()),
      bytes: Bytes,
      rate: Bytes,
    }),
  ),
  /** Holders that are not asked any more, and why. */
  dropped: Type.Array(
    Type.Object({
      id: Type.String(),
      name: Type.String(),
      petname: Type.Optional(Type.String()),
      code: Type.String(),
    }),
  ),
  error: Type.Optional(
    Type.Object({ code: Type.String(), message: Type.String(), missingBytes: Type.Optional(Bytes) }),
  ),
  createdMs: Bytes,
  endedMs: Type.Optional(Bytes),
})
export type TransferAnswer = Static<typeof TransferAnswer>

/** GET /transfers */
export const TransfersAnswer = Type.Object({ transfers: Type.Array(TransferAnswer) })
export type TransfersAnswer = Static<typeof TransfersAnswer>
