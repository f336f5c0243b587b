/** Watches all transfers for the pages: tells when one is in another state, says on every open page which is done, and keeps the pace. */
import type { TransferState } from '../../store/transfers.ts'
import type { Transfer } from '../../transfer/transfer.ts'
import type { UserDeps } from './deps.ts'
import type { Called } from './faces.ts'
import type { Notice, Notices } from './notices.ts'
import { Pace } from './pace.ts'
import { reasonOf } from './stopped.ts'
import { canOpen, nameOf, openAction } from './views/transfer-words.ts'
import { countOf, plain, shown, sizeWords } from './words.ts'

export interface TransferWatch {
  /** Told when one came, went or changed its state; not with every piece. @returns a function that ends the listening. */
  listen(listener: () => void): () => void
  /** Bytes a second, each second of the last minute, the oldest first. */
  lastMinute(): readonly number[]
}

export interface TransferWatchDeps extends Pick<UserDeps, 'transfers' | 'news' | 'handOver' | 'stopping'> {
  readonly notices: Notices
  readonly called: Called
}

/** What happens within this time is one change. */
const GATHER_MS = 250
const STOPPED: ReadonlySet<TransferState> = new Set(['failed', 'paused'])

export const createTransferWatch = (deps: TransferWatchDeps): TransferWatch => {
  const { transfers, news, notices, stopping } = deps
  const beganMs = Date.now()
  const pace = new Pace()
  const listeners = new Set<() => void>()
  let states = new Map<string, TransferState>()
  let looksSoon = false

  const look = (): void => {
    looksSoon = false
    if (stopping.aborted) return
    const before = states
    states = new Map(transfers.all().map(({ record, state }) => [record.id, state]))
    const changed = transfers.all().filter(({ record, state }) => before.get(record.id) !== state)
    if (changed.length === 0 && before.size === states.size) return
    const notice = noticeOf(
      deps,
      // What was over before this node began is no news.
      changed.filter(({ record }) => before.has(record.id) || (record.endedMs ?? record.createdMs) >= beganMs),
    )
    for (const each of notice) notices.tell(each)
    for (const listener of listeners) listener()
  }

  news.on('transfers', () => {
    const now = performance.now()
    if (pace.wants(now)) pace.note(rateOf(transfers.all()), now)
    if (looksSoon) return
    looksSoon = true
    setTimeout(look, GATHER_MS).unref()
  })
  return {
    listen: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    lastMinute: () => pace.lastMinute(performance.now()),
  }
}

/** Bytes a second, of all that run. */
export const rateOf = (transfers: readonly Transfer[]): number =>
  transfers.reduce((sum, { state, rate }) => (state === 'running' ? sum + rate.perSecond : sum), 0)

const noticeOf = (
  deps: Pick<TransferWatchDeps, 'handOver' | 'called'>,
  changed: readonly Transfer[],
): readonly Notice[] => {
  const done = changed.filter(({ state }) => state === 'done')
  const stopped = changed.filter(({ state, record }) => STOPPED.has(state) && record.error !== undefined)
  return [...doneNotice(deps, done), ...stopped.map((transfer) => stoppedNotice(transfer, deps.called))]
}

const doneNotice = (deps: Pick<UserDeps, 'handOver'>, done: readonly Transfer[]): readonly Notice[] => {
  const [first] = done
  if (!first) return []
  if (done.length > 1) return [{ before: `${countOf(done.length, 'file')} are here.` }]
  const { record, weave } = first
  const from = weave.counts().filter((pieces) => pieces > 0).length
  const said = `${sizeWords(record.size)}${from === 0 ? '' : ` from ${countOf(from, 'computer')}`}`
  const open = canOpen(deps, first) ? openAction(first) : undefined
  return [{ name: shown(nameOf(first)), after: ` is here. ${said}.`, undo: open }]
}

const stoppedNotice = (transfer: Transfer, called: Called): Notice => ({
  name: shown(transfer.record.name),
  after: `: ${plain(reasonOf(transfer, called).cause)}`,
  alarm: true,
})
