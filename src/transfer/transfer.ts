/** One fetch into the home, from its order to its end: how far it is, who helps, what is kept of it. */
import { unlink } from 'node:fs/promises'
import { equalBytes } from '../bytes.ts'
import { isOurs, publicError } from '../errors.ts'
import type { PieceSet } from '../store/piece-set.ts'
import { runBytes } from '../store/pieces.ts'
import type { PieceMap, TransferRecord, TransferState } from '../store/transfers.ts'
import { bytesOf, type Content, fetchContent } from './fetch.ts'
import type { Holder } from './following.ts'
import type { Holding } from './holding.ts'
import { copyOfOwn, placedBefore } from './in-home.ts'
import { KeptRecord } from './kept-record.ts'
import { OwnHolding } from './own-holding.ts'
import { Rate } from './rate.ts'
import { type Helper, isLie, type Lost, Standing } from './standing.ts'
import type { TransferDeps } from './transfer-deps.ts'
import { Vain } from './vain.ts'
import type { Weave } from './weave.ts'

/** The piece map is kept this often: after a crash every piece is checked again anyway. */
const KEEP_MAP_MS = 500
/** In the place of an identity: this home. */
const OWN = 'own'

/** Why a fetch ends before its end. */
export type Stop = 'paused' | 'cancelled' | 'queued'

class Stopped extends Error {}

export class Transfer {
  readonly content: Content
  /** Bytes that are missing on the disk, when that stopped it. */
  missingBytes: number | undefined
  readonly rate: Rate
  readonly #deps: TransferDeps
  readonly #standing: Standing
  readonly #vain: Vain
  readonly #kept: KeptRecord
  #have: PieceSet | undefined
  #holding: OwnHolding | undefined
  #running: { abort: AbortController; done: Promise<void> } | undefined
  #stopping: Promise<void> | undefined

  constructor(deps: TransferDeps, record: TransferRecord, map?: PieceMap, clean = false) {
    this.#deps = deps
    this.content = { root: record.root, hash: record.hash, size: record.size }
    const { onTrouble, tell } = deps
    this.#kept = new KeptRecord({ store: deps.state.transfers, onTrouble, tell }, record, map, clean)
    this.rate = new Rate(deps.now)
    this.#standing = new Standing(deps.now)
    this.#vain = new Vain(deps.now)
  }

  get record(): TransferRecord {
    return this.#kept.record
  }

  /** Who gave which piece. */
  get weave(): Weave {
    return this.#kept.weave
  }

  get state(): TransferState {
    return this.record.state
  }

  get holding(): Holding | undefined {
    return this.#holding?.ended ? undefined : this.#holding
  }

  /** Bytes that are here, checked; before the first look what was kept of it. */
  get done(): number {
    if (this.state === 'done') return this.record.size
    return bytesOf(this.record.size, this.#have ?? this.weave.pieces())
  }

  /** Everybody who helped. */
  helpers(): readonly Helper[] {
    return this.#standing.helpers()
  }

  /** Who is not asked any more. */
  get lost(): readonly Lost[] {
    return this.#standing.lost
  }

  /** Seconds; null when nobody can say. */
  get etaSeconds(): number | null {
    const { perSecond } = this.rate
    if (this.state !== 'running' || perSecond < 1) return null
    return Math.ceil((this.record.size - this.done) / perSecond)
  }

  /** Who could be asked now. */
  publishers(): readonly Holder[] {
    return this.#deps.publishers(this.content).filter((holder) => !this.#standing.lied(holder))
  }

  /** It waits for its turn, and somebody is there who was not asked in vain just now. */
  get ready(): boolean {
    if (this.#running || this.#stopping || (this.state !== 'queued' && this.state !== 'waiting')) return false
    return this.#vain.allows(this.#sources())
  }

  /** Fetch. Resolves when it is over, for whatever reason; the state says which. */
  run(): Promise<void> {
    if (this.#running) return this.#running.done
    const abort = new AbortController()
    const done = this.#run(abort.signal).finally(() => {
      this.#running = undefined
      this.#deps.tell()
    })
    this.#running = { abort, done }
    return done
  }

  /** End it before its end, and wait for it. One stop after the other. */
  async stop(stop: Stop): Promise<void> {
    const before = this.#stopping
    this.#running?.abort.abort(new Stopped(stop))
    const stopping = this.#stop(stop, before).finally(() => {
      if (this.#stopping === stopping) this.#stopping = undefined
    })
    this.#stopping = stopping
    await stopping
  }

  /** Resolves when nobody is stopping it any more. */
  async settled(): Promise<void> {
    await this.#stopping
  }

  /** Nobody can be asked now. */
  wait(): void {
    if (this.state === 'queued') this.#kept.to('waiting')
  }

  /** It was stopped, or waits, and the person wants it now. @throws DiskFull, CannotWrite */
  again(): void {
    this.#vain.forget()
    this.#standing.forgive()
    if (this.state !== 'waiting') this.save({ state: 'queued', error: undefined, endedMs: undefined })
  }

  /** Nobody remembers it any more. */
  async forget(): Promise<void> {
    this.#holding?.end()
    await unlink(this.#deps.partialPath(this.record.id)).catch(() => {})
  }

  /** @throws DiskFull, CannotWrite */
  save(change: Partial<TransferRecord> = {}): void {
    this.#kept.save(change)
  }

  async #run(signal: AbortSignal): Promise<void> {
    const partial = this.#deps.partialPath(this.record.id)
    const keeping = setInterval(() => this.#kept.keepMap(), KEEP_MAP_MS)
    const before = this.done
    try {
      this.missingBytes = undefined
      const placed = await placedBefore(this.#deps, this.record, partial)
      if (placed === undefined) this.#kept.to('running', { finalName: undefined, error: undefined })
      await this.#finish(placed ?? (await this.#fetch(partial, signal)), placed === undefined)
    } catch (error) {
      await this.#ended(error, partial, this.done > before)
    } finally {
      clearInterval(keeping)
      this.#kept.rested()
    }
  }

  async #fetch(partial: string, signal: AbortSignal): Promise<string> {
    const own = await copyOfOwn(this.#deps, this.record, partial, signal)
    if (own) this.#kept.replaced()
    const layer = own ?? this.record.layer
    const task = { content: this.content, name: this.record.name, partial, layer, maybe: this.#kept.maybe() }
    const deps = { ...this.#deps, publishers: () => this.publishers() }
    return await fetchContent(task, deps, this.#events(), signal)
  }

  /** It has its name, so it is done, whatever else fails. */
  async #finish(name: string, isSure: boolean): Promise<void> {
    try {
      const { path, stamp } = await this.#deps.placed(name, { ...this.content, layer: this.record.layer }, isSure)
      this.#holding?.finished(path, stamp)
    } catch (error) {
      this.#deps.onTrouble('a file that was fetched could not be looked at', error)
    }
    this.#kept.to('done', { finalName: name, endedMs: Date.now(), layer: undefined })
  }

  #events(): Parameters<typeof fetchContent>[2] {
    const { root, size } = this.content
    return {
      begun: (layer, have, gathering) => {
        this.#have = have
        this.#kept.looked(have)
        if (!equal(this.record.layer, layer)) this.save({ layer })
        const path = this.#deps.partialPath(this.record.id)
        const onFollowed = (peerId: string): void => {
          const holder = this.#deps.byId(peerId)
          if (holder) gathering.named(holder.address)
        }
        const before = this.#holding
        this.#holding = new OwnHolding({ root, size, layer, pieces: have, path, onFollowed })
        before?.end()
        this.#deps.tell()
      },
      waiting: (waits) => this.#kept.to(waits ? 'waiting' : 'running'),
      received: (holder, bytes) => this.#standing.received(holder, bytes),
      piece: (piece, holder) => {
        const { bytes } = runBytes(size, { first: piece, count: 1 })
        // The map says who gave what by numbers of this list.
        if (this.weave.put(piece, holder)) this.#kept.to(this.state)
        this.rate.add(bytes)
        this.#standing.gave(holder, bytes)
        this.#holding?.tell(piece)
        this.#deps.tell()
      },
      lost: (holder, error) => {
        const code = this.#standing.lose(holder, error)
        if (isLie(error)) this.#deps.onLie?.(holder.id, code)
        this.#deps.onTrouble(`a holder is not asked any more: ${code}`, error)
        this.#deps.tell()
      },
      verifying: () => this.#kept.to('verifying'),
      placed: (name) => {
        this.#kept.to('verifying', { finalName: name })
        this.#holding?.placed(this.#deps.pathOf(name))
      },
    }
  }

  async #ended(error: unknown, partial: string, wasHelped: boolean): Promise<void> {
    const { code } = publicError(error)
    if (error instanceof Stopped) return
    if (code === 'PM_NO_HOLDER' || code === 'PM_BUSY') {
      this.#vain.note(this.#sources(), wasHelped)
      this.#kept.to(code === 'PM_BUSY' ? 'queued' : 'waiting')
    } else if (code === 'PM_DISK_FULL') {
      this.missingBytes = missingOf(error)
      this.#kept.to('paused', { error: code })
    } else {
      if (!isOurs(error) || code === 'PM_INTERNAL') this.#deps.onTrouble('a transfer failed', error)
      if (code === 'PM_WRONG_HASH') await this.#discard(partial)
      this.#kept.to('failed', { error: code, endedMs: Date.now() })
    }
  }

  async #stop(stop: Stop, before: Promise<void> | undefined): Promise<void> {
    await before
    await this.#running?.done
    const { state } = this
    if (state === 'done' || (state === 'failed' && stop !== 'cancelled')) return
    // What the person said stands when the node stops.
    if (stop === 'queued' && (state === 'paused' || state === 'cancelled')) return
    this.#holding?.end()
    if (stop === 'cancelled') await this.#discard(this.#deps.partialPath(this.record.id))
    this.#kept.to(stop, { error: undefined, ...(stop === 'cancelled' && { endedMs: Date.now(), layer: undefined }) })
  }

  /** Nothing is here of it any more. */
  async #discard(partial: string): Promise<void> {
    this.#holding?.end()
    await unlink(partial).catch(() => {})
    this.#have = undefined
    this.#kept.emptied()
  }

  /** Who could help now. */
  #sources(): readonly string[] {
    const isHere = this.content.size === 0 || this.#deps.hasOwn(this.content)
    return [...this.publishers().map(({ id }) => id), ...(isHere ? [OWN] : [])]
  }
}

const equal = (a: Uint8Array | undefined, b: Uint8Array): boolean => a !== undefined && equalBytes(a, b)

const missingOf = (error: unknown): number | undefined =>
  error instanceof Error && 'missingBytes' in error && typeof error.missingBytes === 'number'
    ? error.missingBytes
    : undefined
