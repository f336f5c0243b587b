/** Hand a file to whoever asked, as a download: from our own disk where it is here, else fetched from the mesh now. */
import { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import { ContentParams, PeerFileParams } from '../../api/catalogue.ts'
import { AmbiguousHash, FileChanged, NoHolder, UnknownContent, UnknownPeer } from '../../errors.ts'
import type { PublishedFile } from '../../store/published.ts'
import type { Content } from '../../transfer/fetch.ts'
import type { OpenHolding } from '../../transfer/holding.ts'
import type { Transfer } from '../../transfer/transfer.ts'
import type { Desk } from './desk.ts'
import { contentDisposition } from './disposition.ts'
import { otherHolders } from './views/file-row.ts'

/** What was asked for: a file that we have published, one that we have fetched, or a content of others, and who is asked first. */
type Wanted =
  | { readonly own: PublishedFile }
  | { readonly fetched: Transfer['record'] }
  | (Content & { readonly name: string; readonly first: string | undefined })

/** Read from the disk at once. */
const CHUNK_BYTES = 256 * 1024

export const getfileRoutes: FastifyPluginAsyncTypebox<Desk> = async (app, desk) => {
  const byContent = { schema: { params: ContentParams } }
  const byPeer = { schema: { params: PeerFileParams } }
  app.get('/getfile/:hash', byContent, async ({ params }, reply) =>
    send(desk, await wantedContent(desk, params.hash.toLowerCase()), reply),
  )
  app.head('/getfile/:hash', byContent, async ({ params }, reply) =>
    headersOf(await wantedContent(desk, params.hash.toLowerCase()), reply).send(),
  )
  app.get('/getfile/:peer/:name', byPeer, async ({ params }, reply) => send(desk, wantedFile(desk, params), reply))
  app.head('/getfile/:peer/:name', byPeer, async ({ params }, reply) =>
    headersOf(wantedFile(desk, params), reply).send(),
  )
}

/**
 * What a hash or a root means here.
 * @throws UnknownContent, AmbiguousHash, NoHolder
 */
const wantedContent = async (desk: Desk, hash: string): Promise<Wanted> => {
  const [own] = [...desk.published.byRoot(hash), ...desk.published.byHash(hash)]
  if (own) return { own }
  const fetched = await fetchedContent(desk, hash)
  if (fetched) return { fetched }
  const entries = desk.catalogue.find(hash)
  if (entries.length === 0) throw new UnknownContent()
  const fetchable = entries.filter((entry) => otherHolders(desk, entry).some(({ alive }) => alive))
  const [only, other] = fetchable
  if (!only) throw new NoHolder()
  if (other) throw new AmbiguousHash(fetchable.map(({ root }) => root).join(', '))
  const { root, size, names } = only
  return { root, hash: only.hash, size, name: names[0] ?? '', first: undefined }
}

/** What a transfer brought, and lies in the folder as it came. */
const fetchedContent = async ({ transfers }: Desk, hash: string): Promise<Transfer['record'] | undefined> => {
  for (const { record, state } of transfers.all()) {
    if (state !== 'done' || (record.root !== hash && record.hash !== hash)) continue
    if ((await transfers.finished.look(record)) === 'same') return record
  }
  return undefined
}

/**
 * What a node of the table calls so. The address has to be one of the table, letter for letter.
 * @throws UnknownPeer, UnknownContent, NoHolder
 */
const wantedFile = ({ table, self }: Desk, { peer, name }: PeerFileParams): Wanted => {
  const address = /^[1-9]\d{0,4}$/.test(peer) ? `127.0.0.1:${peer}` : peer
  const found = address === self.address ? undefined : table.at(address)
  if (!found || found.id === self.id) throw new UnknownPeer()
  const file = found.files.get(name)
  if (!file) throw new UnknownContent()
  if (!found.alive) throw new NoHolder()
  return { root: file.root, hash: file.hash, size: file.size, name, first: found.id }
}

const send = async (desk: Desk, wanted: Wanted, reply: FastifyReply): Promise<FastifyReply> => {
  const abort = new AbortController()
  reply.raw.once('close', () => abort.abort())
  const body = await bodyOf(desk, wanted, abort.signal)
  // A failure before the first byte is an answer in words; after it the connection breaks, and the download with it.
  const bytes = logged(desk, body, abort.signal)
  return headersOf(wanted, reply).send(Readable.from(bytes, { objectMode: false, highWaterMark: CHUNK_BYTES }))
}

const headersOf = (wanted: Wanted, reply: FastifyReply): FastifyReply => {
  const { name, size } = 'own' in wanted ? wanted.own : 'fetched' in wanted ? named(wanted.fetched) : wanted
  return reply.headers({
    'content-type': 'application/octet-stream',
    'content-length': size,
    'content-disposition': contentDisposition(name),
    'content-security-policy': 'sandbox',
  })
}

const named = ({ finalName, name, size }: Transfer['record']) => ({ name: finalName ?? name, size })

const bodyOf = async (desk: Desk, wanted: Wanted, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> => {
  if ('own' in wanted) return fromDisk(() => publishedCopy(desk, wanted.own), wanted.own.size)
  if ('fetched' in wanted) return fromDisk(() => desk.transfers.finished.open(wanted.fetched), wanted.fetched.size)
  const { root, hash, size, first } = wanted
  return (await desk.handOn({ root, hash, size }, first, signal)).body
}

async function* logged(desk: Desk, body: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncIterable<Uint8Array> {
  let begun = false
  try {
    for await (const chunk of body) {
      begun = true
      yield chunk
    }
  } catch (error) {
    if (begun && !signal.aborted) desk.onTrouble('a download broke off', error)
    throw error
  }
}

const publishedCopy = async ({ published }: Desk, { name }: PublishedFile): Promise<OpenHolding> => {
  const { read, check, close } = await published.open(name)
  return {
    read: async (position, into) => {
      if ((await read(position, into)) < into.length) throw new FileChanged()
    },
    check,
    close,
  }
}

/** Our own copy. Every chunk waits for the proof that the file is still what it was. */
async function* fromDisk(open: () => Promise<OpenHolding>, size: number): AsyncIterable<Uint8Array> {
  const file = await open()
  try {
    for (let position = 0; position < size; ) {
      const chunk = new Uint8Array(Math.min(CHUNK_BYTES, size - position))
      await file.read(position, chunk)
      await file.check()
      yield chunk
      position += chunk.length
    }
  } finally {
    await file.close()
  }
}
