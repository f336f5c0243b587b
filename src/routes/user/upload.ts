/** Files that the browser, or a program, puts into the home; each goes from the socket to the disk as it comes. */
import multipart, { type MultipartFile } from '@fastify/multipart'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { type ReceivedFile, UploadAnswer, UploadQuery } from '../../api/files.ts'
import { BadRequest, isOurs, UnsupportedMediaType, UploadIncomplete } from '../../errors.ts'
import { answerPage } from './answer-page.ts'
import type { Desk } from './desk.ts'
import { wantsHtml } from './negotiate.ts'
import { type Notice, toast } from './notices.ts'
import { beginToPublish, publishAnswer } from './publishing.ts'
import { unpublishAction } from './views/file-row.ts'
import { countOf, shown } from './words.ts'

/** One upload; a folder with more is sent in two. */
const MAX_FILES = 10_000
/** Nothing but files is read; what a form sends besides them is small. */
const MAX_FIELDS = 16
const MAX_FIELD_BYTES = 1_024
/** Who has sent files waits this much longer to hear that they are published, and not only on their way. */
const PAGE_WAITS_MS = 500
/** Files of one upload that are hashed one beside the other. */
const PUBLISH_AT_ONCE = 4

type Received = Awaited<ReturnType<Desk['place']['receive']>>

export const uploadRoute: FastifyPluginAsyncTypebox<Desk> = async (app, desk) => {
  // In a scope of its own, so that no other route takes multipart.
  await app.register(multipart, {
    // Folders come along; Place makes a safe name of everything.
    preservePath: true,
    // A file past the limit just ends: it is told by `truncated` below, never by an error that comes too late.
    throwFileSizeLimit: false,
    limits: {
      files: MAX_FILES,
      parts: MAX_FILES + MAX_FIELDS,
      fields: MAX_FIELDS,
      fieldSize: MAX_FIELD_BYTES,
      fileSize: Number.MAX_SAFE_INTEGER,
    },
  })
  const schema = { querystring: UploadQuery, response: { 201: UploadAnswer } }
  app.post('/myfiles', { schema }, async (request, reply) => {
    if (!request.isMultipart()) throw new UnsupportedMediaType()
    const received = await receiveAll(desk, request)
    desk.folder.expire()
    const publish = request.query.publish === '1'
    if (wantsHtml(request)) {
      const names = received.map(({ name }) => name)
      if (publish) await beginToPublish(desk, names, PAGE_WAITS_MS)
      return await answerPage(desk, request, reply, { names, parts: [toast(noticeOf(desk, received, publish))] })
    }
    if (received.length === 0) throw new BadRequest('it has no file')
    return reply.code(201).send({ files: publish ? await publishAll(desk, received) : received.map(plain) })
  })
}

const receiveAll = async (desk: Desk, request: FastifyRequest): Promise<readonly Received[]> => {
  const received: Received[] = []
  const abort = new AbortController()
  request.raw.once('close', () => {
    if (!request.raw.readableEnded) abort.abort(new UploadIncomplete())
  })
  try {
    for await (const part of request.files({ limits: { fileSize: await desk.place.freeSpace() } })) {
      // A form without a chosen file sends one without a name.
      if (part.filename === '' || part.filename === undefined) {
        part.file.resume()
        continue
      }
      received.push(
        await desk.place.receive(complete(part), part.filename, { signal: abort.signal, keepFolders: true }),
      )
    }
    return received
  } catch (error) {
    desk.folder.expire()
    throw isOurs(error) ? error : new UploadIncomplete({ cause: error })
  }
}

/** The bytes of one part; an error at its end when some are missing, so that the place keeps nothing of it. */
async function* complete({ file }: MultipartFile): AsyncIterable<Uint8Array> {
  yield* file
  if (file.truncated) throw new UploadIncomplete()
}

const publishAll = async (desk: Desk, received: readonly Received[]): Promise<ReceivedFile[]> => {
  const answers: ReceivedFile[] = []
  for (let at = 0; at < received.length; at += PUBLISH_AT_ONCE) {
    const some = received.slice(at, at + PUBLISH_AT_ONCE)
    const published = await Promise.all(some.map(({ name }) => desk.published.publish(name)))
    answers.push(...published.map((file) => publishAnswer(desk, file)))
  }
  return answers
}

const plain = ({ name, size }: Received): ReceivedFile => ({ name, size })

const noticeOf = (desk: Desk, received: readonly Received[], publish: boolean): Notice => {
  const [first] = received
  if (!first) return { before: 'No file was chosen.' }
  const ready = received.every(({ name }) => desk.published.stateOf(name).state === 'published')
  const many = received.length > 1
  const are = many ? 'are' : 'is'
  const outcome = !publish
    ? `${are} in your folder, still private`
    : ready
      ? `${are} published`
      : `${are} being prepared`
  if (many) return { before: `${countOf(received.length, 'file')} ${publish && ready ? 'published' : outcome}` }
  const undo = { ...unpublishAction(first.name), word: 'Undo', said: `Undo: unpublish ${shown(first.name)}` }
  return { name: shown(first.name), after: ` ${outcome}`, undo: publish ? undo : undefined }
}
