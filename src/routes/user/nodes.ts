/** The table: who is there, and what each of them has published. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { NodeParams, NodesAnswer, NodesQuery, OtherNode } from '../../api/node.ts'
import { DEFAULT_PAGE_SIZE, PageQuery } from '../../api/paging.ts'
import type { SharedFile } from '../../dht/digest.ts'
import type { Peer } from '../../dht/table.ts'
import { UnknownPeer } from '../../errors.ts'
import type { Desk } from './desk.ts'
import { sendList } from './live.ts'
import { wantsFragment, wantsHtml } from './negotiate.ts'
import { sendHtml } from './render.ts'
import { nodesAddress, nodesList, nodesPage } from './views/nodes.ts'

const FILES_IN_LIST = 100

export const nodesRoutes: FastifyPluginAsyncTypebox<Desk> = async (app, desk) => {
  app.get('/nodes', { schema: { querystring: NodesQuery, response: { 200: NodesAnswer } } }, async (request, reply) => {
    const { page = 1 } = request.query
    if (!wantsHtml(request)) return nodesAnswer(desk)
    if (!wantsFragment(request)) return sendHtml(reply, await nodesPage(desk, page))
    return sendList(request, reply, { address: nodesAddress(page), parts: await nodesList(desk, page) })
  })

  const schema = { params: NodeParams, querystring: PageQuery, response: { 200: OtherNode } }
  app.get('/nodes/:id', { schema }, async (request, reply) => {
    const peer = desk.table.get(request.params.id)
    if (!peer) throw new UnknownPeer()
    if (wantsHtml(request)) return reply.redirect(`/nodes#n-${peer.id.slice(0, 12)}`, 303)
    const { page = 1, size = DEFAULT_PAGE_SIZE } = request.query
    const from = (page - 1) * size
    return nodeAnswer(desk, peer, [...peer.files.values()].sort(newestFirst).slice(from, from + size))
  })
}

export const nodesAnswer = (desk: Desk): NodesAnswer => ({
  nodes: desk.table
    .all()
    .map((peer) => nodeAnswer(desk, peer, [...peer.files.values()].sort(newestFirst).slice(0, FILES_IN_LIST))),
})

const nodeAnswer = ({ table }: Desk, peer: Peer, files: readonly SharedFile[]): OtherNode => ({
  address: table.addressOf(peer.id) ?? '',
  addresses: [...peer.addresses.keys()].reverse(),
  id: peer.id,
  name: peer.name,
  alive: peer.alive,
  lastSeen: new Date(peer.lastSeenMs).toISOString(),
  count: peer.files.size,
  size: peer.size,
  files: files.map(({ name, size, hash, root }) => ({ name, size, hash, root })),
})

const newestFirst = (a: SharedFile, b: SharedFile): number => b.publishedMs - a.publishedMs
