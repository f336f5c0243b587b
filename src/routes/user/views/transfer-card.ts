/** What moves, small: the card at the side of the home page, the strip on a phone, the count in the head of every page. */
import type { Transfer } from '../../../transfer/transfer.ts'
import type { Desk } from '../desk.ts'
import type { Part } from '../render.ts'
import { render } from '../render.ts'
import { percentOf } from '../stopped.ts'
import { rateOf } from '../transfer-watch.ts'
import { count, type Name, nameParts, rateWords, timeLeft } from '../words.ts'
import { isMoving, isOver, nameOf, shortWords } from './transfer-words.ts'
import { type WeaveModel, weaveModel } from './weave.ts'

export interface TransferMini {
  readonly id: string
  readonly name: Name
  readonly href: string
  readonly percent: number
  readonly weave: WeaveModel
  readonly fact: string
}

/** The card keeps its height, so that what stands below it keeps its place. */
const SHOWN = 2

/** "2 moving, 3 not moving, 12 done today" */
export const countWords = (transfers: readonly Transfer[], now: number): string => {
  const { moving, still, today } = countsOf(transfers, now)
  const parts = [
    ...(moving > 0 ? [`${count(moving)} moving`] : []),
    ...(still > 0 ? [`${count(still)} not moving`] : []),
    ...(today > 0 ? [`${count(today)} done today`] : []),
  ]
  return parts.length === 0 ? 'nothing is moving' : parts.join(', ')
}

const countsOf = (transfers: readonly Transfer[], now: number) => ({
  moving: transfers.filter(isMoving).length,
  still: transfers.filter((transfer) => !isMoving(transfer) && !isOver(transfer)).length,
  today: transfers.filter((transfer) => isDoneToday(transfer, now)).length,
})

export const isDoneToday = ({ state, record }: Transfer, now: number): boolean =>
  state === 'done' && new Date(record.endedMs ?? 0).toDateString() === new Date(now).toDateString()

const mini = (desk: Desk, transfer: Transfer): TransferMini => {
  const { record, done, state } = transfer
  return {
    id: `tm-${record.id}`,
    name: nameParts(nameOf(transfer)),
    href: `/transfers#t-${record.id}`,
    percent: state === 'done' ? 100 : percentOf(done, record.size),
    weave: weaveModel(desk, transfer),
    fact: shortWords(desk, transfer),
  }
}

/** First what moves, then the latest of the others. */
export const transferCard = (desk: Desk, now: number): string => {
  const all = desk.transfers.all().filter(({ state }) => state !== 'cancelled')
  const shown = [...all.filter(isMoving), ...all.filter((transfer) => !isMoving(transfer))].slice(0, SHOWN)
  return render('fragments/transfers', {
    minis: shown.map((transfer) => mini(desk, transfer)),
    counts: countWords(all, now),
    hidden: all.length === 0,
  })
}

/** On a phone's home: what moves, in one line. */
export const nowStrip = (desk: Desk): string => {
  const moving = desk.transfers.all().filter(isMoving)
  const [first] = moving
  const rate = rateOf(moving)
  const left = Math.max(...moving.map(({ etaSeconds }) => etaSeconds ?? 0))
  return render('fragments/now', {
    moving: count(moving.length),
    weave: first && weaveModel(desk, first),
    text: rate < 1 ? '' : `${rateWords(rate)}${left > 0 ? `, ${timeLeft(left * 1_000)}` : ''}`,
  })
}

/** In the head of every page. */
export const movingPart = ({ transfers }: Pick<Desk, 'transfers'>): Part => ({
  target: '#moving',
  html: render('fragments/moving', { moving: movingCount(transfers) }),
})

export const movingCount = (transfers: Desk['transfers']): number => transfers.all().filter(isMoving).length

/** Everything of a page that shows the transfers in small. */
export const smallParts = (desk: Desk, now: number): readonly Part[] => [
  { target: '#transfers', html: transferCard(desk, now) },
  { target: '#now', html: nowStrip(desk) },
]
