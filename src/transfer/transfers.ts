/** The list of transfers: which run, which wait, what the person said; unfinished ones go on after a restart. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { toHex } from '../bytes.ts'
import { NotNow, UnknownTransfer } from '../errors.ts'
import type { News } from '../news.ts'
import type { Home } from '../store/home.ts'
import type { State } from '../store/state.ts'
import type { TransferRecord } from '../store/transfers.ts'
import type { Content } from './fetch.ts'
import { Finished } from './finished.ts'
import type { Holdings } from './holding.ts'
import { Transfer } from './transfer.ts'
import type { TransferDeps } from './transfer-deps.ts'

/** Each has a thread of its own. */
export const TRANSFERS_AT_ONCE = 3
/** Finished ones that are remembered. */
const MAX_FINISHED = 200
const LOOK_MS = 2_000
const FINISHED: ReadonlySet<string> = new Set(['done', 'failed', 'cancelled'])

export interface TransfersDeps extends Omit<TransferDeps, 'tell' | 'partialPath' | 'pathOf' | 'state'> {
  readonly news: News
  readonly home: Home
  readonly state: Pick<State, 'transfers' | 'cache'>
}

export class Transfers {
  /** What became of the files that were fetched. */
  readonly finished: Finished
  readonly #deps: TransfersDeps
  readonly #transfers = new Map<string, Transfer>()
  readonly #running = new Set<Transfer>()
  readonly #ends: (() => void)[] = []
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(deps: TransfersDeps) {
    this.#deps = deps
    this.finished = new Finished(deps.home, deps.state.cache)
  }

  /** Unfinished transfers go on by themselves. */
  start(): void {
    const { state, news } = this.#deps
    for (const { record, map, clean } of state.transfers.all()) {
      const ran = !FINISHED.has(record.state) && record.state !== 'paused'
      this.#transfers.set(record.id, this.#make(ran ? { ...record, state: 'queued' } : record, map, clean))
    }
    for (const topic of ['table', 'catalogue'] as const) this.#ends.push(news.on(topic, () => this.#look()))
    this.#timer = setInterval(() => this.#look(), LOOK_MS)
    this.#timer.unref()
    this.#look()
  }

  /** All transfers come to rest; what is here is on the disk. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearInterval(this.#timer)
    for (const end of this.#ends) end()
    await Promise.all([...this.#running].map(async (transfer) => await transfer.stop('queued')))
  }

  /** Newest first. */
  all(): readonly Transfer[] {
    return [...this.#transfers.values()].reverse()
  }

  /** @throws UnknownTransfer */
  get(id: string): Transfer {
    const transfer = this.#transfers.get(id)
    if (!transfer) throw new UnknownTransfer()
    return transfer
  }

  /** The latest transfer of a content. */
  of(content: Content): Transfer | undefined {
    return this.all().find((transfer) => isSame(transfer.content, content))
  }

  /**
   * Fetch a content, or join the transfer that does so, or has done so.
   * @param name - as the mesh calls it
   * @throws DiskFull, CannotWrite when it could not be kept
   */
  async add(content: Content, name: string): Promise<{ transfer: Transfer; isNew: boolean }> {
    for (;;) {
      const known = this.of(content)
      const stands = known !== undefined && (await this.#stands(known))
      // Somebody else may have begun one meanwhile.
      if (known !== this.of(content)) continue
      if (!known || !stands) return { transfer: this.#create(content, name), isNew: true }
      if (known.state === 'failed') await this.retry(known.record.id)
      return { transfer: known, isNew: false }
    }
  }

  /** @throws UnknownTransfer, NotNow when it is over */
  async pause(id: string): Promise<Transfer> {
    return await this.#end(id, 'paused')
  }

  /** What is here of it is deleted. @throws UnknownTransfer, NotNow when it is over */
  async cancel(id: string): Promise<Transfer> {
    return await this.#end(id, 'cancelled')
  }

  /** @throws UnknownTransfer, NotNow when it is done */
  async resume(id: string): Promise<Transfer> {
    const transfer = this.get(id)
    await transfer.settled()
    const { state } = transfer
    if (state === 'done') throw new NotNow('this transfer is done')
    const other = this.of(transfer.content)
    if (FINISHED.has(state) && other && !FINISHED.has(other.state)) throw new NotNow('this file is fetched already')
    if (FINISHED.has(state) || state === 'paused' || state === 'waiting') transfer.again()
    this.#look()
    return transfer
  }

  /** As resume, for one that failed. */
  async retry(id: string): Promise<Transfer> {
    return await this.resume(id)
  }

  /** What can be given to others of what is, or was, fetched. */
  readonly holdings: Holdings = (root) => {
    for (const transfer of this.#transfers.values()) {
      if (transfer.content.root === root && transfer.holding) return transfer.holding
    }
    return undefined
  }

  #create({ root, hash, size }: Content, name: string): Transfer {
    const record: TransferRecord = {
      ...{ root, hash, size },
      id: toHex(randomBytes(8)),
      name,
      state: 'queued',
      error: undefined,
      createdMs: Date.now(),
      endedMs: undefined,
      finalName: undefined,
      givers: [],
      layer: undefined,
    }
    const transfer = this.#make(record)
    transfer.save()
    this.#transfers.set(record.id, transfer)
    this.#forgetOld()
    this.#look()
    return transfer
  }

  #make(record: TransferRecord, map?: Uint8Array, clean?: boolean): Transfer {
    const deps: TransferDeps = {
      ...this.#deps,
      partialPath: (id) => `${this.#deps.place.folder}/${partialName(id)}`,
      pathOf: (name) => join(this.#deps.home.realRoot, ...name.split('/')),
      tell: () => this.#deps.news.tell('transfers'),
    }
    return new Transfer(deps, record, map, clean)
  }

  async #end(id: string, stop: 'paused' | 'cancelled'): Promise<Transfer> {
    const transfer = this.get(id)
    await transfer.settled()
    if (transfer.state === 'done') throw new NotNow('this transfer is done')
    if (transfer.state === 'failed' && stop === 'paused') throw new NotNow('this transfer has stopped already')
    if (transfer.state === 'cancelled') throw new NotNow('this transfer was cancelled')
    await transfer.stop(stop)
    this.#look()
    return transfer
  }

  /** Start what can be started, in the order of asking. */
  #look(): void {
    for (const transfer of this.#transfers.values()) {
      if (this.#stopped || this.#running.size >= TRANSFERS_AT_ONCE) return
      if (this.#running.has(transfer)) continue
      if (transfer.ready) this.#begin(transfer)
      else transfer.wait()
    }
  }

  #begin(transfer: Transfer): void {
    this.#running.add(transfer)
    void transfer.run().finally(() => {
      this.#running.delete(transfer)
      this.#look()
    })
  }

  /** A finished one counts as long as its file is there, as it came. */
  async #stands({ state, record }: Transfer): Promise<boolean> {
    if (state === 'cancelled') return false
    return state !== 'done' || (await this.finished.look(record)) === 'same'
  }

  #forgetOld(): void {
    const finished = [...this.#transfers.values()].filter(({ state }) => FINISHED.has(state))
    for (const transfer of finished.slice(0, Math.max(0, finished.length - MAX_FINISHED))) {
      this.#transfers.delete(transfer.record.id)
      this.#deps.state.transfers.remove(transfer.record.id)
      void transfer.forget()
    }
  }
}

/** Names of partial files that are still needed: to be kept by whoever tidies up. */
export const partialsOf = (state: Pick<State, 'transfers'>): ReadonlySet<string> =>
  new Set(
    state.transfers
      .all()
      .filter(({ record }) => !FINISHED.has(record.state) || record.state === 'failed')
      .map(({ record }) => partialName(record.id)),
  )

const partialName = (id: string): string => `${id}.part`

const isSame = (a: Content, b: Content): boolean => a.root === b.root && a.hash === b.hash && a.size === b.size
