/** The home page; for a program, what this node is. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { CatalogueQuery } from '../../api/catalogue.ts'
import { ThisNode } from '../../api/node.ts'
import { shortFingerprint } from '../../trust/acquaintances.ts'
import type { Desk } from './desk.ts'
import { sendList } from './live.ts'
import { wantsFragment, wantsHtml } from './negotiate.ts'
import { sendHtml } from './render.ts'
import { homeAddress } from './views/catalogue-list.ts'
import { homeList, homePage } from './views/home.ts'

export const pageRoutes: FastifyPluginAsyncTypebox<Desk> = async (app, desk) => {
  const schema = { querystring: CatalogueQuery, response: { 200: ThisNode } }
  app.get('/', { schema }, async (request, reply) => {
    const { query } = request
    if (!wantsHtml(request)) return thisNode(desk)
    if (!wantsFragment(request)) return sendHtml(reply, await homePage(desk, query))
    return sendList(request, reply, { address: homeAddress(query), parts: await homeList(desk, query) })
  })
}

const thisNode = ({ self, table, catalogue, refusals, who }: Desk): ThisNode => {
  const peers = table.all()
  const alive = peers.filter((peer) => peer.alive).length
  const { name, id, port, address, version, home } = self
  return {
    name,
    id,
    port,
    address,
    version,
    home,
    fingerprint: shortFingerprint(id),
    copies: [...who.doubles.ofUs()],
    nodes: { alive, away: peers.length - alive },
    files: catalogue.count,
    refusals: refusals(),
  }
}
