/** Publish a file of the home, take one out, take all out. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import {
  ClearAnswer,
  NameParams,
  PublishAnswer,
  PublishBegun,
  PublishManyAnswer,
  PublishManyBody,
} from '../../api/files.ts'
import { NoBody } from '../../api/node.ts'
import { answerPage, clearedRow } from './answer-page.ts'
import type { Desk } from './desk.ts'
import { isNavigation, prefersNotToWait, wantsHtml } from './negotiate.ts'
import { toast } from './notices.ts'
import { addedNotice, beginToPublish, publishAll, publishAnswer } from './publishing.ts'
import { render, sendHtml } from './render.ts'
import { publishAction } from './views/file-row.ts'
import { fileAddress } from './views/parts.ts'
import { shell } from './views/shell.ts'
import { countOf, shown } from './words.ts'

/** Ten thousand names, percent-encoded. */
const NAMES_LIMIT_BYTES = 4 * 1024 * 1024
/** Who has added several files waits this much longer to hear that they are published, and not only on their way. */
const PAGE_WAITS_MS = 500

export const publishRoutes: FastifyPluginAsyncTypebox<Desk> = async (app, desk) => {
  const one = { params: NameParams, response: { 200: PublishAnswer, 202: PublishBegun } }
  const publish = async (request: FastifyRequest<{ Params: NameParams }>, reply: FastifyReply) => {
    const { name } = request.params
    if (wantsHtml(request)) {
      await beginToPublish(desk, [name])
      return await answerPage(desk, request, reply, { names: [name] })
    }
    if (prefersNotToWait(request)) {
      await beginToPublish(desk, [name])
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
      text: desk.network.status().on
        ? 'Everyone on this network who runs portmesh can then fetch it.'
        : 'Everyone who runs portmesh on this computer can then fetch it.',
      href: fileAddress(name, 'upload'),
      button: 'Publish',
    })
  })

  const many = { body: PublishManyBody, response: { 200: PublishManyAnswer } }
  app.post('/uploaded', { schema: many, bodyLimit: NAMES_LIMIT_BYTES }, async (request, reply) => {
    const names = [...new Set(request.body.name)]
    if (!wantsHtml(request)) return { files: await publishAll(desk, names) }
    await beginToPublish(desk, names, PAGE_WAITS_MS)
    return await answerPage(desk, request, reply, { names, parts: [toast(addedNotice(desk, names, true))] })
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
