/** Files that the browser, or a program, puts into the home; each goes from the socket to the disk as it comes. */
import multipart, { type MultipartFile } from '@fastify/multipart'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { MAX_FILES_AT_ONCE, type ReceivedFile, UploadAnswer, UploadQuery } from '../../api/files.ts'
import { BadRequest, DiskFull, isOurs, UnsupportedMediaType, UploadIncomplete } from '../../errors.ts'
import { answerPage } from './answer-page.ts'
import type { Desk } from './desk.ts'
import { wantsHtml } from './negotiate.ts'
import { toast } from './notices.ts'
import { addedNotice, beginToPublish, publishAll } from './publishing.ts'
import { STALL_MS, watchBody } from './watchdog.ts'

/** Nothing but files is read; what a form sends besides them is small. */
const MAX_FIELDS = 16
const MAX_FIELD_BYTES = 1_024
/** Who has sent files waits this much longer to hear that they are published, and not only on their way. */
const PAGE_WAITS_MS = 500

type Received = Awaited<ReturnType<Desk['place']['receive']>>

export const uploadRoute: FastifyPluginAsyncTypebox<Desk> = async (app, desk) => {
  // In a scope of its own, so that no other route takes multipart.
  await app.register(multipart, {
    // Folders come along; Place makes a safe name of everything.
    preservePath: true,
    // A file past the limit just ends: it is told by `truncated` below, never by an error that comes too late.
    throwFileSizeLimit: false,
    limits: {
      files: MAX_FILES_AT_ONCE,
      parts: MAX_FILES_AT_ONCE + MAX_FIELDS,
      fields: MAX_FIELDS,
      fieldSize: MAX_FIELD_BYTES,
      fileSize: Number.MAX_SAFE_INTEGER,
    },
  })
  const schema = { querystring: UploadQuery, response: { 201: UploadAnswer } }
  app.post('/myfiles', { schema, config: { upload: true } }, async (request, reply) => {
    if (!request.isMultipart()) throw new UnsupportedMediaType()
    // What is left of a body that was given up is not read, and its sender not waited for.
    const received = await receiveAll(desk, request, () => {
      if (reply.sent) request.raw.destroy()
      else reply.header('connection', 'close')
    })
    const publish = request.query.publish === '1'
    if (wantsHtml(request)) {
      const names = received.map(({ name }) => name)
      if (publish) await beginToPublish(desk, names, PAGE_WAITS_MS)
      return await answerPage(desk, request, reply, { names, parts: [toast(addedNotice(desk, names, publish))] })
    }
    if (received.length === 0) throw new BadRequest('it has no file')
    return reply.code(201).send({
      files: publish
        ? await publishAll(
            desk,
            received.map(({ name }) => name),
          )
        : received.map(plain),
    })
  })
}

const receiveAll = async (desk: Desk, request: FastifyRequest, onGivenUp: () => void): Promise<readonly Received[]> => {
  const received: Received[] = []
  const abort = new AbortController()
  const { signal } = abort
  request.raw.once('close', () => {
    if (!request.raw.readableEnded) abort.abort(new UploadIncomplete())
  })
  watchBody(request.raw, desk.stallMs ?? STALL_MS, () => {
    onGivenUp()
    abort.abort(new UploadIncomplete())
  })
  try {
    const parts = request.files({ limits: { fileSize: await desk.place.freeSpace() } })
    for (
      let part = await untilGivenUp(parts.next(), signal);
      !part.done;
      part = await untilGivenUp(parts.next(), signal)
    ) {
      const { file, filename } = part.value
      // A form without a chosen file sends one without a name.
      if (filename === '' || filename === undefined) {
        file.resume()
        continue
      }
      const kept = await desk.place.receive(complete(part.value), chosenName(filename), { signal, keepFolders: true })
      desk.folder.put(kept)
      received.push(kept)
    }
    return received
  } catch (error) {
    // Refused while it still comes: what is left unread would stand before the next request of this connection.
    if (!signal.aborted) request.raw.unpipe().resume()
    throw isOurs(error) ? error : new UploadIncomplete({ cause: error })
  }
}

/** Browsers write quotes and line ends of a name so in a form, and nothing else (HTML, 4.10.21.8). */
const chosenName = (filename: string): string =>
  filename.replace(/%22/g, '"').replace(/%0A/gi, '\n').replace(/%0D/gi, '\r')

/** @throws the signal's reason. */
const untilGivenUp = async <Result>(coming: Promise<Result>, signal: AbortSignal): Promise<Result> => {
  const { promise, reject } = Promise.withResolvers<never>()
  const leave = (): void => reject(signal.reason)
  signal.addEventListener('abort', leave)
  if (signal.aborted) leave()
  try {
    return await Promise.race([coming, promise])
  } finally {
    signal.removeEventListener('abort', leave)
  }
}

/** The bytes of one part; an error at its end when the room did not suffice, so that the place keeps nothing of it. */
async function* complete({ file }: MultipartFile): AsyncIterable<Uint8Array> {
  yield* file
  if (file.truncated) throw new DiskFull()
}

const plain = ({ name, size }: Received): ReceivedFile => ({ name, size })
