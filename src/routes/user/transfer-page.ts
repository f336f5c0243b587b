/** The answer to something done with a transfer on a page: it as it is now wherever the page shows it, or the way back to it. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Transfer } from '../../transfer/transfer.ts'
import type { Desk } from './desk.ts'
import { toHtml } from './live.ts'
import { currentPage, wantsFragment, wayBack } from './negotiate.ts'
import { type Notice, toast } from './notices.ts'
import { type Part, render, sendHtml } from './render.ts'
import { fileRow, rowId } from './views/file-row.ts'
import { movingPart, smallParts } from './views/transfer-card.ts'
import { rowIdOf, transferRow } from './views/transfer-row.ts'

export const answerTransfer = async (
  desk: Desk,
  request: FastifyRequest,
  reply: FastifyReply,
  { transfer, notice }: { transfer: Transfer; notice?: Notice | undefined },
): Promise<FastifyReply> => {
  if (!wantsFragment(request)) {
    const back = wayBack(request, '/transfers')
    const anchor = back.startsWith('/transfers') ? rowIdOf(transfer) : rowId(transfer.content)
    return reply.redirect(`${back}#${anchor}`, 303)
  }
  await desk.here.look()
  const now = Date.now()
  const parts: Part[] = [
    ...meshRow(desk, request, transfer, now),
    { target: `#${rowIdOf(transfer)}`, html: render('fragments/transfer', transferRow(desk, transfer, now)) },
    ...smallParts(desk, now),
    movingPart(desk),
    ...(notice ? [toast(notice)] : []),
  ]
  return sendHtml(reply, toHtml(parts))
}

/** The row of its content in the list of the page one is on. */
const meshRow = (desk: Desk, request: FastifyRequest, { content }: Transfer, now: number): readonly Part[] => {
  const entry = desk.catalogue.of(content)
  if (!entry) return []
  // On the page of a node its files are called as it calls them.
  const [, id = ''] = /^\/nodes\/([0-9a-f]{64})/.exec(currentPage(request) ?? '') ?? []
  const own = entry.holders.find((holder) => holder.id === id)?.fileName
  const named = own === undefined ? entry : { ...entry, names: [own, ...entry.names.filter((name) => name !== own)] }
  return [{ target: `#${rowId(entry)}`, html: render('fragments/file-row', fileRow(desk, named, now)) }]
}
