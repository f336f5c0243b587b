/** A node: one other computer and everything it shares. */
import { DEFAULT_PAGE_SIZE } from '../../../api/paging.ts'
import type { SharedFile } from '../../../dht/digest.ts'
import type { Peer } from '../../../dht/table.ts'
import { shortFingerprint } from '../../../trust/acquaintances.ts'
import type { Desk } from '../desk.ts'
import { type LiveList, type LiveView, listHtml, type Row } from '../live.ts'
import { addressOf, calledOf, otherOf } from '../others.ts'
import { type Part, render } from '../render.ts'
import { sharedBy } from '../shared.ts'
import { count, countOf, pointInTime, shown, sizeWords, type Words, when } from '../words.ts'
import { fileRow } from './file-row.ts'
import { visitOf } from './nodes.ts'
import { blockAction, forgetAction, notesOf, notesPart } from './notes.ts'
import { pager } from './pager.ts'
import { keyOf } from './parts.ts'
import { address, shell } from './shell.ts'

export interface NodeQuery {
  readonly q?: string
  readonly page?: number
  readonly size?: number
}

const WORDS_AGE_MS = 60_000

export const nodeAddress = (id: string, { q, page }: NodeQuery): string => address(`/nodes/${id}`, { q, page })

const liveAddress = (id: string, { q, page, size }: NodeQuery): string =>
  address('/events', { view: 'node', id, q, page, size })

export const nodePage = async (desk: Desk, peer: Peer, query: NodeQuery): Promise<string> => {
  const { parts, list } = await nodeView(desk, peer, query)()
  const html = Object.fromEntries(parts.map((part) => [part.target.slice(1), part.html]))
  return render('page', {
    shell: shell(desk, { title: shown(desk.called(peer)), page: 'nodes', live: liveAddress(peer.id, query) }),
    main: render('node', { ...html, href: `/nodes/${peer.id}`, list: list && listHtml(list) }),
  })
}

/** What search and the other pages of the list bring. */
export const nodeList = async (desk: Desk, peer: Peer, query: NodeQuery): Promise<readonly Part[]> => [
  { target: '#shared', html: listHtml(fileList(desk, peer, query, Date.now())) },
  { target: '#live', swap: 'outerHTML', html: render('fragments/live', { live: liveAddress(peer.id, query) }) },
]

/** @param met - as it was when the page was asked for: shown as it was when it leaves the table. */
export const nodeView = (desk: Desk, met: Peer, query: NodeQuery): LiveView => {
  return async () => {
    await desk.here.look()
    const now = Date.now()
    const peer = otherOf(desk, met.id)
    return {
      parts: [
        ...nodeParts(desk, peer ?? met, now),
        {
          target: '#q',
          html: render('fragments/find', {
            q: query.q ?? '',
            placeholder: `Search ${countOf(peer?.files.size ?? 0, 'file')}`,
          }),
        },
      ],
      list: fileList(desk, peer ?? { ...met, files: new Map() }, query, now),
      againMs: WORDS_AGE_MS,
    }
  }
}

/** Who it is: its name, what has to be known of it, what the person can say of it. */
export const nodeParts = (desk: Desk, peer: Peer, now: number): readonly Part[] => [
  { target: '#node', html: render('fragments/node-top', topModel(desk, peer, now)) },
  notesPart(notesOf(desk, peer.id, now)),
  { target: '#known', html: render('fragments/node-known', knownModel(desk, peer)) },
  { target: '#about', html: render('fragments/node-about', aboutModel(desk, peer, now)) },
]

const topModel = ({ faceOf, called, table, who }: Desk, peer: Peer, now: number) => {
  const { id, name, alive, files, size, lastSeenMs } = peer
  const known = table.get(id) !== undefined
  const blocked = who.acquaintances.isBlocked(id)
  const away = known ? `Away since ${pointInTime(lastSeenMs, now)}` : 'Not in the table any more'
  return {
    face: faceOf(id, name),
    name: shown(called(peer)),
    here: known && alive,
    blocked,
    state: blocked ? 'Blocked' : known && alive ? 'Here now' : away,
    has: blocked ? '' : files.size === 0 ? 'nothing published' : `${countOf(files.size, 'file')}, ${sizeWords(size)}`,
    visit: known ? visitOf(peer, addressOf(peer)) : undefined,
  }
}

const knownModel = (desk: Desk, { id, name, alive }: Peer) => {
  const { acquaintances } = desk.who
  const blocked = acquaintances.isBlocked(id)
  // While a warning is there it has the button.
  const warned = acquaintances.warningOf(id)?.kind === 'pretends'
  const isKnown = acquaintances.get(id) !== undefined
  return {
    href: `/nodes/${id}`,
    name: shown(name),
    petname: acquaintances.petname(id) ?? '',
    actions: [
      ...(isKnown && !blocked && !warned ? [blockAction(desk, id)] : []),
      ...(isKnown && !blocked && !alive ? [forgetAction(desk, id)] : []),
    ],
  }
}

const aboutModel = ({ who, called }: Desk, peer: Peer, now: number) => {
  const { id, name, addresses, alive, lastSeenMs } = peer
  const known = who.acquaintances.get(id)
  return {
    fingerprint: shortFingerprint(id),
    itself: called(peer) === name ? undefined : shown(name),
    addresses: [...addresses.keys()].reverse(),
    met: pointInTime(known?.metMs ?? lastSeenMs, now),
    seen: alive ? 'now' : pointInTime(lastSeenMs, now),
    same: sameName(who, id, now),
  }
}

/** Two computers may well be called the same: said, and no alarm. */
const sameName = ({ acquaintances }: Desk['who'], id: string, now: number): Words | undefined => {
  const warning = acquaintances.warningOf(id)
  if (warning?.kind !== 'same name') return undefined
  const { other } = warning
  return [
    'Another computer that you met ',
    `${when(other.metMs, now)} looks the same by name: `,
    { name: shown(calledOf(other)) },
    `, ${shortFingerprint(other.id)}. Give one of them a name of yours to tell them apart.`,
  ]
}

const fileList = (desk: Desk, peer: Peer, query: NodeQuery, now: number): LiveList => {
  const { q = '', page = 1, size = DEFAULT_PAGE_SIZE } = query
  const found = sharedBy(peer, q)
  const from = (page - 1) * size
  const ids = new Set<string>()
  const rows = found.slice(from, from + size).flatMap((file) => {
    const row = rowOf(desk, file, { now, ids })
    return row ? [row] : []
  })
  const all = nodeAddress(peer.id, {})
  const frame = {
    text: found.length === 0 ? '' : q === '' ? 'Newest first' : `${countOf(found.length, 'file')} found`,
    fresh: nodeAddress(peer.id, query),
    noun: 'file',
    empty: found.length === 0 ? emptyModel(desk, peer, q, all) : undefined,
    pager: pager({ page, size, total: found.length }, (other) => nodeAddress(peer.id, { ...query, page: other })),
  }
  return {
    target: '#shared',
    rows,
    late: [],
    wrap: (html) => render('fragments/node-files', { ...frame, rows: html }),
  }
}

/** A file under the name that this computer gives it; fetched from whoever has it. */
const rowOf = (desk: Desk, file: SharedFile, { now, ids }: { now: number; ids: Set<string> }): Row | undefined => {
  const entry = desk.catalogue.of(file)
  if (!entry) return undefined
  const named = { ...entry, names: [file.name, ...entry.names.filter((name) => name !== file.name)] }
  const row = fileRow(desk, named, now)
  // One content under two names.
  const id = ids.has(row.id) ? `${row.id}-${keyOf(file.name)}` : row.id
  ids.add(id)
  return { id, html: render('fragments/file-row', { ...row, id }) }
}

const emptyModel = ({ who }: Desk, peer: Peer, q: string, all: string) => {
  if (who.acquaintances.isBlocked(peer.id))
    return { before: 'Nothing of it is shown', text: 'What it publishes comes back when you unblock it.' }
  return q === ''
    ? { before: 'Nothing is published there right now', text: 'What this computer publishes appears here by itself.' }
    : {
        before: 'Nothing fits “',
        name: q,
        after: '”',
        text: `${count(peer.files.size)} ${peer.files.size === 1 ? 'file is' : 'files are'} published there.`,
        all,
      }
}
