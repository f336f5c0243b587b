/** What a page shows, part by part, and what of it has to be sent again when something changed. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { currentPage, historyHeader } from './negotiate.ts'
import { type Part, sendHtml, toPartial } from './render.ts'

export interface Row {
  readonly id: string
  readonly html: string
}

/** A list on a page: its rows, and what stands around them. */
export interface LiveList {
  readonly target: string
  readonly rows: readonly Row[]
  readonly wrap: (rows: readonly string[]) => string
  /** Rows the page may still show although they are not in the list any more: moved to another page, or gone. */
  readonly late: readonly Row[]
}

export interface Snapshot {
  readonly parts: readonly Part[]
  readonly list?: LiveList
  /** When to look again although nobody told us, ms. */
  readonly againMs?: number
  /** Something on it moves all the time: it is shown twice a second at most. */
  readonly moving?: boolean
}

/** A page as it is now; asked again and again while the page is open. */
export type LiveView = () => Promise<Snapshot>

export const listHtml = ({ rows, wrap }: LiveList): string => wrap(rows.map(({ html }) => html))

/** Everything a snapshot says, for the first message and for pages that ask from time to time. */
export const whole = ({ parts, list }: Snapshot): readonly Part[] => [
  ...parts,
  ...(list ? [...list.late.map(toPart), { target: list.target, html: listHtml(list) }] : []),
]

/**
 * Remembers what one page was sent.
 * @returns a function from each snapshot to the parts that differ from what the page has.
 */
export const createDiffer = (): ((snapshot: Snapshot) => readonly Part[]) => {
  let sent = new Map<string, string>()
  let frame: string | undefined
  return (snapshot) => {
    const { parts, list } = snapshot
    const next = new Map<string, string>()
    const changed = [...parts, ...(list ? [...list.late, ...list.rows].map(toPart) : [])].filter(({ target, html }) => {
      next.set(target, html)
      return sent.get(target) !== html
    })
    const before = frame
    frame = list && list.wrap([]) + list.rows.map(({ id }) => id).join(' ')
    sent = next
    if (!list || before === frame) return changed
    // Rows before the list: a row that has left it is a place of its own until the new list comes.
    const inList = new Set(list.rows.map(({ id }) => `#${id}`))
    return [...changed.filter(({ target }) => !inList.has(target)), { target: list.target, html: listHtml(list) }]
  }
}

export const toHtml = (parts: readonly Part[]): string => parts.map(toPartial).join('')

const toPart = ({ id, html }: Row): Part => ({ target: `#${id}`, html })

/** Answer a search, a choice or another page of a list. A page that asks for what it shows keeps its address and its stream. */
export const sendList = (
  request: FastifyRequest,
  reply: FastifyReply,
  { address, parts }: { address: string; parts: readonly Part[] },
): FastifyReply => {
  if (currentPage(request) === address) return sendHtml(reply, toHtml(parts.filter(({ target }) => target !== '#live')))
  reply.header(...historyHeader(request, address))
  return sendHtml(reply, toHtml(parts))
}
