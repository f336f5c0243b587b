/** JSON of the network: whether it sees this node, where, and who else was named. */
import { type Static, Type } from 'typebox'

const Count = Type.Integer({ minimum: 0 })
export const REACH = ['computer', 'network'] as const

/** GET /lan, and the answers of what changes it. */
export const LanAnswer = Type.Object({
  on: Type.Boolean(),
  /** Where other computers can ask this node. */
  addresses: Type.Array(Type.String()),
  /** Addresses of this computer at which it could not listen. */
  failed: Type.Array(Type.Object({ address: Type.String(), code: Type.String() })),
  multicast: Type.Array(
    Type.Object({ address: Type.String(), sent: Count, heard: Count, error: Type.Optional(Type.String()) }),
  ),
  /** Published files by how far they are seen. */
  files: Type.Object({ computer: Count, network: Count }),
  /** Addresses that the person typed. */
  typed: Type.Array(Type.String()),
})
export type LanAnswer = Static<typeof LanAnswer>

/** POST /lan. `show`: what becomes of the files that only this computer sees. */
export const LanBody = Type.Object({
  on: Type.Union([Type.Boolean(), Type.Literal('1'), Type.Literal('0')]),
  show: Type.Optional(Type.Enum(['all', 'none'])),
})

/** POST /nodes, POST /nodes/remove */
export const AddressBody = Type.Object({ address: Type.String({ minLength: 1, maxLength: 300 }) })
export const AddressAnswer = Type.Object({
  address: Type.String(),
  /** Whether a node answered there. */
  found: Type.Boolean(),
  /** Its identity. */
  id: Type.Optional(Type.String()),
})

/** POST /myfiles/:name/reach, POST /uploaded/reach */
export const ReachBody = Type.Object({ reach: Type.Enum(REACH) })
export const ReachAnswer = Type.Object({ changed: Type.Array(Type.String()) })
