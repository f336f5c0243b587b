/** On the network or not, how far each file is seen, and computers that the person names. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { NameParams } from '../../api/files.ts'
import { AddressAnswer, AddressBody, LanAnswer, LanBody, ReachAnswer, ReachBody } from '../../api/lan.ts'
import { BadAddress, NotPublished } from '../../errors.ts'
import { answerPage } from './answer-page.ts'
import type { Desk } from './desk.ts'
import { toHtml } from './live.ts'
import { wantsFragment, wantsHtml, wayBack } from './negotiate.ts'
import { toast } from './notices.ts'
import { sendHtml } from './render.ts'
import { filesSeen, lanPage, lanParts } from './views/lan.ts'
import { countOf, shown } from './words.ts'

export const lanRoutes: FastifyPluginAsyncTypebox<Desk> = async (app, desk) => {
  const { network, published } = desk
  const answered = { response: { 200: LanAnswer } }

  app.get('/lan', { schema: answered }, async (request, reply) =>
    wantsHtml(request) ? sendHtml(reply, await lanPage(desk)) : lanAnswer(desk),
  )

  app.post('/lan', { schema: { ...answered, body: LanBody } }, async (request, reply) => {
    const { on, show } = request.body
    const turnsOn = on === true || on === '1'
    // Before anybody can see it: what is kept back is never seen, not even for a moment.
    const names = [...published.entries()].map(({ name }) => name)
    if (turnsOn && show === 'all') published.show(names, 'network')
    if (show !== undefined) network.answered()
    await network.turn(turnsOn)
    if (!wantsHtml(request)) return lanAnswer(desk)
    return await backTo(desk, request, reply)
  })

  const one = { params: NameParams, body: ReachBody, response: { 200: ReachAnswer } }
  app.post('/myfiles/:name/reach', { schema: one }, async (request, reply) => {
    const { name } = request.params
    const { reach } = request.body
    if (!published.stateOf(name).file) throw new NotPublished()
    const changed = [...published.show([name], reach)]
    if (!wantsHtml(request)) return { changed }
    const after = reach === 'network' ? ' is seen by this network now.' : ' is seen by this computer only.'
    return await answerPage(desk, request, reply, { names: [name], parts: [toast({ name: shown(name), after })] })
  })

  app.post(
    '/uploaded/reach',
    { schema: { body: ReachBody, response: { 200: ReachAnswer } } },
    async (request, reply) => {
      const { reach } = request.body
      const changed = [
        ...published.show(
          [...published.entries()].map(({ name }) => name),
          reach,
        ),
      ]
      network.answered()
      if (!wantsHtml(request)) return { changed }
      const seen = reach === 'network' ? 'seen by this network now' : 'seen by this computer only'
      return await backTo(desk, request, reply, `${countOf(changed.length, 'file')} ${seen}`)
    },
  )

  const address = { schema: { body: AddressBody, response: { 200: AddressAnswer } } }
  app.post('/nodes', address, async (request, reply) => {
    const at = network.addressOf(request.body.address)
    if (at === undefined || network.askedAt(at) === undefined) throw new BadAddress(shown(request.body.address))
    await network.add(at)
    const peer = desk.table.at(network.askedAt(at) ?? at)
    const found = peer?.alive === true
    if (!wantsHtml(request)) return { address: at, found, ...(found ? { id: peer.id } : {}) }
    return await backTo(desk, request, reply, found ? 'It is there.' : 'Nobody answers there yet. It is looked for.')
  })
  app.post('/nodes/remove', address, async (request, reply) => {
    const at = network.addressOf(request.body.address) ?? request.body.address
    network.remove(at)
    if (!wantsHtml(request)) return { address: at, found: false }
    return await backTo(desk, request, reply)
  })
}

const lanAnswer = (desk: Desk): LanAnswer => {
  const { on, addresses, failed, multicast } = desk.network.status()
  return {
    on,
    addresses: [...addresses],
    failed: [...failed],
    multicast: [...multicast],
    files: filesSeen(desk),
    typed: [...desk.network.typed()],
  }
}

/** Into the page that is there, or back to it. */
const backTo = async (
  desk: Desk,
  request: FastifyRequest,
  reply: FastifyReply,
  said?: string,
): Promise<FastifyReply> => {
  if (!wantsFragment(request)) return reply.redirect(wayBack(request, '/lan'), 303)
  const parts = said === undefined ? [] : [toast({ before: said })]
  return sendHtml(reply, toHtml([...lanParts(desk), ...parts]))
}
