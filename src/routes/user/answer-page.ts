/** The answer to something done on a page: its rows as they are now, or the way back to it. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { PublishedFile } from '../../store/published.ts'
import type { Desk } from './desk.ts'
import { toHtml } from './live.ts'
import { wantsFragment, wayBack } from './negotiate.ts'
import { type Part, render, sendHtml } from './render.ts'
import { fileRow, goneRow, rowId } from './views/file-row.ts'
import { myFileParts } from './views/my-files.ts'
import { keyOf } from './views/parts.ts'

/** As a page has; the others follow with its stream. */
const MAX_ROWS = 50

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
    .slice(0, MAX_ROWS)
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
export const clearedRow = (desk: Desk, file: PublishedFile): readonly Part[] => {
  const still = meshRow(desk, file)
  if (still.length > 0) return still
  const entry = { ...file, names: [file.name], holders: [{ id: desk.self.id, fileName: file.name }] }
  return [{ target: `#${rowId(file)}`, html: render('fragments/file-row', goneRow(fileRow(desk, entry, Date.now()))) }]
}
