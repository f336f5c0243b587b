/** JSON of what the person can set while the node runs. */
import { type Static, Type } from 'typebox'

const Count = Type.Integer({ minimum: 0 })

/** GET and POST /settings: bytes a second to and from other computers, 0 is no limit. */
export const SettingsAnswer = Type.Object({ up: Count, down: Count, upPeer: Count, downPeer: Count })
export type SettingsAnswer = Static<typeof SettingsAnswer>

/** A number, or as a person writes it: "500k"; nothing is no limit. */
const Limit = Type.Optional(Type.Union([Type.Number(), Type.String({ maxLength: 32 })]))

/** POST /settings: what is left out stays as it is. */
export const SettingsBody = Type.Object(
  { up: Limit, down: Limit, upPeer: Limit, downPeer: Limit },
  { additionalProperties: false },
)
export type SettingsBody = Static<typeof SettingsBody>
