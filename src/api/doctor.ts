/** JSON of the doctor: why a computer is not seen. */
import { type Static, Type } from 'typebox'

/** GET /doctor */
export const DoctorAnswer = Type.Object({
  /** Nothing keeps computers apart, as far as can be seen from here. */
  well: Type.Boolean(),
  found: Type.Array(
    Type.Object({
      level: Type.Enum(['ok', 'care', 'no']),
      /** Stable: `firewall`, `multicast-silent`, ... */
      code: Type.String(),
      title: Type.String(),
      /** What to do. */
      text: Type.String(),
    }),
  ),
})
export type DoctorAnswer = Static<typeof DoctorAnswer>
