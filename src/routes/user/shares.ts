/** Who gave how much of a transfer, over all its runs, and how fast each gives now. */
import { pieceBytesOf } from '../../store/pieces.ts'
import type { Transfer } from '../../transfer/transfer.ts'

export interface Share {
  /** Identity. */
  readonly id: string
  readonly name: string
  readonly address: string | undefined
  readonly bytes: number
  /** Bytes a second. */
  readonly rate: number
}

export interface Shares {
  readonly givers: readonly Share[]
  /** Bytes of which nobody knows any more who gave them, or that the folder had already. */
  readonly foundBytes: number
}

export const sharesOf = (transfer: Transfer): Shares => {
  const { weave, record, state, done } = transfer
  const helpers = new Map(transfer.helpers().map((helper) => [helper.holder.id, helper]))
  const counts = weave.counts()
  const rateOf = (id: string): number => (state === 'running' ? (helpers.get(id)?.rate ?? 0) : 0)
  const shares = weave.givers.map(({ id, name }, index): Share => {
    const holder = helpers.get(id)?.holder
    const bytes = bytesOf(transfer, counts[index] ?? 0, index)
    return { id, name: holder?.name ?? name, address: holder?.address, bytes, rate: rateOf(id) }
  })
  const known = new Set(shares.map(({ id }) => id))
  // Asked already, and no piece of it is whole yet.
  const fresh = [...helpers.values()]
    .filter(({ holder }) => !known.has(holder.id))
    .map(({ holder: { id, name, address } }): Share => ({ id, name, address, bytes: 0, rate: rateOf(id) }))
  const given = shares.reduce((sum, { bytes }) => sum + bytes, 0)
  const here = state === 'done' ? record.size : done
  return { givers: [...shares, ...fresh], foundBytes: Math.max(0, here - given) }
}

/** The last piece is shorter than the others. */
const bytesOf = ({ weave: { map }, record: { size } }: Transfer, pieces: number, giver: number): number => {
  const piece = pieceBytesOf(size)
  const lacking = map.at(-1) === giver + 1 ? piece * map.length - size : 0
  return pieces * piece - lacking
}
