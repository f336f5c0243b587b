/** When to pull whom: one pull an address at a time, never too often, never for ever; and who proved himself by it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { headOf } from '../dht/row.ts'
import type { PeerTable } from '../dht/table.ts'
import { PeerMisbehaved, TableFull } from '../errors.ts'
import type { PeerClient } from '../peer/client.ts'
import { inTime } from '../peer/patience.ts'
import { pullRow } from './pull.ts'

/** How often, and how long. */
export interface Pace {
  /** Between two pulls after unauthenticated hints of /alive. */
  readonly pauseMs: number
  /** Between two pulls after a peer's own word. */
  readonly toldPauseMs: number
  /** All pages of one pull. */
  readonly deadlineMs: number
  /** A peer that was not asked in a session for so long has to prove itself again. */
  readonly provedForMs: number
  /** Between two looks because a connection broke: whoever breaks every one must not keep us busy. */
  readonly promptPauseMs: number
  /** The first round is over by then, whoever is still being asked. */
  readonly firstRoundMs: number
}

export const PACE: Pace = {
  pauseMs: 2_000,
  toldPauseMs: 250,
  deadlineMs: 120_000,
  provedForMs: 60_000,
  promptPauseMs: 1_000,
  firstRoundMs: 5_000,
}

/**
 * After a pull, twice its time is left to others: a peer with a huge row that changes all the time takes a third of us at most.
 * Waiting for the peer's first words, and for a handshake before them, is no work of ours.
 */
const REST = 2
const MAX_REST_MS = 10_000
/** A row for which there is no room is not fetched again and again only to be put aside. */
const FULL_REST_MS = 600_000

/** What a node said of itself in a session; when it was asked and when it answered, monotonic milliseconds. */
export interface Proved {
  readonly id: string
  readonly address: string
  readonly epoch: number
  readonly version: number
  readonly sig: string
  readonly askedAt: number
  readonly answeredAt: number
}

export interface PullsOptions {
  readonly client: PeerClient
  readonly table: PeerTable
  readonly ownPort: number
  readonly pace: Pace
  readonly signal: AbortSignal
  readonly onRefused?: ((code: string) => void) | undefined
  readonly onTrouble: (address: string, error: unknown) => void
  readonly onProved?: (proved: Proved) => void
}

/** A pull that has not begun yet. */
interface Wish {
  /** The shortest of those who want it. */
  pauseMs: number
  /** Work out anew how long to wait. */
  wake: () => void
}

export class Pulls {
  readonly #options: PullsOptions
  readonly #running = new Map<string, Promise<void>>()
  readonly #wishes = new Map<string, Wish>()
  readonly #pulled = new Map<string, { readonly at: number; readonly restUntil: number }>()
  readonly #provedAt = new Map<string, number>()

  constructor(options: PullsOptions) {
    this.#options = options
  }

  /** True when whoever is at an address answered in a session not long ago. */
  proved(address: string): boolean {
    const at = this.#provedAt.get(address)
    return at !== undefined && performance.now() - at < this.#options.pace.provedForMs
  }

  /** What was proved about an address does not hold any more. */
  doubt(address: string): void {
    this.#provedAt.delete(address)
  }

  /** Pull now, or once more after the pull that runs; never more often than the pause allows. A peer's own word does not wait behind a mere hint. */
  async pull(address: string, pauseMs: number): Promise<void> {
    const wish = this.#wishes.get(address)
    if (!wish) this.#wishes.set(address, { pauseMs, wake: () => {} })
    else if (pauseMs < wish.pauseMs) {
      wish.pauseMs = pauseMs
      wish.wake()
    }
    const running = this.#running.get(address)
    if (running) return await running
    const pull = this.#untilQuiet(address).finally(() => this.#running.delete(address))
    this.#running.set(address, pull)
    await pull
  }

  /** Resolves when no pull runs any more. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#running.values())
  }

  async #untilQuiet(address: string): Promise<void> {
    const { signal } = this.#options
    for (let wish = this.#wishes.get(address); wish; wish = this.#wishes.get(address)) {
      await this.#wait(address, wish)
      this.#wishes.delete(address)
      if (signal.aborted) return
      const at = performance.now()
      const restMs = await this.#once(address)
      this.#pulled.set(address, { at, restUntil: performance.now() + restMs })
    }
  }

  async #wait(address: string, wish: Wish): Promise<void> {
    const { signal } = this.#options
    const { at, restUntil } = this.#pulled.get(address) ?? { at: Number.NEGATIVE_INFINITY, restUntil: 0 }
    while (!signal.aborted) {
      const waitMs = Math.max(at + wish.pauseMs, restUntil) - performance.now()
      if (waitMs <= 0) return
      const woken = new AbortController()
      wish.wake = () => woken.abort()
      await sleep(waitMs, undefined, { ref: false, signal: AbortSignal.any([signal, woken.signal]) }).catch(() => {})
    }
  }

  /** @returns how long it is left alone, ms. */
  async #once(address: string): Promise<number> {
    const { client, table, ownPort, pace, signal, onTrouble, onProved } = this.#options
    const known = table.at(address)
    const news = known?.alive !== true ? undefined : known.id
    const began = performance.now()
    let firstPageAt: number | undefined
    const noting: Pick<PeerClient, 'table'> = {
      table: async (...asked) => {
        const askedAt = performance.now()
        const answer = await client.table(...asked)
        const answeredAt = performance.now()
        firstPageAt ??= answeredAt
        const head = headOf(answer.page)
        if (head) {
          const { id, page } = answer
          onProved?.({ id, address, epoch: head.epoch, version: head.version, sig: page.sig, askedAt, answeredAt })
        }
        return answer
      },
    }
    try {
      const id = await inTime(pace.deadlineMs, signal, async (end) => await pullRow(noting, table, address, end))
      this.#provedAt.set(address, performance.now())
      // Whoever came, or came back, hears of us at once; it may not know that we are here.
      if (id !== news) void client.update(address, { kind: 'changed', port: ownPort }, signal).catch(() => {})
    } catch (error) {
      if (signal.aborted) return 0
      this.doubt(address)
      if (error instanceof PeerMisbehaved) table.release(address)
      else table.gone(address)
      onTrouble(address, error)
      if (error instanceof TableFull) {
        this.#options.onRefused?.(error.code)
        return FULL_REST_MS
      }
    }
    return Math.min((performance.now() - (firstPageAt ?? began)) * REST, MAX_REST_MS)
  }
}
