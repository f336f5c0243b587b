/** One transfer as the page of transfers shows it: how far it is, who gives what, what can be done. */
import type { Transfer } from '../../../transfer/transfer.ts'
import type { Desk } from '../desk.ts'
import { sharesOf } from '../shares.ts'
import { dropWords, percentOf, reasonOf } from '../stopped.ts'
import {
  type Name,
  nameParts,
  partWords,
  pointInTime,
  rateWords,
  shown,
  sizeWords,
  timeLeft,
  type Words,
} from '../words.ts'
import { lookOf } from './kind.ts'
import type { Action } from './parts.ts'
import {
  cancelAction,
  canOpen,
  nameOf,
  openAction,
  pauseAction,
  resumeAction,
  retryAction,
  type Situation,
  saveAction,
  situationOf,
  waitingFor,
} from './transfer-words.ts'
import { type WeaveModel, weaveModel } from './weave.ts'

/** A piece of the lines below the bar. */
export interface Remark {
  readonly words: Words
  /** In colour, with its icon; `strong` is plain and bold. */
  readonly tone?: 'ok' | 'care' | 'no' | 'strong'
  readonly icon?: string
  /** The colour of the computer it speaks of; `found` for what nobody sent. */
  readonly who?: number | 'found'
}

/** Asked before something is deleted. */
export interface Question {
  readonly id: string
  /** The name of the file follows. */
  readonly title: string
  readonly text: string
  readonly yes: Action
  /** On the button that asks. */
  readonly word: string
}

export interface TransferRow {
  readonly id: string
  readonly icon: string
  readonly name: Name
  /** Where its name leads. */
  readonly href: string
  readonly weave: WeaveModel
  readonly remarks: readonly Remark[]
  readonly actions: readonly Action[]
  readonly question: Question | undefined
  /** It left the list while the page was open. */
  readonly gone: boolean
}

/** Below this a holder rests. */
const RESTING = 1_000

export const rowIdOf = ({ record }: Transfer): string => `t-${record.id}`

export const transferRow = (desk: Desk, transfer: Transfer, now: number): TransferRow => {
  const { record } = transfer
  const situation = situationOf(desk, transfer)
  const name = nameOf(transfer)
  return {
    id: rowIdOf(transfer),
    icon: lookOf(name).icon,
    name: nameParts(name),
    href: `/transfers/${record.id}`,
    weave: weaveModel(desk, transfer),
    remarks: [
      ...remarksOf(desk, transfer, situation, now),
      ...legendOf(desk, transfer),
      ...dropsOf(desk, transfer, situation),
    ],
    actions: actionsOf(desk, transfer, situation),
    question: questionOf(desk, transfer, situation),
    gone: situation === 'cancelled',
  }
}

const remarksOf = (desk: Desk, transfer: Transfer, situation: Situation, now: number): readonly Remark[] => {
  const { record, done, rate, etaSeconds } = transfer
  const percent = `${percentOf(done, record.size)} %`
  const part: Remark = { words: [partWords(done, record.size)] }
  switch (situation) {
    case 'moving':
      return [
        { tone: 'strong', words: [percent] },
        part,
        {
          words: [
            rate.perSecond < 1 ? (done === 0 ? 'starting' : 'nothing comes right now') : rateWords(rate.perSecond),
          ],
        },
        ...(etaSeconds === null ? [] : [{ words: [timeLeft(etaSeconds * 1_000)] }]),
      ]
    case 'checking':
      return [{ tone: 'strong', words: ['Checking the whole file'] }, { words: [sizeWords(record.size)] }]
    case 'queued':
      return [{ tone: 'strong', words: ['Waits for its turn'] }, part]
    case 'paused':
      return [{ tone: 'strong', words: ['Paused'] }, { words: [`${percent}, ${partWords(done, record.size)}`] }]
    case 'waiting': {
      const { cause, next, alarm } = waitingFor(desk, transfer)
      return [{ tone: alarm ? 'no' : 'care', icon: alarm ? 'alert' : 'clock', words: cause }, { words: next }]
    }
    case 'stopped': {
      const { cause, next } = reasonOf(transfer, desk.called)
      return [{ tone: 'no', icon: 'alert', words: cause }, { words: next }]
    }
    case 'cancelled':
      return [{ words: ['Cancelled. What had arrived was deleted.'] }]
    default:
      return [...overOf(situation), { words: [endWords(transfer, now)] }]
  }
}

const overOf = (situation: Situation): readonly Remark[] => {
  if (situation === 'gone') return [{ tone: 'care', icon: 'alert', words: ['Not in your folder any more'] }]
  if (situation === 'changed') return [{ tone: 'care', icon: 'alert', words: ['Changed since it arrived'] }]
  return [{ tone: 'ok', icon: 'check', words: ['Complete and checked'] }]
}

/** "12 MB at 10:24", "12 MB, 3 May" */
const endWords = ({ record }: Transfer, now: number): string => {
  const when = pointInTime(record.endedMs ?? record.createdMs, now)
  return `${sizeWords(record.size)}${/^\d+:/.test(when) ? ` at ${when}` : `, ${when}`}`
}

/** Who gives, or gave, what: the colours of the bar in words. */
const legendOf = ({ faceOf, called }: Desk, transfer: Transfer): readonly Remark[] => {
  if (transfer.state === 'cancelled') return []
  const { givers, foundBytes } = sharesOf(transfer)
  const runs = transfer.state === 'running'
  const shares = givers
    .filter(({ bytes, rate }) => bytes > 0 || rate >= RESTING)
    .map(({ id, name, bytes, rate }): Remark => {
      const does = !runs ? sizeWords(bytes) : rate < RESTING ? 'resting' : rateWords(rate)
      return { who: faceOf(id, name).hue, words: [{ name: shown(called({ id, name })) }, ` ${does}`] }
    })
  if (foundBytes === 0 || transfer.content.size === 0) return shares
  return [...shares, { who: 'found', words: [`${sizeWords(foundBytes)} found in your folder`] }]
}

/** Of holders that are not asked any more, when that is not said already. */
const dropsOf = ({ called }: Desk, transfer: Transfer, situation: Situation): readonly Remark[] => {
  if (situation === 'stopped' || situation === 'waiting') return []
  return transfer.lost.flatMap((lost): Remark[] => {
    const words = dropWords(lost, called)
    return words ? [{ tone: 'care', icon: 'alert', words }] : []
  })
}

const actionsOf = (desk: Desk, transfer: Transfer, situation: Situation): readonly Action[] => {
  switch (situation) {
    case 'moving':
    case 'checking':
    case 'queued':
      return [pauseAction(transfer), ...cancelOf(transfer, 'Cancel')]
    case 'waiting':
      return waitingFor(desk, transfer).alarm
        ? [retryAction(transfer), ...cancelOf(transfer, 'Discard')]
        : [pauseAction(transfer), ...cancelOf(transfer, 'Cancel')]
    case 'paused':
      return [resumeAction(transfer), ...cancelOf(transfer, 'Cancel')]
    case 'stopped':
      return [retryAction(transfer), ...cancelOf(transfer, 'Discard')]
    case 'cancelled':
      return [
        {
          ...resumeAction(transfer),
          word: 'Fetch again',
          said: `Fetch again: ${shown(transfer.record.name)}`,
          icon: 'down',
        },
      ]
    case 'gone':
      return [fetchAgain(transfer)]
    case 'changed':
      return canOpen(desk, transfer) ? [openAction(transfer)] : []
    case 'done': {
      const save = { ...saveAction(transfer, 'bare'), icon: 'down' }
      return canOpen(desk, transfer) ? [openAction(transfer), save] : [{ ...save, look: '' }]
    }
  }
}

const fetchAgain = ({ record }: Transfer): Action => ({
  method: 'post',
  href: '/transfers',
  fields: [
    ['root', record.root],
    ['hash', record.hash],
  ],
  word: 'Fetch again',
  said: `Fetch again: ${shown(record.name)}`,
  look: 'do',
  icon: 'down',
})

/** Where nothing would be lost it is cancelled at once; else `questionOf` asks. */
const cancelOf = (transfer: Transfer, word: 'Cancel' | 'Discard'): readonly Action[] =>
  transfer.done === 0 ? [cancelAction(transfer, word)] : []

const questionOf = (desk: Desk, transfer: Transfer, situation: Situation): Question | undefined => {
  const { state, done, record } = transfer
  if (done === 0 || state === 'done' || state === 'cancelled') return undefined
  const stopped = situation === 'stopped' || (situation === 'waiting' && waitingFor(desk, transfer).alarm)
  const word = stopped ? 'Discard' : 'Cancel'
  return {
    id: `ask-${record.id}`,
    title: word === 'Cancel' ? 'Cancel the fetch of ' : 'Discard ',
    text: `The ${sizeWords(done)} that arrived will be deleted. You can fetch it again later, from the beginning.`,
    yes: {
      ...cancelAction(transfer, word),
      look: 'danger',
      word: `${word} and delete`,
      said: `${word} and delete what arrived of ${shown(record.name)}`,
    },
    word,
  }
}
