/** How fast files come in: now, and over the last minute as a small chart. */
import type { Desk } from '../desk.ts'
import { rateOf } from '../transfer-watch.ts'
import { rateWords } from '../words.ts'

const WIDTH = 320
/** Of the chart between its zero line and its top. */
const TOP = 20
const BOTTOM = 100
/** The least that the top stands for. */
const LEAST_TOP = 1_000_000

export const ratesModel = ({ transfers, watch }: Desk) => {
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
  }
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
