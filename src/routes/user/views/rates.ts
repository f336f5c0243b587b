/** How fast files come in: now, and over the last minute as a small chart. */
import { formatLimit, type Limits } from '../../../rate-words.ts'
import type { Desk } from '../desk.ts'
import { rateOf } from '../transfer-watch.ts'
import { listed, rateWords } from '../words.ts'

const WIDTH = 320
/** Of the chart between its zero line and its top. */
const TOP = 20
const BOTTOM = 100
/** The least that the top stands for. */
const LEAST_TOP = 1_000_000

export const ratesModel = ({ transfers, watch, traffic }: Desk) => {
  const now = rateOf(transfers.all())
  const rates = watch.lastMinute()
  const top = roundTop(Math.max(LEAST_TOP, ...rates))
  const points = rates
    .map((rate, at) => `${Math.round((at * WIDTH) / (rates.length - 1))},${Math.round(yOf(rate, top))}`)
    .join(' ')
  return {
    now: now < 1 ? '0 MB/s' : rateWords(now),
    points,
    area: `0,${BOTTOM} ${points} ${WIDTH},${BOTTOM}`,
    top: rateWords(top),
    said: saidOf(rates),
    limits: limitWords(traffic.limits),
  }
}

/** What the person may change on the page. */
export const limitsModel = ({ traffic: { limits } }: Desk) => ({
  fields: [
    { name: 'up', label: 'To others', value: limits.up === 0 ? '' : formatLimit(limits.up) },
    { name: 'down', label: 'To you', value: limits.down === 0 ? '' : formatLimit(limits.down) },
  ],
})

/** "At most 500 kB/s to others, 100 kB/s to each, and 2 MB/s to you."; empty without a limit. */
export const limitWords = ({ up, upPeer, down, downPeer }: Limits): string => {
  const side = (all: number, each: number, inAll: string, toEach: string): readonly string[] => [
    ...(all > 0 ? [`${rateWords(all)} ${inAll}`] : []),
    ...(each > 0 ? [`${rateWords(each)} ${toEach}`] : []),
  ]
  const parts = [
    ...side(up, upPeer, 'to other computers', 'to each of them'),
    ...side(down, downPeer, 'to you', 'to you from each computer'),
  ]
  return parts.length === 0 ? '' : `At most ${listed(parts, parts.length)}.`
}

const yOf = (rate: number, top: number): number => BOTTOM - ((BOTTOM - TOP) * rate) / top

/** 1, 2 or 5 with zeros, as a scale has it. */
const roundTop = (rate: number): number => {
  const unit = 10 ** Math.floor(Math.log10(rate))
  return ([1, 2, 5, 10].find((step) => step * unit >= rate) ?? 10) * unit
}

const saidOf = (rates: readonly number[]): string => {
  const most = Math.max(...rates)
  return most < 1
    ? 'Rate over the last minute: nothing came.'
    : `Rate over the last minute: at most ${rateWords(most)} to you.`
}
