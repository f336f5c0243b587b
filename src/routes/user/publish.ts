/** Publish a file of the home, take one out, take all out. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { ClearAnswer, NameParams, PublishAnswer, PublishBegun } from '../../api/files.ts'
import { NoBody } from '../../api/node.ts'
import { isOurs } from '../../errors.ts'
import type { PublishedFile } from '../../store/published.ts'
import type { Desk } from './desk.ts'
import { toHtml } from './live.ts'
import { mishapOf } from './mishaps.ts'
import { isNavigation, prefersNotToWait, wantsFragment, wantsHtml, wayBack } from './negotiate.ts'
import { toast } from './notices.ts'
import { type Part, render, sendHtml } from './render.ts'
import { fileRow, goneRow, otherHolders, publishAction, rowId } from './views/file-row.ts'
import { myFileParts } from './views/my-files.ts'
import { fileAddress, keyOf } from './views/parts.ts'
import { shell } from './views/shell.ts'
import { countOf, shown } from './words.ts'

/** A page waits this long: what is small is published in its answer, and a mistake is told there. */
const PAGE_WAITS_MS = 80

export const publishRoutes: FastifyPluginAsyncTypebox<Desk> = async (app, desk) => {
  const one = { params: NameParams, response: { 200: PublishAnswer, 202: PublishBegun } }
  const publish = async (request: FastifyRequest<{ Params: NameParams }>, reply: FastifyReply) => {
    const { name } = request.params
    if (wantsHtml(request)) {
      await beginToPublish(desk, name, request)
      return await answerPage(desk, request, reply, { names: [name] })
    }
    if (prefersNotToWait(request)) {
      await beginToPublish(desk, name, request)
      return reply.code(202).send({ name, state: desk.published.stateOf(name).state })
    }
    return publishAnswer(desk, await desk.published.publish(name))
  }
  app.post('/myfiles/:name/upload', { schema: { ...one, body: NoBody } }, publish)
  app.get('/myfiles/:name/upload', { schema: one, config: { changes: true } }, async (request, reply) => {
    const { name } = request.params
    if (!isNavigation(request)) return await publish(request, reply)
    return askFirst(desk, reply, {
      title: 'Publish this file?',
      question: { before: 'Publish ', name: shown(name), after: ' to everybody on the mesh?' },
      text: 'Everyone on this network who runs portmesh can then fetch it.',
      href: fileAddress(name, 'upload'),
      button: 'Publish',
    })
  })

  const cleared = { response: { 200: ClearAnswer } }
  const clear = async (request: FastifyRequest<{ Params: NameParams }>, reply: FastifyReply) => {
    const { name } = request.params
    const before = desk.published.files().get(name)
    const names = desk.published.clear(name)
    if (!wantsHtml(request)) return { cleared: [...names] }
    const undo = before && {
      ...publishAction(name, 'Publish'),
      word: 'Undo',
      said: `Undo: publish ${shown(name)} again`,
    }
    const said = toast({ name: shown(name), after: ' is off the mesh. The file stays in your folder.', undo })
    const rows = before ? clearedRow(desk, before) : []
    return await answerPage(desk, request, reply, { names: [name], parts: undo ? [...rows, said] : rows })
  }
  app.post('/myfiles/:name/clear', { schema: { params: NameParams, body: NoBody, ...cleared } }, clear)
  app.get(
    '/myfiles/:name/clear',
    { schema: { params: NameParams, ...cleared }, config: { changes: true } },
    async (request, reply) => {
      const { name } = request.params
      if (!isNavigation(request)) return await clear(request, reply)
      return askFirst(desk, reply, {
        title: 'Take this file off the mesh?',
        question: { before: 'Take ', name: shown(name), after: ' off the mesh?' },
        text: 'Nobody can fetch it from here any more. The file stays in your folder.',
        href: fileAddress(name, 'clear'),
        button: 'Unpublish',
      })
    },
  )

  const clearAll = async (request: FastifyRequest, reply: FastifyReply) => {
    const names = desk.published.clearAll()
    if (!wantsHtml(request)) return { cleared: [...names] }
    const said = toast({ before: `${countOf(names.length, 'file')} taken off the mesh. They stay in your folder.` })
    return await answerPage(desk, request, reply, { names, parts: [said] })
  }
  app.post('/uploaded/clear', { schema: { body: NoBody, ...cleared } }, clearAll)
  app.get('/uploaded/clear', { schema: cleared, config: { changes: true } }, async (request, reply) => {
    if (!isNavigation(request)) return await clearAll(request, reply)
    const all = countOf(desk.published.entries().length, 'published file')
    return askFirst(desk, reply, {
      title: 'Take everything off the mesh?',
      question: { before: `Take all of your files off the mesh?` },
      text: `${all} will be private again. The files stay in your folder.`,
      href: '/uploaded/clear',
      button: 'Unpublish all',
    })
  })
}

/** What a program is told of a published file, with where else the same content is. */
export const publishAnswer = (desk: Desk, file: PublishedFile): PublishAnswer => {
  const { name, size, hash, root } = file
  const entry = desk.catalogue.of(file)
  const others = entry ? otherHolders(desk, entry).filter(({ alive }) => alive) : []
  const same = desk.published.byRoot(root).filter((other) => other.name !== name && other.hash === hash)
  return {
    name,
    size,
    hash,
    root,
    alreadyOn: others.flatMap(({ address }) => address ?? []),
    alsoHere: same.map((other) => other.name),
  }
}

/**
 * Begin to publish and wait a moment only. What goes wrong later is said on the pages that are open then.
 * @throws what goes wrong at once.
 */
export const beginToPublish = async (desk: Desk, name: string, { log }: Pick<FastifyRequest, 'log'>): Promise<void> => {
  let answered = false
  const publishing = desk.published.publish(name).catch((error: unknown) => {
    if (!answered) throw error
    if (desk.published.stateOf(name).state === 'private' && isCancelled(error)) return
    if (!isOurs(error)) log.error({ err: error }, 'publishing failed')
    const { title, text } = mishapOf(error)
    desk.notices.tell({ name: shown(name), after: ` was not published. ${title}. ${text}`, alarm: true })
  })
  const { promise: waited, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, PAGE_WAITS_MS)
  try {
    await Promise.race([publishing, waited])
  } finally {
    answered = true
    clearTimeout(timer)
  }
}

const isCancelled = (error: unknown): boolean =>
  isOurs(error) && (error.code === 'PM_CANCELLED' || error.code === 'PM_STOPPING')

/** Into the page that is there, or back to it. */
export const answerPage = async (
  desk: Desk,
  request: FastifyRequest,
  reply: FastifyReply,
  { names, parts = [] }: { names: readonly string[]; parts?: readonly Part[] },
): Promise<FastifyReply> => {
  if (!wantsFragment(request)) return reply.redirect(`${wayBack(request, '/myfiles')}${anchor(request, names)}`, 303)
  const { files } = await desk.folder.list()
  const wanted = new Set(names)
  const rows = files
    .filter(({ name }) => wanted.has(name))
    .flatMap((file) => [...myFileParts(desk, file), ...meshRow(desk, file.file)])
  return sendHtml(reply, toHtml([...rows, ...parts]))
}

/** The row of the page one comes from; many names have no one row. */
const anchor = (request: FastifyRequest, names: readonly string[]): string => {
  const [name] = names
  if (name === undefined || names.length > 1) return ''
  return wayBack(request, '/myfiles').startsWith('/myfiles') ? `#my-${keyOf(name)}` : `#mine-${keyOf(name)}`
}

/** The row of a content in the list of the home page, if the page has one. */
const meshRow = (desk: Desk, file: PublishedFile | undefined): readonly Part[] => {
  const entry = file && desk.catalogue.of(file)
  return entry
    ? [{ target: `#${rowId(entry)}`, html: render('fragments/file-row', fileRow(desk, entry, Date.now())) }]
    : []
}

/** What was published here and is not any more: greyed, with the way back, or somebody else's only. */
const clearedRow = (desk: Desk, file: PublishedFile): readonly Part[] => {
  const still = meshRow(desk, file)
  if (still.length > 0) return still
  const entry = { ...file, names: [file.name], holders: [{ id: desk.self.id, fileName: file.name }] }
  return [{ target: `#${rowId(file)}`, html: render('fragments/file-row', goneRow(fileRow(desk, entry, Date.now()))) }]
}

interface Question {
  readonly title: string
  readonly question: { readonly before?: string; readonly name?: string; readonly after?: string }
  readonly text: string
  readonly href: string
  readonly button: string
}

const askFirst = (desk: Desk, reply: FastifyReply, question: Question): FastifyReply =>
  sendHtml(
    reply,
    render('page', {
      shell: shell(desk, { title: question.title, page: 'myfiles' }),
      main: render('question', question),
    }),
  )
