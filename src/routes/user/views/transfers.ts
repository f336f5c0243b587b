/** Transfers: what is fetched into the folder, in groups, and how fast it comes; and the page of a single one. */
import type { Transfer } from '../../../transfer/transfer.ts'
import type { Desk } from '../desk.ts'
import { type LiveList, type LiveView, listHtml, type Row } from '../live.ts'
import { type Part, render } from '../render.ts'
import { sharesOf } from '../shares.ts'
import { dropWords } from '../stopped.ts'
import { count, pointInTime, rateWords, shown, sizeWords } from '../words.ts'
import { meshDrawing } from './mesh.ts'
import { limitsModel, ratesModel } from './rates.ts'
import { address, shell } from './shell.ts'
import { countWords, isDoneToday } from './transfer-card.ts'
import { transferRow } from './transfer-row.ts'
import { isMoving, isOver, nameOf } from './transfer-words.ts'

/** Finished ones on the page; the others are in the folder all the same. */
const MAX_OVER = 50
const MAX_LATE = 50
/** Percent, rate and time; the drawing and the chart change once a second. */
const MOVING_MS = 500
const DRAWN_MS = 1_000
const WORDS_AGE_MS = 60_000

export const TRANSFERS_ADDRESS = '/transfers'
const LIVE_ADDRESS = address('/events', { view: 'transfers' })

export const transfersPage = async (desk: Desk): Promise<string> => {
  const { parts, list } = await transfersView(desk)()
  const html = Object.fromEntries(parts.map((part) => [part.target.slice(1), part.html]))
  return render('page', {
    shell: shell(desk, { title: 'Transfers', page: 'transfers', live: LIVE_ADDRESS, refresh: true }),
    main: render('transfers', {
      ...html,
      list: list && listHtml(list),
      limits: render('fragments/limits', limitsModel(desk)),
    }),
  })
}

/** The groups as they are now, for a page that has let its rows keep their places for a while. */
export const transfersList = async (desk: Desk): Promise<readonly Part[]> => {
  await desk.here.look()
  return [{ target: '#jobs', html: listHtml(transferList(desk, Date.now(), new Map())) }]
}

export const transfersView = (desk: Desk): LiveView => {
  const seen = new Map<string, Transfer>()
  const drawn = onceASecond(() => drawings(desk))
  return async () => {
    await desk.here.look()
    const now = Date.now()
    const all = desk.transfers.all()
    const moves = all.some(isMoving)
    return {
      parts: [{ target: '#counts', html: render('fragments/counts', { text: countWords(all, now) }) }, ...drawn()],
      list: transferList(desk, now, seen),
      moving: moves,
      againMs: moves ? MOVING_MS : WORDS_AGE_MS,
    }
  }
}

const drawings = (desk: Desk): readonly Part[] => [
  { target: '#rates', html: render('fragments/rates', ratesModel(desk)) },
  { target: '#mesh', html: render('fragments/mesh', { ...meshDrawing(desk), heading: 'Who sends what' }) },
]

/** The last answer, as long as it is younger than a second. */
export const onceASecond = <Value>(make: () => Value): (() => Value) => {
  let made: { readonly value: Value; readonly atMs: number } | undefined
  return () => {
    const now = performance.now()
    if (!made || now - made.atMs >= DRAWN_MS) made = { value: make(), atMs: now }
    return made.value
  }
}

const transferList = (desk: Desk, now: number, seen: Map<string, Transfer>): LiveList => {
  const all = desk.transfers.all().filter(({ state }) => state !== 'cancelled')
  const over = all.filter(isOver).sort((a, b) => (b.record.endedMs ?? 0) - (a.record.endedMs ?? 0))
  const shownOver = over.slice(0, MAX_OVER)
  const groups = [
    { id: 'moving', title: 'Moving', transfers: all.filter(isMoving) },
    { id: 'still', title: 'Not moving', transfers: all.filter((each) => !isMoving(each) && !isOver(each)) },
    { id: 'today', title: 'Done today', transfers: shownOver.filter((each) => isDoneToday(each, now)) },
    { id: 'earlier', title: 'Done earlier', transfers: shownOver.filter((each) => !isDoneToday(each, now)) },
  ]
  const listed = groups.flatMap(({ transfers }) => transfers)
  const inList = new Set(listed)
  const late = [...seen.values()].filter((transfer) => !inList.has(transfer)).slice(-MAX_LATE)
  seen.clear()
  for (const transfer of [...late, ...listed]) seen.set(transfer.record.id, transfer)
  const rowOf = (transfer: Transfer): Row => {
    const row = transferRow(desk, transfer, now)
    return { id: row.id, html: render('fragments/transfer', row) }
  }
  const more = over.length - shownOver.length
  const frame = {
    fresh: TRANSFERS_ADDRESS,
    noun: 'transfer',
    text: '',
    nothing: all.length === 0,
    more: more > 0 ? count(more) : '',
  }
  return {
    target: '#jobs',
    rows: listed.map(rowOf),
    late: late.map(rowOf),
    wrap: (html) => {
      let from = 0
      const filled = groups.map(({ id, title, transfers }) => {
        const rows = html.slice(from, from + transfers.length)
        from += transfers.length
        return { id, title, size: transfers.length, rows }
      })
      return render('fragments/transfer-list', { ...frame, groups: filled })
    },
  }
}

export const transferPage = async (desk: Desk, transfer: Transfer): Promise<string> => {
  const { parts } = await transferView(desk, transfer)()
  const html = Object.fromEntries(parts.map((part) => [part.target.slice(1), part.html]))
  const live = address('/events', { view: 'transfer', id: transfer.record.id })
  return render('page', {
    shell: shell(desk, { title: shown(nameOf(transfer)), page: 'transfers', live, refresh: true }),
    main: render('transfer', { ...html, row: html[`t-${transfer.record.id}`] }),
  })
}

/** One transfer, also after it has left the list. */
export const transferView = (desk: Desk, transfer: Transfer): LiveView => {
  return async () => {
    await desk.here.look()
    const now = Date.now()
    const row = transferRow(desk, transfer, now)
    const moves = isMoving(transfer)
    return {
      parts: [
        { target: '#one', html: render('fragments/transfer-top', { name: row.name }) },
        { target: `#${row.id}`, html: render('fragments/transfer', row) },
        { target: '#givers', html: render('fragments/transfer-givers', giversModel(desk, transfer)) },
        { target: '#about', html: render('fragments/transfer-about', aboutModel(transfer, now)) },
      ],
      moving: moves,
      againMs: moves ? MOVING_MS : WORDS_AGE_MS,
    }
  }
}

const giversModel = ({ faceOf, called, table }: Desk, transfer: Transfer) => {
  const { givers, foundBytes } = sharesOf(transfer)
  return {
    givers: givers.map(({ id, name, bytes, rate }) => ({
      face: faceOf(id, name),
      name: shown(called({ id, name })),
      href: table.get(id) ? `/nodes/${id}` : undefined,
      bytes: sizeWords(bytes),
      rate: rate >= 1 ? rateWords(rate) : '',
    })),
    over: transfer.state === 'done',
    found: foundBytes > 0 ? sizeWords(foundBytes) : '',
    drops: transfer.lost.flatMap((lost) => {
      const words = dropWords(lost, called)
      return words ? [words] : []
    }),
  }
}

const aboutModel = ({ record }: Transfer, now: number) => ({
  size: sizeWords(record.size),
  file: record.finalName === undefined ? undefined : shown(record.finalName),
  began: pointInTime(record.createdMs, now),
  ended: record.endedMs === undefined ? undefined : pointInTime(record.endedMs, now),
  hash: record.hash,
  root: record.root,
})
