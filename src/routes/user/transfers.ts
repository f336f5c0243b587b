/** Fetching into the home: begin, look, pause, go on, give up, try again, open what came. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { NoBody } from '../../api/node.ts'
import {
  TransferAnswer as One,
  type TransferAnswer,
  TransferBody,
  TransferParams,
  TransfersAnswer,
} from '../../api/transfer.ts'
import type { CatalogueEntry } from '../../dht/catalogue.ts'
import { AmbiguousHash, BadRequest, IsProgram, NotNow, UnknownContent } from '../../errors.ts'
import type { Transfer } from '../../transfer/transfer.ts'
import type { Desk } from './desk.ts'
import { sendList } from './live.ts'
import { wantsFragment, wantsHtml } from './negotiate.ts'
import type { Notice } from './notices.ts'
import { sendHtml } from './render.ts'
import { transferAnswer, transfersAnswer } from './transfer-answer.ts'
import { answerTransfer } from './transfer-page.ts'
import { isProgram } from './views/kind.ts'
import { nameOf, resumeAction, waitingFor } from './views/transfer-words.ts'
import { TRANSFERS_ADDRESS, transferPage, transfersList, transfersPage } from './views/transfers.ts'
import { plain, shown } from './words.ts'

/** What is small is here in the answer to its click, which comes within 100 ms. */
const PAGE_WAITS_MS = 50
const OVER: ReadonlySet<Transfer['state']> = new Set(['done', 'failed', 'waiting'])

export const transferRoutes: FastifyPluginAsyncTypebox<Desk> = async (app, desk) => {
  const { transfers } = desk
  app.get('/transfers', { schema: { response: { 200: TransfersAnswer } } }, async (request, reply) => {
    if (!wantsHtml(request)) return transfersAnswer(desk)
    if (!wantsFragment(request)) return sendHtml(reply, await transfersPage(desk))
    return sendList(request, reply, { address: TRANSFERS_ADDRESS, parts: await transfersList(desk) })
  })

  const one = { params: TransferParams, response: { 200: One } }
  app.get('/transfers/:id', { schema: one }, async (request, reply) => {
    const transfer = transfers.get(request.params.id)
    return wantsHtml(request) ? sendHtml(reply, await transferPage(desk, transfer)) : transferAnswer(desk, transfer)
  })

  const begin = { body: TransferBody, response: { 200: One, 202: One } }
  app.post('/transfers', { schema: begin }, async (request, reply) => {
    const { body } = request
    const entry = wantedEntry(desk, body)
    const [first = ''] = entry.names
    const name = entry.names.find((each) => each === body.name) ?? first
    const { transfer, isNew } = await transfers.add(entry, name)
    if (!wantsHtml(request)) return reply.code(isNew ? 202 : 200).send(transferAnswer(desk, transfer))
    await moment(desk, () => OVER.has(transfer.state))
    return await answerTransfer(desk, request, reply, { transfer })
  })

  const act = { ...one, body: NoBody }
  const answer = async (
    request: FastifyRequest,
    reply: FastifyReply,
    transfer: Transfer,
    notice?: Notice,
  ): Promise<FastifyReply | TransferAnswer> =>
    wantsHtml(request)
      ? await answerTransfer(desk, request, reply, { transfer, notice })
      : transferAnswer(desk, transfer)

  app.post('/transfers/:id/pause', { schema: act }, async (request, reply) =>
    answer(request, reply, await transfers.pause(request.params.id)),
  )
  for (const action of ['resume', 'retry'] as const) {
    app.post(`/transfers/:id/${action}`, { schema: act }, async (request, reply) => {
      const transfer = await transfers[action](request.params.id)
      if (wantsHtml(request)) await moment(desk, () => transfer.state !== 'queued')
      const inVain = action === 'retry' && transfer.state === 'waiting'
      return await answer(request, reply, transfer, inVain ? waitsNotice(desk, transfer) : undefined)
    })
  }
  app.post('/transfers/:id/cancel', { schema: act }, async (request, reply) => {
    const { done } = transfers.get(request.params.id)
    const transfer = await transfers.cancel(request.params.id)
    return await answer(request, reply, transfer, cancelNotice(transfer, done > 0))
  })
  app.post('/transfers/:id/open', { schema: act }, async (request, reply) => {
    const transfer = transfers.get(request.params.id)
    await openFinished(desk, transfer)
    return await answer(request, reply, transfer, { before: 'Opening ', name: shown(nameOf(transfer)), after: '.' })
  })
}

/**
 * The content that was asked for.
 * @throws BadRequest, UnknownContent; AmbiguousHash when it could be several
 */
export const wantedEntry = ({ catalogue }: Pick<Desk, 'catalogue'>, { hash, root }: TransferBody): CatalogueEntry => {
  const wanted = (root ?? hash)?.toLowerCase()
  if (wanted === undefined) throw new BadRequest('name a hash or a root')
  const found = catalogue
    .find(wanted)
    .filter((entry) => root === undefined || entry.root === root.toLowerCase())
    .filter((entry) => hash === undefined || entry.hash === hash.toLowerCase())
  const [only, other] = found
  if (!only) throw new UnknownContent()
  if (other) throw new AmbiguousHash(found.map((entry) => entry.root).join(', '))
  return only
}

/**
 * Hand a finished file to this computer's own program; foreign programs are never run by a click.
 * @throws NotNow, NoSuchFile, NotAFile, IsProgram, NoDesktop
 */
const openFinished = async ({ home, handOver, notices }: Desk, { record }: Transfer): Promise<void> => {
  const { state, finalName } = record
  if (state !== 'done' || finalName === undefined) throw new NotNow('this transfer is not done')
  if (isProgram(finalName)) throw new IsProgram()
  await home.stat(finalName)
  await handOver.open(home.path(finalName), () =>
    notices.tell({ name: shown(finalName), after: ' could not be opened: no program here takes it.', alarm: true }),
  )
}

const cancelNotice = (transfer: Transfer, deleted: boolean): Notice => {
  const again = { ...resumeAction(transfer), word: 'Undo', said: `Undo: fetch ${shown(transfer.record.name)} again` }
  const what = deleted ? ' is cancelled. What had arrived was deleted.' : ' is not fetched any more.'
  return { name: shown(transfer.record.name), after: what, undo: again }
}

/** It was tried, and nobody is there. */
const waitsNotice = (desk: Desk, transfer: Transfer): Notice => ({
  name: shown(transfer.record.name),
  after: `: nobody has the rest of it now. ${plain(waitingFor(desk, transfer).next)}`,
})

/** Until it is so, or a click has waited long enough. */
const moment = async ({ news }: Desk, isSo: () => boolean): Promise<void> => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, PAGE_WAITS_MS)
  const end = news.on('transfers', () => isSo() && resolve())
  if (isSo()) resolve()
  await promise
  clearTimeout(timer)
  end()
}
