/** The woven bar: each stretch in the colour of the computer that sent it. */

import type { Transfer } from '../../../transfer/transfer.ts'
import { UNKNOWN_GIVER } from '../../../transfer/weave.ts'
import type { Desk } from '../desk.ts'
import { percentOf } from '../stopped.ts'
import { shown } from '../words.ts'

export interface WeaveModel {
  /** How many cells wide it is. */
  readonly cells: number
  readonly stretches: readonly { readonly x: number; readonly cells: number; readonly hue: number | undefined }[]
  readonly percent: number
  /** What it is the bar of. */
  readonly label: string
  /** It does not move: paler. */
  readonly still: boolean
}

/** One run of pieces of one giver is one element; more would only be thinner than a pixel. */
const CELLS = 48

export const weaveModel = ({ faceOf }: Pick<Desk, 'faceOf'>, transfer: Transfer): WeaveModel => {
  const { weave, record, state, done } = transfer
  const stretches: { x: number; cells: number; hue: number | undefined }[] = []
  let x = 0
  for (const { giver, cells } of weave.stretches(CELLS)) {
    const who = weave.givers[giver]
    if (giver !== -1) {
      stretches.push({ x, cells, hue: giver === UNKNOWN_GIVER || !who ? undefined : faceOf(who.id, who.name).hue })
    }
    x += cells
  }
  // An empty file has no piece, and is complete all the same.
  if (x === 0 && state === 'done') stretches.push({ x: 0, cells: 1, hue: undefined })
  return {
    cells: Math.max(1, x),
    stretches,
    percent: state === 'done' ? 100 : percentOf(done, record.size),
    label: shown(record.name),
    still: state !== 'running' && state !== 'verifying' && state !== 'done',
  }
}
