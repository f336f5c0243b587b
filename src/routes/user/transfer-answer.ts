/** Transfers as JSON. */
import type { TransferAnswer, TransfersAnswer } from '../../api/transfer.ts'
import type { Transfer } from '../../transfer/transfer.ts'
import type { Desk } from './desk.ts'
import { sharesOf } from './shares.ts'
import { reasonOf } from './stopped.ts'
import { plain } from './words.ts'

export const transfersAnswer = (desk: Pick<Desk, 'transfers' | 'who'>): TransfersAnswer => ({
  transfers: desk.transfers.all().map((transfer) => transferAnswer(desk, transfer)),
})

export const transferAnswer = ({ who }: Pick<Desk, 'who'>, transfer: Transfer): TransferAnswer => {
  const { record, missingBytes } = transfer
  const named = (id: string): { petname?: string } => {
    const petname = who.acquaintances.petname(id)
    return petname === undefined ? {} : { petname }
  }
  return {
    id: record.id,
    name: record.name,
    ...(record.finalName !== undefined && { file: record.finalName }),
    root: record.root,
    hash: record.hash,
    size: record.size,
    done: transfer.done,
    rate: transfer.state === 'running' ? Math.round(transfer.rate.perSecond) : 0,
    eta: transfer.etaSeconds,
    state: record.state,
    holders: sharesOf(transfer).givers.map(({ id, name, address, bytes, rate }) => ({
      id,
      name,
      ...named(id),
      ...(address !== undefined && { address }),
      bytes,
      rate: Math.round(rate),
    })),
    dropped: transfer.lost.map(({ holder, code }) => ({ id: holder.id, name: holder.name, ...named(holder.id), code })),
    ...(record.error !== undefined && {
      error: {
        code: record.error,
        message: plain(reasonOf(transfer).cause),
        ...(missingBytes !== undefined && { missingBytes }),
      },
    }),
    createdMs: record.createdMs,
    ...(record.endedMs !== undefined && { endedMs: record.endedMs }),
  }
}
