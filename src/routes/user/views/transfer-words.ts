/** Where a transfer is, as a person sees it: one word for it, one line, one button. */
import type { Transfer } from '../../../transfer/transfer.ts'
import type { Desk } from '../desk.ts'
import { changedCopy, percentOf, type Reason, reasonOf } from '../stopped.ts'
import { either, plain, rateWords, shown, timeLeft } from '../words.ts'
import { isProgram } from './kind.ts'
import type { Action, Fact } from './parts.ts'
import { type WeaveModel, weaveModel } from './weave.ts'

/** `changed` and `gone`: it was fetched, and what lies in the folder is another file now, or nothing. */
export type Situation =
  | 'moving'
  | 'checking'
  | 'queued'
  | 'paused'
  | 'waiting'
  | 'stopped'
  | 'cancelled'
  | 'done'
  | 'changed'
  | 'gone'

export const situationOf = ({ here }: Pick<Desk, 'here'>, transfer: Transfer): Situation => {
  const { state, record } = transfer
  switch (state) {
    case 'running':
      return 'moving'
    case 'verifying':
      return 'checking'
    case 'paused':
      return record.error === undefined ? 'paused' : 'stopped'
    case 'failed':
      return 'stopped'
    case 'done': {
      const kept = here.of(transfer)
      return kept === 'same' ? 'done' : kept
    }
    default:
      return state
  }
}

export const isMoving = ({ state }: Transfer): boolean => state === 'running' || state === 'verifying'

/** Of the list of transfers: what is over, but for what was cancelled, which is not shown. */
export const isOver = ({ state }: Transfer): boolean => state === 'done' || state === 'cancelled'

/** "43 %, 62 MB/s, 50 seconds left" */
export const progressWords = (transfer: Transfer): string => {
  const { done, record, rate, state } = transfer
  if (state === 'verifying') return 'Checking the whole file'
  const percent = `${percentOf(done, record.size)} %`
  if (rate.perSecond < 1) return done === 0 ? 'Starting' : percent
  return `${percent}, ${paceWords(transfer)}`
}

/** "62 MB/s, 50 seconds left" */
export const paceWords = ({ rate, etaSeconds }: Transfer): string =>
  `${rateWords(rate.perSecond)}${etaSeconds === null ? '' : `, ${timeLeft(etaSeconds * 1_000)}`}`

/** For whom a transfer waits, and what will be when one of them is there. */
export const waitingFor = (
  { catalogue, table, self, called }: Desk,
  transfer: Transfer,
): Reason & { readonly alarm: boolean } => {
  const { content, done, record } = transfer
  const gaveUp = new Set(transfer.lost.filter(({ code }) => code === 'PM_FILE_CHANGED').map(({ holder }) => holder.id))
  const names = (catalogue.of(content)?.holders ?? []).flatMap(({ id }) => {
    const peer = id === self.id || gaveUp.has(id) ? undefined : table.get(id)
    return peer ? [shown(called(peer))] : []
  })
  const changed = changedCopy(transfer, called)
  if (names.length === 0 && changed) return { ...changed, alarm: true }
  const safe = done > 0 ? `${percentOf(done, record.size)} % is here and safe. It goes on` : 'It starts'
  if (names.length === 0) {
    return { cause: ['Nobody shares it any more'], next: [`${safe} by itself when somebody does again.`], alarm: false }
  }
  const [only = ''] = names
  const who = names.length === 1 ? { name: only } : 'one of them'
  return {
    cause: ['Waiting for ', ...either(names)],
    next: [`${safe} by itself when `, who, ' is back.'],
    alarm: false,
  }
}

/** What a row of the list on the mesh says and offers while its content is fetched, or once it is here. */
export interface Progress {
  readonly fact: Fact
  readonly action: Action
  /** Undefined where there is nothing to draw. */
  readonly weave: WeaveModel | undefined
}

/** Undefined when the row should be as if nobody had ever fetched it. */
export const progressOf = (desk: Desk, transfer: Transfer | undefined): Progress | undefined => {
  if (!transfer) return undefined
  const situation = situationOf(desk, transfer)
  const { done } = transfer
  const weave = done > 0 ? weaveModel(desk, transfer) : undefined
  switch (situation) {
    case 'moving':
    case 'checking':
      return {
        fact: { before: progressWords(transfer) },
        action: pauseAction(transfer),
        weave: weaveModel(desk, transfer),
      }
    case 'queued':
      return { fact: { before: 'Waits for its turn' }, action: pauseAction(transfer), weave }
    case 'paused':
      return { fact: { before: pausedWords(transfer) }, action: resumeAction(transfer), weave }
    case 'waiting': {
      const { cause, alarm } = waitingFor(desk, transfer)
      const fact: Fact = { tone: alarm ? 'no' : 'away', icon: alarm ? 'alert' : 'clock', said: cause }
      const action = alarm ? retryAction(transfer) : done > 0 ? pauseAction(transfer) : cancelAction(transfer)
      return { fact, action, weave }
    }
    case 'stopped': {
      const { cause } = reasonOf(transfer, desk.called)
      return { fact: { tone: 'no', icon: 'alert', said: cause }, action: retryAction(transfer), weave: undefined }
    }
    case 'done':
      return {
        fact: { tone: 'ok', icon: 'check', strong: 'Here already' },
        action: openOrSave(desk, transfer),
        weave: undefined,
      }
    default:
      return undefined
  }
}

export const pausedWords = ({ done, record }: Transfer): string =>
  done === 0 ? 'Paused' : `Paused at ${percentOf(done, record.size)} %`

/** As the mesh calls it; a finished one as it is called in the folder. */
export const nameOf = ({ record, state }: Transfer): string =>
  state === 'done' ? (record.finalName ?? record.name) : record.name

const post = (
  transfer: Transfer,
  path: 'pause' | 'resume' | 'cancel' | 'retry' | 'open',
  rest: Pick<Action, 'word' | 'look'> & { readonly icon?: string; readonly said?: string },
): Action => ({
  method: 'post',
  href: `/transfers/${transfer.record.id}/${path}`,
  said: `${rest.word} ${shown(nameOf(transfer))}`,
  ...rest,
})

export const pauseAction = (transfer: Transfer): Action =>
  post(transfer, 'pause', { word: 'Pause', look: '', icon: 'pause' })

export const resumeAction = (transfer: Transfer): Action =>
  post(transfer, 'resume', { word: 'Resume', look: 'do', icon: 'play' })

export const retryAction = (transfer: Transfer): Action =>
  post(transfer, 'retry', {
    word: 'Try again',
    look: 'do',
    icon: 'again',
    said: `Try again: ${shown(nameOf(transfer))}`,
  })

export const cancelAction = (transfer: Transfer, word: 'Cancel' | 'Discard' = 'Cancel'): Action =>
  post(transfer, 'cancel', { word, look: 'bare', icon: 'close' })

export const openAction = (transfer: Transfer): Action => post(transfer, 'open', { word: 'Open', look: '' })

export const saveAction = (transfer: Transfer, look: Action['look'] = ''): Action => ({
  method: 'get',
  href: `/getfile/${transfer.record.root}`,
  word: 'Save a copy',
  said: `Save a copy of ${shown(nameOf(transfer))}`,
  look,
})

/** No click runs foreign code, and where there is no desktop nothing can be opened. */
export const canOpen = ({ handOver }: Pick<Desk, 'handOver'>, { record }: Transfer): boolean =>
  handOver.possible && record.finalName !== undefined && !isProgram(record.finalName)

const openOrSave = (desk: Desk, transfer: Transfer): Action =>
  canOpen(desk, transfer) ? openAction(transfer) : saveAction(transfer)

/** One line of text that says the same as the row, for a small card or a program. */
export const shortWords = (desk: Desk, transfer: Transfer): string => {
  const progress = progressOf(desk, transfer)
  if (isMoving(transfer)) return transfer.rate.perSecond < 1 ? progressWords(transfer) : paceWords(transfer)
  const { said, strong, before = '' } = progress?.fact ?? {}
  if (strong) return 'Complete and checked'
  return said ? plain(said) : before || 'Fetched earlier'
}
