/** A node: one other computer and everything it shares. */
import { DEFAULT_PAGE_SIZE } from '../../../api/paging.ts'
import type { SharedFile } from '../../../dht/digest.ts'
import type { Peer } from '../../../dht/table.ts'
import type { Desk } from '../desk.ts'
import { type LiveList, type LiveView, listHtml, type Row } from '../live.ts'
import { type Part, render } from '../render.ts'
import { sharedBy } from '../shared.ts'
import { count, countOf, pointInTime, shown, sizeWords } from '../words.ts'
import { fileRow } from './file-row.ts'
import { visitOf } from './nodes.ts'
import { pager } from './pager.ts'
import { keyOf } from './parts.ts'
import { address, shell } from './shell.ts'

export interface NodeQuery {
  readonly q?: string
  readonly page?: number
  readonly size?: number
}

const WORDS_AGE_MS = 60_000
/** Hex digits of a key that a person compares, in groups of four. */
const FINGERPRINT_DIGITS = 16

export const nodeAddress = (id: string, { q, page }: NodeQuery): string => address(`/nodes/${id}`, { q, page })

const liveAddress = (id: string, { q, page, size }: NodeQuery): string =>
  address('/events', { view: 'node', id, q, page, size })

export const nodePage = async (desk: Desk, peer: Peer, query: NodeQuery): Promise<string> => {
  const { parts, list } = await nodeView(desk, peer, query)()
  const html = Object.fromEntries(parts.map((part) => [part.target.slice(1), part.html]))
  return render('page', {
    shell: shell(desk, { title: shown(peer.name), page: 'nodes', live: liveAddress(peer.id, query) }),
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
    const peer = desk.table.get(met.id)
    return {
      parts: [
        { target: '#node', html: render('fragments/node-top', topModel(desk, peer ?? met, now, peer !== undefined)) },
        {
          target: '#q',
          html: render('fragments/find', {
            q: query.q ?? '',
            placeholder: `Search ${countOf(peer?.files.size ?? 0, 'file')}`,
          }),
        },
        { target: '#about', html: render('fragments/node-about', aboutModel(peer ?? met, now)) },
      ],
      list: fileList(desk, peer ?? { ...met, files: new Map() }, query, now),
      againMs: WORDS_AGE_MS,
    }
  }
}

const topModel = ({ faceOf, table }: Desk, peer: Peer, now: number, known: boolean) => ({
  face: faceOf(peer.id, peer.name),
  name: shown(peer.name),
  here: known && peer.alive,
  state: !known
    ? 'Not in the table any more'
    : peer.alive
      ? 'Here now'
      : `Away since ${pointInTime(peer.lastSeenMs, now)}`,
  has: peer.files.size === 0 ? 'nothing published' : `${countOf(peer.files.size, 'file')}, ${sizeWords(peer.size)}`,
  visit: known ? visitOf(peer, table.addressOf(peer.id) ?? '') : undefined,
})

const aboutModel = ({ id, addresses, alive, lastSeenMs }: Peer, now: number) => ({
  fingerprint: id.slice(0, FINGERPRINT_DIGITS).replace(/(.{4})(?=.)/g, '$1 '),
  addresses: [...addresses.keys()].reverse(),
  seen: alive ? 'now' : pointInTime(lastSeenMs, now),
})

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
    empty: found.length === 0 ? emptyModel(peer, q, all) : undefined,
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

const emptyModel = (peer: Peer, q: string, all: string) =>
  q === ''
    ? { before: 'Nothing is published there right now', text: 'What this computer publishes appears here by itself.' }
    : {
        before: 'Nothing fits “',
        name: q,
        after: '”',
        text: `${count(peer.files.size)} ${peer.files.size === 1 ? 'file is' : 'files are'} published there.`,
        all,
      }
