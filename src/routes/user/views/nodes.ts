/** Nodes: every computer of the table, and this one. */
import { DEFAULT_PAGE_SIZE } from '../../../api/paging.ts'
import type { Peer } from '../../../dht/table.ts'
import { shortFingerprint } from '../../../trust/acquaintances.ts'
import type { Desk } from '../desk.ts'
import type { Face } from '../faces.ts'
import { type LiveList, type LiveView, listHtml, type Row } from '../live.ts'
import { addressOf, calledOf, otherOf, others } from '../others.ts'
import { type Part, render } from '../render.ts'
import { countOf, pointInTime, shown, sizeWords, when } from '../words.ts'
import { reachPart } from './lan.ts'
import { meshDrawing, presence } from './mesh.ts'
import { lieWords, unblockAction } from './notes.ts'
import { pager } from './pager.ts'
import type { Action, Fact } from './parts.ts'
import { address, shell } from './shell.ts'

interface NodeRow {
  readonly id: string
  /** Its identity; undefined for this computer. */
  readonly peer: string | undefined
  readonly face: Face
  readonly name: string
  /** Where its name leads; undefined when it leads nowhere. */
  readonly href: string | undefined
  readonly fact: Fact
  readonly address: string
  readonly fingerprint: string
  readonly away: boolean
  readonly gone: boolean
  /** Its own page, where this browser can open it: on this very computer. */
  readonly visit: string | undefined
  readonly action: Action | undefined
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
        reachPart(desk),
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
  const { called } = desk
  const peers = others(desk).toSorted((a, b) => collator.compare(called(a), called(b)) || (a.id < b.id ? -1 : 1))
  const from = (page - 1) * DEFAULT_PAGE_SIZE
  const rows = [
    ...(page === 1 ? [selfRow(desk)] : []),
    ...peers.slice(from, from + DEFAULT_PAGE_SIZE).map((peer) => peerRow(desk, peer, now)),
  ]
  const inList = new Set(rows.map(({ id }) => id))
  const late = [...seen.values()]
    .filter(({ id }) => !inList.has(id))
    .map((row) => {
      const still = row.peer === undefined ? undefined : otherOf(desk, row.peer)
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
  fact: { before: `This computer, ${countOf(published.files().size, 'file')} published` },
  address: self.address,
  fingerprint: shortFingerprint(self.id),
  away: false,
  gone: false,
  visit: undefined,
  action: undefined,
})

export const nodeRowId = (id: string): string => `n-${id.slice(0, 12)}`

export const nodeRowPart = (desk: Desk, peer: Peer): Part => {
  const { id, html } = htmlOf(peerRow(desk, peer, Date.now()))
  return { target: `#${id}`, html }
}

const peerRow = (desk: Desk, peer: Peer, now: number): NodeRow => {
  const { faceOf, called, who } = desk
  const { id, name, alive } = peer
  const address = addressOf(peer)
  const blocked = who.acquaintances.isBlocked(id)
  return {
    id: nodeRowId(id),
    peer: id,
    face: faceOf(id, name),
    name: shown(called(peer)),
    href: `/nodes/${id}`,
    fact: factOf(desk, peer, now),
    address,
    fingerprint: shortFingerprint(id),
    away: !alive,
    gone: false,
    visit: visitOf(peer, address),
    action: blocked ? unblockAction(desk, id) : undefined,
  }
}

/** The gravest thing that can be said of it; else whether it is here, and what it has. */
const factOf = ({ who, table }: Desk, { id, alive, files, size, lastSeenMs }: Peer, now: number): Fact => {
  const { acquaintances, doubles } = who
  const known = acquaintances.get(id)
  if (known?.blockedMs !== undefined) return { tone: 'no', icon: 'close', before: 'Blocked, gets nothing of yours' }
  const warning = acquaintances.warningOf(id)
  if (warning?.kind === 'pretends') {
    const name = shown(calledOf(warning.other))
    return { tone: 'no', icon: 'alert', before: 'Not the ', name, after: ' you know' }
  }
  if (doubles.of(id)) return { tone: 'care', icon: 'alert', before: 'Two computers have its key' }
  if (known?.lied) {
    const { atMs, code } = known.lied
    return { tone: 'care', icon: 'alert', before: `It ${lieWords(code)}, ${when(atMs, now)}` }
  }
  const has = files.size === 0 ? 'nothing published' : `${countOf(files.size, 'file')}, ${sizeWords(size)}`
  if (!table.get(id)) return { before: 'Not in the table any more' }
  return { before: alive ? `Here now, ${has}` : `Away since ${pointInTime(lastSeenMs, now)}, ${has}` }
}

/** The page of another node, which only a browser on the very same computer can open. */
export const visitOf = ({ alive }: Peer, address: string): string | undefined =>
  alive && address.startsWith('127.0.0.1:') ? `http://${address}/` : undefined

const goneRow = (row: NodeRow): NodeRow => ({
  ...row,
  fact: { before: 'Not in the table any more' },
  href: undefined,
  away: true,
  gone: true,
  visit: undefined,
  action: undefined,
})
