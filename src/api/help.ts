/** JSON of what there is: pages and routes. */
import { type Static, Type } from 'typebox'

const Page = Type.Object({ path: Type.String(), title: Type.String(), what: Type.String() })
const Route = Type.Object({ method: Type.String(), path: Type.String(), what: Type.String() })

/** GET /help */
export const HelpAnswer = Type.Object({ pages: Type.Array(Page), routes: Type.Array(Route) })
export type HelpAnswer = Static<typeof HelpAnswer>
