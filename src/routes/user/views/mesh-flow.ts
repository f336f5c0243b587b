/** What moves in the drawing of the mesh: from whom, and how fast. */
import type { Transfer } from '../../../transfer/transfer.ts'

/** Slower is a holder that rests. */
const LEAST = 1_000
/** Bytes a second from which a line is thick, and thicker. */
const FASTER = [10_000_000, 40_000_000] as const

/** Bytes a second that each computer sends to this one, by its identity. */
export const flowsOf = (transfers: readonly Transfer[]): ReadonlyMap<string, number> => {
  const flows = new Map<string, number>()
  for (const transfer of transfers) {
    if (transfer.state !== 'running') continue
    for (const { holder, rate } of transfer.helpers()) {
      if (rate >= LEAST) flows.set(holder.id, (flows.get(holder.id) ?? 0) + rate)
    }
  }
  return flows
}

/** 1 to 3. */
export const widthOf = (rate: number): number => 1 + FASTER.filter((faster) => rate >= faster).length
