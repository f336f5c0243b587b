/** The list of everything on the mesh: one page of it, and the rows that left it while it was open. */
import type { CatalogueQuery } from '../../../api/catalogue.ts'
import { DEFAULT_PAGE_SIZE } from '../../../api/paging.ts'
import type { CatalogueEntry } from '../../../dht/catalogue.ts'
import type { Desk } from '../desk.ts'
import type { LiveList, Row } from '../live.ts'
import { render } from '../render.ts'
import { count, countOf } from '../words.ts'
import { type FileRow, fileRow, goneRow } from './file-row.ts'
import { pager } from './pager.ts'
import { address } from './shell.ts'

const SORTS = [
  ['', 'Newest first'],
  ['name', 'By name'],
  ['size', 'Largest first'],
  ['holders', 'Most holders'],
] as const

/** Rows a page may still show after they left the list. */
const MAX_LATE = 200

/** The address of the list with its query, as the address bar shows it. */
export const homeAddress = ({ q, kind, sort, page }: CatalogueQuery): string =>
  address('/', { q, kind, sort: sort === 'new' ? '' : sort, page })

/** A row as a page has it. */
export interface Seen {
  readonly entry: CatalogueEntry
  readonly row: FileRow
}

/** @param seen - what the page was shown so far; kept up by this function. */
export const catalogueList = (desk: Desk, query: CatalogueQuery, now: number, seen: Map<string, Seen>): LiveList => {
  const { q, kind, sort, page = 1, size = DEFAULT_PAGE_SIZE } = query
  const found = desk.catalogue.search({ q, kind: kind || undefined, sort: sort || undefined, page, pageSize: size })
  const rows = rowsOf(desk, found.entries, now)
  const inList = new Set(rows.map(({ row }) => row.id))
  const late = [...seen.values()]
    .filter(({ row }) => !inList.has(row.id))
    .map(({ entry, row }): Seen => {
      const still = desk.catalogue.of(entry)
      if (still) return { entry: still, row: { ...fileRow(desk, still, now), id: row.id } }
      return { entry, row: row.gone ? row : goneRow(row) }
    })
  seen.clear()
  for (const each of [...late.slice(-MAX_LATE), ...rows]) seen.set(each.row.id, each)
  const filtered = Boolean(q) || Boolean(kind)
  const frame = {
    text: found.total === 0 ? '' : filtered ? `${countOf(found.total, 'file')} found` : 'Name',
    fresh: homeAddress(query),
    noun: 'file',
    sorts: SORTS.map(([value, label]) => ({ value, label, current: value === (sort === 'new' ? '' : (sort ?? '')) })),
    empty: found.total === 0 ? emptyModel(desk, query) : undefined,
    pager: pager({ page, size, total: found.total }, (other) => homeAddress({ ...query, page: other })),
  }
  return {
    target: '#catalogue',
    rows: rows.map(({ row }) => htmlOf(row)),
    late: late.map(({ row }) => htmlOf(row)),
    wrap: (html) => render('fragments/list', { ...frame, rows: html }),
  }
}

const htmlOf = (row: FileRow): Row => ({ id: row.id, html: render('fragments/file-row', row) })

const rowsOf = (desk: Desk, entries: readonly CatalogueEntry[], now: number): readonly Seen[] => {
  const names = new Set<string>()
  const ids = new Set<string>()
  return entries.map((entry) => {
    const name = (entry.names[0] ?? '').normalize('NFC').toLowerCase()
    const row = fileRow(desk, entry, now, names.has(name))
    names.add(name)
    // Two claims on one root: rare, and a lie in one of them.
    const id = ids.has(row.id) ? `${row.id}-${entry.hash.slice(0, 12)}-${entry.size}` : row.id
    ids.add(id)
    return { entry, row: { ...row, id } }
  })
}

const emptyModel = ({ catalogue }: Desk, { q, kind }: CatalogueQuery) => {
  const here = `${count(catalogue.count)} ${catalogue.count === 1 ? 'file is' : 'files are'} here now, and the list watches for new ones.`
  if (q)
    return {
      before: 'Nothing fits “',
      name: q,
      after: '”',
      text: `No file on the mesh has this in its name. ${here}`,
      all: '/',
    }
  if (kind) return { before: 'Nothing of this kind yet', text: here, all: '/' }
  return { before: 'Nothing is shared right now', text: 'What anybody publishes appears here by itself.' }
}
