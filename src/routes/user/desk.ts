/** What the routes of the person share beyond what the node hands in: faces, seats, the walked folder, open streams. */
import type { UserDeps } from './deps.ts'
import { type Called, type FaceOf, faceOf } from './faces.ts'
import { createFolder, type Folder } from './folder.ts'
import { createHere, type Here } from './here.ts'
import { createNotices, type Notices } from './notices.ts'
import { createStreams, type Streams } from './streams.ts'
import { createTransferWatch, type TransferWatch } from './transfer-watch.ts'
import { createSeats } from './views/mesh.ts'

export interface Desk extends UserDeps {
  readonly onTrouble: (what: string, error: unknown) => void
  readonly faceOf: FaceOf
  /** As the person calls it, else as it calls itself. */
  readonly called: Called
  /** Seats of the drawing, by index. */
  readonly seats: () => readonly (string | undefined)[]
  readonly folder: Folder
  readonly notices: Notices
  readonly streams: Streams
  /** What became of the files that were fetched. */
  readonly here: Here
  readonly watch: TransferWatch
}

const desks = new WeakMap<object, Desk>()

/** One desk a node, for its routes and for what answers where there is no route. */
export const deskOf = (deps: UserDeps): Desk => {
  const made = desks.get(deps.table)
  if (made) return made
  const { table } = deps
  const notices = createNotices()
  const known = () => table.all().map(({ id }) => id)
  const called: Called = ({ id, name }) => deps.who.acquaintances.petname(id) ?? name
  const desk: Desk = {
    onTrouble: () => {},
    ...deps,
    faceOf: (id, name) => faceOf(id, called({ id, name })),
    called,
    seats: createSeats(known),
    folder: createFolder(deps),
    notices,
    streams: createStreams(deps.stopping),
    here: createHere(deps),
    watch: createTransferWatch({ ...deps, notices, called }),
  }
  desks.set(table, desk)
  return desk
}
