/** The home page: the list of everything on the mesh, and at its side who is there and what is ours. */
import type { CatalogueQuery } from '../../../api/catalogue.ts'
import type { Desk } from '../desk.ts'
import { type LiveView, listHtml, type Snapshot } from '../live.ts'
import { render } from '../render.ts'
import { count, countOf } from '../words.ts'
import { catalogueList, homeAddress, type Seen } from './catalogue-list.ts'
import { reachPart } from './lan.ts'
import { meshDrawing } from './mesh.ts'
import { myRow } from './my-row.ts'
import { allNotes, notesPart } from './notes.ts'
import { address, shell } from './shell.ts'
import { smallParts } from './transfer-card.ts'
import { isMoving } from './transfer-words.ts'
import { onceASecond } from './transfers.ts'

const KINDS = [
  ['', 'All'],
  ['document', 'Documents'],
  ['picture', 'Pictures'],
  ['video', 'Video'],
  ['music', 'Music'],
  ['other', 'Other'],
] as const

/** Own files in the card at the side, and on the first page of all. */
const SHOWN_OF_MINE = 5
/** "4 minutes ago" should not become a lie. */
const WORDS_AGE_MS = 60_000
/** While something is prepared its percent grows; the store tells it, this is for the time that is left. */
const PREPARING_MS = 1_000
/** While a file comes: its percent, rate and time. */
const MOVING_MS = 500

export const homePage = async (desk: Desk, query: CatalogueQuery): Promise<string> => {
  const first = desk.catalogue.count === 0
  const view = first ? firstView(desk) : homeView(desk, query)
  const live = first ? FIRST_ADDRESS : liveAddress(query)
  return render('page', {
    shell: shell(desk, { title: 'On the mesh', page: 'home', live }),
    main: mainOf(query, await view()),
  })
}

const FIRST_ADDRESS = '/events?view=first'

const liveAddress = ({ q, kind, sort, page, size }: CatalogueQuery): string =>
  address('/events', { view: 'home', q, kind, sort, page, size })

/** What search, kinds and sort bring: the list with its choices, and the stream that keeps it. */
export const homeList = async (desk: Desk, query: CatalogueQuery) => {
  const list = catalogueList(desk, query, Date.now(), new Map())
  return [
    { target: '#kinds', html: render('fragments/kinds', kindsModel(query)) },
    { target: '#catalogue', html: listHtml(list) },
    { target: '#live', swap: 'outerHTML' as const, html: render('fragments/live', { live: liveAddress(query) }) },
  ]
}

/** The page with the list, live. */
export const homeView = (desk: Desk, query: CatalogueQuery): LiveView => {
  const seen = new Map<string, Seen>()
  const drawing = drawingOf(desk)
  return async () => {
    await desk.here.look()
    const now = Date.now()
    const moves = desk.transfers.all().some(isMoving)
    const mine = await mineCard(desk, now)
    return {
      parts: [
        { target: '#counts', html: render('fragments/counts', { text: countsText(desk) }) },
        { target: '#q', html: render('fragments/find', findModel(desk, query)) },
        notesPart(allNotes(desk, now)),
        { target: '#mesh', html: drawing() },
        { target: '#mine', html: mine.html },
        reachPart(desk),
        ...smallParts(desk, now),
      ],
      list: catalogueList(desk, query, now, seen),
      againMs: moves ? MOVING_MS : mine.preparing ? PREPARING_MS : WORDS_AGE_MS,
      moving: mine.preparing || moves,
    }
  }
}

/** Who is there is drawn at once, how fast something comes once a second. */
const drawingOf = (desk: Desk): (() => string) => {
  const draw = (): string => render('fragments/mesh', meshDrawing(desk))
  const paced = onceASecond(draw)
  return () => (desk.transfers.all().some(isMoving) ? paced() : draw())
}

/** The page as long as nobody shares anything; with the first file it becomes the page with the list. */
export const firstView = (desk: Desk): LiveView => {
  return async () => {
    if (desk.catalogue.count > 0) return await turned(desk)
    const now = Date.now()
    const { files } = await desk.folder.list()
    const preparing = files.some(({ state }) => state === 'preparing')
    const rows = files.slice(0, SHOWN_OF_MINE).map((file) => render('fragments/my-row', myRow(desk, file, now)))
    return {
      parts: [
        { target: '#folder', html: render('fragments/first-folder', { rows }) },
        notesPart(allNotes(desk, now)),
        { target: '#mesh', html: render('fragments/mesh', meshDrawing(desk)) },
        reachPart(desk),
      ],
      againMs: preparing ? PREPARING_MS : WORDS_AGE_MS,
      moving: preparing,
    }
  }
}

const turned = async (desk: Desk): Promise<Snapshot> => ({
  parts: [
    { target: '#main', html: mainOf({}, await homeView(desk, {})()) },
    { target: '#live', swap: 'outerHTML', html: render('fragments/live', { live: liveAddress({}) }) },
  ],
})

const mainOf = (query: CatalogueQuery, { parts, list }: Snapshot): string => {
  const html = Object.fromEntries(parts.map((part) => [part.target.slice(1), part.html]))
  if (!list) return render('first-run', html)
  return render('home', { ...html, kinds: render('fragments/kinds', kindsModel(query)), list: listHtml(list), query })
}

const countsText = ({ self, table, catalogue, published }: Desk): string => {
  const sharing = table.all().filter(({ id, files }) => id !== self.id && files.size > 0).length
  const computers = sharing + (published.files().size > 0 ? 1 : 0)
  return catalogue.count === 0
    ? 'nothing is shared right now'
    : `${countOf(catalogue.count, 'file')} from ${countOf(computers, 'computer')}`
}

const findModel = ({ catalogue }: Desk, { q = '' }: CatalogueQuery) => ({
  q,
  placeholder: `Search ${countOf(catalogue.count, 'file')}`,
})

const kindsModel = (query: CatalogueQuery) => ({
  kind: query.kind ?? '',
  field: 'kind',
  kinds: KINDS.map(([kind, label]) => ({
    label,
    href: homeAddress({ ...query, kind, page: 1 }),
    current: kind === (query.kind ?? ''),
  })),
})

const mineCard = async (desk: Desk, now: number): Promise<{ html: string; preparing: boolean }> => {
  const { files } = await desk.folder.list()
  const rows = files.slice(0, SHOWN_OF_MINE).map((file) => myRow(desk, file, now))
  const nothing = desk.published.files().size === 0
  return {
    html: render('fragments/mine', {
      total: count(files.length),
      rows: rows.map((row) => render('fragments/mine-row', row)),
      nothing,
    }),
    preparing: rows.some(({ state }) => state === 'preparing'),
  }
}
