/** What the person says of another computer: a name for it, that it is blocked, that it is trusted again, that it is forgotten. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { AcquaintedAnswer, NameBody, NoBody, NodeParams } from '../../api/node.ts'
import { UnknownPeer } from '../../errors.ts'
import type { Desk } from './desk.ts'
import { toHtml } from './live.ts'
import { wantsFragment, wantsHtml, wayBack } from './negotiate.ts'
import { oneAnswer } from './nodes.ts'
import { type Notice, toast } from './notices.ts'
import { otherOf } from './others.ts'
import { sendHtml } from './render.ts'
import { nodeParts } from './views/node.ts'
import { nodeRowId, nodeRowPart } from './views/nodes.ts'
import { shown } from './words.ts'

export const acquaintRoutes: FastifyPluginAsyncTypebox<Desk> = async (app, desk) => {
  const { acquaintances } = desk.who
  const schema = { params: NodeParams, response: { 200: AcquaintedAnswer } }
  const act = { ...schema, body: NoBody }

  app.post('/nodes/:id/name', { schema: { ...schema, body: NameBody } }, async (request, reply) => {
    const { id } = request.params
    acquaintances.name(id, request.body.name)
    const petname = acquaintances.petname(id)
    const name = shown(acquaintances.get(id)?.name ?? '')
    return await answer(desk, request, reply, {
      id,
      notice:
        petname === undefined
          ? { before: 'It is called ', name, after: ' again, as it calls itself.' }
          : { before: 'You call it ', name: shown(petname), after: ' from now on.' },
    })
  })

  app.post('/nodes/:id/block', { schema: act }, async (request, reply) => {
    const { id } = request.params
    desk.who.block(id)
    return await answer(desk, request, reply, {
      id,
      notice: {
        name: nameNow(desk, id),
        after: ' is blocked. It gets nothing from here, and nothing of it is shown.',
        undo: {
          method: 'post',
          href: `/nodes/${id}/unblock`,
          word: 'Undo',
          said: `Undo: unblock ${nameNow(desk, id)}`,
          look: '',
        },
      },
    })
  })

  app.post('/nodes/:id/unblock', { schema: act }, async (request, reply) => {
    const { id } = request.params
    desk.who.unblock(id)
    const notice = {
      name: nameNow(desk, id),
      after: ' is not blocked any more. Its files are back as soon as it answers.',
    }
    return await answer(desk, request, reply, { id, notice })
  })

  app.post('/nodes/:id/trust-again', { schema: act }, async (request, reply) => {
    const { id } = request.params
    acquaintances.trustAgain(id)
    const notice = { before: 'The mark of ', name: nameNow(desk, id), after: ' is taken away.' }
    return await answer(desk, request, reply, { id, notice })
  })

  app.post('/nodes/:id/forget', { schema: act }, async (request, reply) => {
    const { id } = request.params
    const name = nameNow(desk, id)
    desk.who.forget(id)
    if (!wantsHtml(request)) return { node: null }
    if (!wantsFragment(request)) return reply.redirect('/nodes', 303)
    // Its page has nothing to show any more.
    reply.header('HX-Redirect', '/nodes')
    return sendHtml(reply, toHtml([toast({ name, after: ' is forgotten.' })]))
  })
}

const nameNow = (desk: Desk, id: string): string => {
  const known = desk.who.acquaintances.get(id)
  return known ? shown(desk.called(known)) : ''
}

/** It as it is now wherever the page shows it, or the way back to it. */
const answer = async (
  desk: Desk,
  request: FastifyRequest,
  reply: FastifyReply,
  { id, notice }: { id: string; notice: Notice },
): Promise<FastifyReply | AcquaintedAnswer> => {
  const peer = otherOf(desk, id)
  if (!wantsHtml(request)) return { node: peer ? oneAnswer(desk, peer) : null }
  if (!wantsFragment(request)) {
    // One just unblocked has no page until it answers again, unless it has a name.
    const { acquaintances } = desk.who
    const stays = desk.table.get(id) ?? acquaintances.petname(id) ?? (acquaintances.isBlocked(id) || undefined)
    const back = stays === undefined ? '/nodes' : wayBack(request, `/nodes/${id}`)
    return reply.redirect(/^\/nodes(\?|$)/.test(back) ? `${back}#${nodeRowId(id)}` : back, 303)
  }
  if (!peer) throw new UnknownPeer()
  return sendHtml(reply, toHtml([...nodeParts(desk, peer, Date.now()), nodeRowPart(desk, peer), toast(notice)]))
}
