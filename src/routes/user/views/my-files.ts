/** My files: what lies in the folder of this computer, published or not. */
import type { MyFilesQuery } from '../../../api/files.ts'
import { DEFAULT_PAGE_SIZE } from '../../../api/paging.ts'
import { shortFingerprint } from '../../../trust/acquaintances.ts'
import type { Desk } from '../desk.ts'
import type { Listing, MyFile } from '../folder.ts'
import { type LiveList, type LiveView, listHtml, type Row } from '../live.ts'
import { type Part, render } from '../render.ts'
import { count, countOf } from '../words.ts'
import { reachPart } from './lan.ts'
import { type MyRow, myRow } from './my-row.ts'
import { pager } from './pager.ts'
import { address, shell } from './shell.ts'

const SHOW = [
  ['', 'All'],
  ['published', 'Published'],
  ['private', 'Private'],
] as const

const MAX_LATE = 200
/** What other programs put into the folder appears after this. */
const LOOK_MS = 3_000
const PREPARING_MS = 1_000
/** At most a twentieth of the time goes into looking. */
const REST_PER_WALK = 20

/** The address of the page with its query. */
export const myFilesAddress = ({ q, show, page }: MyFilesQuery): string => address('/myfiles', { q, show, page })

/** Files that fit the words and the choice; the latest first. */
export const filesThatFit = ({ files }: Listing, { q = '', show = '' }: MyFilesQuery): readonly MyFile[] => {
  const words = fold(q).split(/\s+/).filter(Boolean)
  const fits = (file: MyFile): boolean => {
    if (show !== '' && (file.state === 'private') !== (show === 'private')) return false
    return words.length === 0 || allIn(fold(file.name), words)
  }
  return words.length === 0 && show === '' ? files : files.filter(fits)
}

export const myFilesPage = async (desk: Desk, query: MyFilesQuery): Promise<string> => {
  const { parts, list } = await myFilesView(desk, query)()
  const html = Object.fromEntries(parts.map((part) => [part.target.slice(1), part.html]))
  return render('page', {
    shell: shell(desk, { title: 'My files', page: 'myfiles', live: liveAddress(query) }),
    main: render('myfiles', {
      ...html,
      kinds: render('fragments/kinds', showModel(query)),
      list: list && listHtml(list),
      folder: desk.self.home,
      fingerprint: shortFingerprint(desk.self.id),
    }),
  })
}

/** What search and the choice bring. */
export const myFilesList = async (desk: Desk, query: MyFilesQuery): Promise<readonly Part[]> => [
  { target: '#kinds', html: render('fragments/kinds', showModel(query)) },
  {
    target: '#files',
    html: listHtml(myList(desk, await desk.folder.list(), { query, now: Date.now(), seen: new Map() })),
  },
  { target: '#live', swap: 'outerHTML', html: render('fragments/live', { live: liveAddress(query) }) },
]

export const myFilesView = (desk: Desk, query: MyFilesQuery): LiveView => {
  const seen = new Map<string, SeenFile>()
  return async () => {
    const listing = await desk.folder.list()
    const preparing = listing.files.some(({ state }) => state === 'preparing')
    return {
      parts: [
        { target: '#counts', html: render('fragments/counts', { text: countsText(listing) }) },
        reachPart(desk),
        {
          target: '#q',
          html: render('fragments/find', {
            q: query.q ?? '',
            placeholder: `Search ${countOf(listing.files.length, 'file')}`,
          }),
        },
      ],
      list: myList(desk, listing, { query, now: Date.now(), seen }),
      moving: preparing,
      againMs: Math.max(preparing ? PREPARING_MS : LOOK_MS, desk.folder.walkMs() * REST_PER_WALK),
    }
  }
}

/** One file wherever it may be shown: on My files, in the card of the home page, on the first page. */
export const myFileParts = (desk: Desk, file: MyFile): readonly Part[] => {
  const row = myRow(desk, file, Date.now())
  return [
    { target: `#my-${row.key}`, html: render('fragments/my-row', row) },
    { target: `#mine-${row.key}`, html: render('fragments/mine-row', row) },
  ]
}

interface SeenFile {
  readonly name: string
  readonly row: MyRow
}

const liveAddress = ({ q, show, page, size }: MyFilesQuery): string =>
  address('/events', { view: 'myfiles', q, show, page, size })

const myList = (
  desk: Desk,
  listing: Listing,
  { query, now, seen }: { query: MyFilesQuery; now: number; seen: Map<string, SeenFile> },
): LiveList => {
  const { page = 1, size = DEFAULT_PAGE_SIZE } = query
  const found = filesThatFit(listing, query)
  const from = (page - 1) * size
  const rows = found
    .slice(from, from + size)
    .map((file): SeenFile => ({ name: file.name, row: myRow(desk, file, now) }))
  const inList = new Set(rows.map(({ row }) => row.key))
  const missing = [...seen.values()].filter(({ row }) => !inList.has(row.key))
  const byName =
    missing.length > 0 ? new Map(listing.files.map((file) => [file.name, file])) : new Map<string, MyFile>()
  const late = missing.map(({ name, row }): SeenFile => {
    const file = byName.get(name)
    return { name, row: file ? myRow(desk, file, now) : goneRow(row) }
  })
  seen.clear()
  for (const each of [...late.slice(-MAX_LATE), ...rows]) seen.set(each.row.key, each)
  const frame = {
    text: query.q || query.show ? `${countOf(found.length, 'file')} found` : 'Newest first',
    incomplete: listing.complete ? '' : `Only the first ${count(listing.files.length)} files are listed.`,
    fresh: myFilesAddress(query),
    noun: 'file',
    published: listing.files.some(({ state }) => state !== 'private'),
    empty: found.length === 0 ? emptyModel(query, listing) : undefined,
    pager: pager({ page, size, total: found.length }, (other) => myFilesAddress({ ...query, page: other })),
  }
  return {
    target: '#files',
    rows: rows.map(({ row }) => htmlOf(row)),
    late: late.map(({ row }) => htmlOf(row)),
    wrap: (html) => render('fragments/my-list', { ...frame, rows: html }),
  }
}

const htmlOf = (row: MyRow): Row => ({ id: `my-${row.key}`, html: render('fragments/my-row', row) })

const goneRow = (row: MyRow): MyRow => ({
  ...row,
  state: 'gone',
  percent: undefined,
  fact: { before: 'Not in your folder any more' },
  action: undefined,
  reach: undefined,
})

const countsText = ({ files }: Listing): string => {
  const published = files.filter(({ state }) => state === 'published').length
  return `${countOf(files.length, 'file')}, ${published === 0 ? 'none' : count(published)} published`
}

const showModel = (query: MyFilesQuery) => ({
  kind: query.show ?? '',
  field: 'show',
  kinds: SHOW.map(([show, label]) => ({
    label,
    href: myFilesAddress({ ...query, show, page: 1 }),
    current: show === (query.show ?? ''),
  })),
})

const emptyModel = ({ q, show }: MyFilesQuery, { files }: Listing) => {
  const text = `${countOf(files.length, 'file')} ${files.length === 1 ? 'is' : 'are'} in your folder.`
  if (q) return { before: 'Nothing fits “', name: q, after: '”', text, all: '/myfiles' }
  if (show && files.length > 0)
    return {
      before: show === 'private' ? 'Everything is published' : 'Nothing is published yet',
      text,
      all: '/myfiles',
    }
  return {
    before: 'Your folder is empty',
    text: 'Files you choose are copied into it. Files you put there yourself appear here.',
  }
}

const fold = (text: string): string => text.normalize('NFKC').toLowerCase()

const allIn = (text: string, words: readonly string[]): boolean => words.every((word) => text.includes(word))
