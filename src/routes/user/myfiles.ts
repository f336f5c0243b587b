/** My files: what lies in the home, and what of it is published. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type MyFile, MyFilesAnswer, MyFilesQuery, UploadedAnswer } from '../../api/files.ts'
import { DEFAULT_PAGE_SIZE } from '../../api/paging.ts'
import type { Desk } from './desk.ts'
import type { MyFile as ListedFile } from './folder.ts'
import { sendList } from './live.ts'
import { wantsFragment, wantsHtml } from './negotiate.ts'
import { sendHtml } from './render.ts'
import { filesThatFit, myFilesAddress, myFilesList, myFilesPage } from './views/my-files.ts'

export const myFilesRoutes: FastifyPluginAsyncTypebox<Desk> = async (app, desk) => {
  const schema = { querystring: MyFilesQuery, response: { 200: MyFilesAnswer } }
  app.get('/myfiles', { schema }, async (request, reply) => {
    const { query } = request
    if (!wantsHtml(request)) return await myFilesAnswer(desk, query)
    if (!wantsFragment(request)) return sendHtml(reply, await myFilesPage(desk, query))
    return sendList(request, reply, { address: myFilesAddress(query), parts: await myFilesList(desk, query) })
  })

  app.get('/myfiles/uploaded', { schema: { response: { 200: UploadedAnswer } } }, async (request, reply) => {
    if (wantsHtml(request)) return reply.redirect(myFilesAddress({ show: 'published' }), 303)
    const files = [...desk.published.files().values()]
    return { files: files.map(({ name, size, hash, root }) => ({ name, size, hash, root })) }
  })
}

export const myFilesAnswer = async (desk: Desk, query: MyFilesQuery): Promise<MyFilesAnswer> => {
  const { page = 1, size = DEFAULT_PAGE_SIZE } = query
  const listing = await desk.folder.list('patient')
  const found = filesThatFit(listing, query)
  const from = (page - 1) * size
  return { total: found.length, complete: listing.complete, files: found.slice(from, from + size).map(toAnswer) }
}

const toAnswer = ({ name, size, modifiedMs, state, file }: ListedFile): MyFile => ({
  name,
  size,
  ...(modifiedMs !== undefined && { modified: new Date(modifiedMs).toISOString() }),
  state,
  published: state === 'published',
  ...(state === 'published' && file && { hash: file.hash, root: file.root }),
})
