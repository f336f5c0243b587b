/** The table: who is there, and what each of them has published. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { NodeParams, NodesAnswer, NodesQuery, OtherNode } from '../../api/node.ts'
import { DEFAULT_PAGE_SIZE, FilesQuery } from '../../api/paging.ts'
import type { SharedFile } from '../../dht/digest.ts'
import type { Peer } from '../../dht/table.ts'
import { UnknownPeer } from '../../errors.ts'
import type { Desk } from './desk.ts'
import { sendList } from './live.ts'
import { wantsFragment, wantsHtml } from './negotiate.ts'
import { acquaintedAnswer, addressOf, otherOf, others } from './others.ts'
import { sendHtml } from './render.ts'
import { sharedBy } from './shared.ts'
import { nodeAddress, nodeList, nodePage } from './views/node.ts'
import { nodesAddress, nodesList, nodesPage } from './views/nodes.ts'

const FILES_IN_LIST = 100

export const nodesRoutes: FastifyPluginAsyncTypebox<Desk> = async (app, desk) => {
  app.get('/nodes', { schema: { querystring: NodesQuery, response: { 200: NodesAnswer } } }, async (request, reply) => {
    const { page = 1 } = request.query
    if (!wantsHtml(request)) return nodesAnswer(desk)
    if (!wantsFragment(request)) return sendHtml(reply, await nodesPage(desk, page))
    return sendList(request, reply, { address: nodesAddress(page), parts: await nodesList(desk, page) })
  })

  const schema = { params: NodeParams, querystring: FilesQuery, response: { 200: OtherNode } }
  app.get('/nodes/:id', { schema }, async (request, reply) => {
    const { id } = request.params
    if (id === desk.self.id && wantsHtml(request)) return reply.redirect('/myfiles', 303)
    const peer = otherOf(desk, id)
    if (!peer) throw new UnknownPeer()
    const { query } = request
    if (wantsHtml(request)) {
      if (!wantsFragment(request)) return sendHtml(reply, await nodePage(desk, peer, query))
      return sendList(request, reply, {
        address: nodeAddress(peer.id, query),
        parts: await nodeList(desk, peer, query),
      })
    }
    const { q, page = 1, size = DEFAULT_PAGE_SIZE } = query
    const from = (page - 1) * size
    return nodeAnswer(desk, peer, sharedBy(peer, q).slice(from, from + size))
  })
}

export const nodesAnswer = (desk: Desk): NodesAnswer => ({
  nodes: others(desk).map((peer) => oneAnswer(desk, peer)),
})

/** One node with the first of its files. */
export const oneAnswer = (desk: Desk, peer: Peer): OtherNode =>
  nodeAnswer(desk, peer, sharedBy(peer).slice(0, FILES_IN_LIST))

const nodeAnswer = ({ who }: Desk, peer: Peer, files: readonly SharedFile[]): OtherNode => ({
  address: addressOf(peer),
  addresses: [...peer.addresses.keys()].reverse(),
  id: peer.id,
  name: peer.name,
  ...acquaintedAnswer(who, peer),
  alive: peer.alive,
  lastSeen: new Date(peer.lastSeenMs).toISOString(),
  count: peer.files.size,
  size: peer.size,
  files: files.map(({ name, size, hash, root }) => ({ name, size, hash, root })),
})
