/** Nodes: every computer of the table, and this one. */
import { DEFAULT_PAGE_SIZE } from '../../../api/paging.ts'
import type { Peer } from '../../../dht/table.ts'
import type { Desk } from '../desk.ts'
import type { Face } from '../faces.ts'
import { type LiveList, type LiveView, listHtml, type Row } from '../live.ts'
import { type Part, render } from '../render.ts'
import { countOf, pointInTime, shown, sizeWords } from '../words.ts'
import { meshDrawing, presence } from './mesh.ts'
import { pager } from './pager.ts'
import { address, shell } from './shell.ts'

interface NodeRow {
  readonly id: string
  /** Its identity; undefined for this computer. */
  readonly peer: string | undefined
  readonly face: Face
  readonly name: string
  /** Where its name leads; undefined when it leads nowhere. */
  readonly href: string | undefined
  readonly fact: string
  readonly address: string
  readonly away: boolean
  readonly gone: boolean
  /** Its own page, where this browser can open it: on this very computer. */
  readonly visit: string | undefined
}

const WORDS_AGE_MS = 60_000
const MAX_LATE = 200
const collator = new Intl.Collator(undefined, { numeric: true })

export const nodesAddress = (page: number): string => address('/nodes', { page })

export const nodesPage = async (desk: Desk, page: number): Promise<string> => {
  const { parts, list } = await nodesView(desk, page)()
  const html = Object.fromEntries(parts.map((part) => [part.target.slice(1), part.html]))
  return render('page', {
    shell: shell(desk, { title: 'Nodes', page: 'nodes', live: address('/events', { view: 'nodes', page }) }),
    main: render('nodes', { ...html, list: list && listHtml(list) }),
  })
}

/** What a page of the list brings. */
export const nodesList = async (desk: Desk, page: number): Promise<readonly Part[]> => [
  { target: '#peers', html: listHtml(nodeList(desk, { page, seen: new Map(), now: Date.now() })) },
  {
    target: '#live',
    swap: 'outerHTML',
    html: render('fragments/live', { live: address('/events', { view: 'nodes', page }) }),
  },
]

export const nodesView = (desk: Desk, page: number): LiveView => {
  const seen = new Map<string, NodeRow>()
  return async () => {
    const drawing = { ...meshDrawing(desk), heading: 'The mesh', link: false }
    return {
      parts: [
        { target: '#counts', html: render('fragments/counts', { text: presence(desk.table) }) },
        { target: '#mesh', html: render('fragments/mesh', drawing) },
      ],
      list: nodeList(desk, { page, seen, now: Date.now() }),
      againMs: WORDS_AGE_MS,
    }
  }
}

const nodeList = (
  desk: Desk,
  { page, seen, now }: { page: number; seen: Map<string, NodeRow>; now: number },
): LiveList => {
  const peers = desk.table.all().toSorted((a, b) => collator.compare(a.name, b.name) || (a.id < b.id ? -1 : 1))
  const from = (page - 1) * DEFAULT_PAGE_SIZE
  const rows = [
    ...(page === 1 ? [selfRow(desk)] : []),
    ...peers.slice(from, from + DEFAULT_PAGE_SIZE).map((peer) => peerRow(desk, peer, now)),
  ]
  const inList = new Set(rows.map(({ id }) => id))
  const late = [...seen.values()]
    .filter(({ id }) => !inList.has(id))
    .map((row) => {
      const still = row.peer === undefined ? undefined : desk.table.get(row.peer)
      return still ? peerRow(desk, still, now) : goneRow(row)
    })
  seen.clear()
  for (const row of [...late.slice(-MAX_LATE), ...rows]) seen.set(row.id, row)
  const frame = {
    text: countOf(peers.length + 1, 'computer'),
    fresh: nodesAddress(page),
    noun: 'computer',
    pager: pager({ page, size: DEFAULT_PAGE_SIZE, total: peers.length }, nodesAddress),
  }
  return {
    target: '#peers',
    rows: rows.map(htmlOf),
    late: late.map(htmlOf),
    wrap: (html) => render('fragments/node-list', { ...frame, rows: html }),
  }
}

const htmlOf = (row: NodeRow): Row => ({ id: row.id, html: render('fragments/node-row', row) })

const selfRow = ({ self, faceOf, published }: Desk): NodeRow => ({
  id: 'n-self',
  peer: undefined,
  face: faceOf(self.id, self.name),
  name: shown(self.name),
  href: '/myfiles',
  fact: `This computer, ${countOf(published.files().size, 'file')} published`,
  address: self.address,
  away: false,
  gone: false,
  visit: undefined,
})

const peerRow = ({ faceOf, table }: Desk, peer: Peer, now: number): NodeRow => {
  const { id, name, alive, files, size, lastSeenMs } = peer
  const address = table.addressOf(id) ?? ''
  const has = files.size === 0 ? 'nothing published' : `${countOf(files.size, 'file')}, ${sizeWords(size)}`
  return {
    id: `n-${id.slice(0, 12)}`,
    peer: id,
    face: faceOf(id, name),
    name: shown(name),
    href: `/nodes/${id}`,
    fact: alive ? `Here now, ${has}` : `Away since ${pointInTime(lastSeenMs, now)}, ${has}`,
    address,
    away: !alive,
    gone: false,
    visit: visitOf(peer, address),
  }
}

/** The page of another node, which only a browser on the very same computer can open. */
export const visitOf = ({ alive }: Peer, address: string): string | undefined =>
  alive && address.startsWith('127.0.0.1:') ? `http://${address}/` : undefined

const goneRow = (row: NodeRow): NodeRow => ({
  ...row,
  fact: 'Not in the table any more',
  href: undefined,
  away: true,
  gone: true,
  visit: undefined,
})
