/** Fetch a file of the mesh now and hand it to whoever asked, as a download. */
import { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import { ContentParams, PeerFileParams } from '../../api/catalogue.ts'
import type { CatalogueEntry } from '../../dht/catalogue.ts'
import { AmbiguousHash, FileChanged, NoHolder, UnknownContent, UnknownPeer } from '../../errors.ts'
import type { PublishedFile } from '../../store/published.ts'
import type { Source } from '../../transfer/whole.ts'
import type { Desk } from './desk.ts'
import { contentDisposition } from './disposition.ts'
import { otherHolders } from './views/file-row.ts'

/** What was asked for: one of our own published files, or a content and who has it, in the order in which they are asked. */
type Wanted =
  | { readonly own: PublishedFile }
  | { readonly name: string; readonly size: number; readonly hash: string; readonly sources: readonly Source[] }

/** Read from the disk at once. */
const CHUNK_BYTES = 256 * 1024

export const getfileRoutes: FastifyPluginAsyncTypebox<Desk> = async (app, desk) => {
  const byContent = { schema: { params: ContentParams } }
  const byPeer = { schema: { params: PeerFileParams } }
  app.get('/getfile/:hash', byContent, async ({ params }, reply) =>
    send(desk, wantedContent(desk, params.hash.toLowerCase()), reply),
  )
  app.head('/getfile/:hash', byContent, async ({ params }, reply) =>
    headersOf(wantedContent(desk, params.hash.toLowerCase()), reply).send(),
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
const wantedContent = (desk: Desk, hash: string): Wanted => {
  const [own] = [...desk.published.byRoot(hash), ...desk.published.byHash(hash)]
  if (own) return { own }
  const entries = desk.catalogue.find(hash)
  if (entries.length === 0) throw new UnknownContent()
  const fetchable = entries
    .map((entry) => ({ entry, sources: sourcesOf(desk, entry) }))
    .filter(({ sources }) => sources.length > 0)
  const [only, other] = fetchable
  if (!only) throw new NoHolder()
  if (other) throw new AmbiguousHash(fetchable.map(({ entry }) => entry.root).join(', '))
  const { entry, sources } = only
  return { name: entry.names[0] ?? '', size: entry.size, hash: entry.hash, sources }
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
  return { name, size: file.size, hash: file.hash, sources: [{ address, id: found.id, fileName: name }] }
}

const sourcesOf = (desk: Desk, entry: CatalogueEntry): readonly Source[] =>
  otherHolders(desk, entry).flatMap(({ id, fileName, alive, address }) =>
    alive && address !== undefined ? [{ id, fileName, address }] : [],
  )

const send = async (desk: Desk, wanted: Wanted, reply: FastifyReply): Promise<FastifyReply> => {
  const abort = new AbortController()
  reply.raw.once('close', () => abort.abort())
  const body = 'own' in wanted ? fromDisk(desk, wanted.own) : await fromMesh(desk, wanted, abort.signal)
  // A failure before the first byte is an answer in words; after it the connection breaks, and the download with it.
  const bytes = logged(desk, body, abort.signal)
  return headersOf(wanted, reply).send(Readable.from(bytes, { objectMode: false, highWaterMark: CHUNK_BYTES }))
}

const headersOf = (wanted: Wanted, reply: FastifyReply): FastifyReply => {
  const { name, size } = 'own' in wanted ? wanted.own : wanted
  return reply.headers({
    'content-type': 'application/octet-stream',
    'content-length': size,
    'content-disposition': contentDisposition(name),
    'content-security-policy': 'sandbox',
  })
}

const fromMesh = async (
  desk: Desk,
  { size, hash, sources }: Exclude<Wanted, { own: PublishedFile }>,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> => (await desk.fetchWhole({ size, hash, sources, signal })).body

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

/** Our own copy. Every chunk waits for the proof that the file is still what was published. */
async function* fromDisk({ published }: Desk, { name, size }: PublishedFile): AsyncIterable<Uint8Array> {
  const served = await published.open(name)
  try {
    for (let position = 0; position < size; ) {
      const chunk = new Uint8Array(Math.min(CHUNK_BYTES, size - position))
      const filled = await served.read(position, chunk)
      await served.check()
      if (filled < chunk.length) throw new FileChanged()
      yield chunk
      position += filled
    }
  } finally {
    await served.close()
  }
}
