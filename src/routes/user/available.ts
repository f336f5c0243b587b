/** The catalogue, for programs; a browser is led to the page that shows the same. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { CatalogueAnswer, CatalogueQuery, type MeshFile } from '../../api/catalogue.ts'
import { DEFAULT_PAGE_SIZE } from '../../api/paging.ts'
import type { CatalogueEntry } from '../../dht/catalogue.ts'
import type { Desk } from './desk.ts'
import { wantsHtml } from './negotiate.ts'
import { homeAddress } from './views/catalogue-list.ts'
import { otherHolders, ownName } from './views/file-row.ts'

export const availableRoute: FastifyPluginAsyncTypebox<Desk> = async (app, desk) => {
  const schema = { querystring: CatalogueQuery, response: { 200: CatalogueAnswer } }
  app.get('/getfile/available', { schema }, async (request, reply) => {
    if (wantsHtml(request)) return reply.redirect(homeAddress(request.query), 303)
    return catalogueAnswer(desk, request.query)
  })
}

export const catalogueAnswer = (desk: Desk, query: CatalogueQuery): CatalogueAnswer => {
  const { q, kind, sort, page, size = DEFAULT_PAGE_SIZE } = query
  const { total, entries } = desk.catalogue.search({
    q,
    kind: kind || undefined,
    sort: sort || undefined,
    page,
    pageSize: size,
  })
  return { total, files: entries.map((entry) => meshFile(desk, entry)) }
}

const meshFile = (desk: Desk, entry: CatalogueEntry): MeshFile => ({
  root: entry.root,
  hash: entry.hash,
  size: entry.size,
  names: [...entry.names],
  holders: otherHolders(desk, entry).map(({ id, name, petname, alive, address = '' }) => ({
    address,
    id,
    name,
    ...(petname !== undefined && { petname }),
    alive,
  })),
  mine: ownName(desk, entry) !== undefined,
})
