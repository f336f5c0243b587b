/** Transfers as JSON. */
import type { TransferAnswer, TransfersAnswer } from '../../api/transfer.ts'
import type { Transfer } from '../../transfer/transfer.ts'
import type { Desk } from './desk.ts'
import { sharesOf } from './shares.ts'
import { reasonOf } from './stopped.ts'
import { plain } from './words.ts'

export const transfersAnswer = ({ transfers }: Pick<Desk, 'transfers'>): TransfersAnswer => ({
  transfers: transfers.all().map(transferAnswer),
})

export const transferAnswer = (transfer: Transfer): TransferAnswer => {
  const { record, missingBytes } = transfer
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
      ...(address !== undefined && { address }),
      bytes,
      rate: Math.round(rate),
    })),
    dropped: transfer.lost.map(({ holder, code }) => ({ id: holder.id, name: holder.name, code })),
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
