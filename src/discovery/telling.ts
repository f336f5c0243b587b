/** Telling live peers that our row changed, and that we leave: each at its own pace. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { PeerTable } from '../dht/table.ts'
import type { PeerClient } from '../peer/client.ts'
import { isOnThisComputer } from '../protocol/addresses.ts'
import type { Update } from '../protocol/messages.ts'

const TELL_PAUSE_MS = 100
/** A leaving node waits so long for its goodbyes. */
const GOODBYE_MS = 500

export interface TellingDeps {
  readonly client: Pick<PeerClient, 'update'>
  readonly table: PeerTable
  readonly ownPort: number
  readonly signal: AbortSignal
}

export class Telling {
  readonly #deps: TellingDeps
  readonly #telling = new Map<string, Promise<void>>()
  readonly #untold = new Set<string>()

  constructor(deps: TellingDeps) {
    this.#deps = deps
  }

  /**
   * Tell every live peer that our row changed; a burst of changes is told once and, if it goes on, ten times a second.
   * @param where - only those: on this computer, or beyond it
   */
  changed(where?: 'computer' | 'network'): void {
    for (const { id, alive } of this.#deps.table.all()) {
      const here = isOnThisComputer(this.#deps.table.addressOf(id) ?? '')
      if (alive && (where === undefined || here === (where === 'computer'))) this.#tellUntilQuiet(id)
    }
  }

  /** Each peer has its own pace: one that hangs keeps nobody else from the news. */
  #tellUntilQuiet(id: string): void {
    if (this.#telling.has(id)) {
      this.#untold.add(id)
      return
    }
    const { signal } = this.#deps
    const telling = this.#tell(id, 'changed')
      .then(() => sleep(TELL_PAUSE_MS, undefined, { ref: false, signal }))
      .catch(() => {})
      .finally(() => {
        this.#telling.delete(id)
        if (this.#untold.delete(id) && !signal.aborted) this.#tellUntilQuiet(id)
      })
    this.#telling.set(id, telling)
  }

  /** Say goodbye; at most half a second. */
  async leaving(): Promise<void> {
    const live = this.#deps.table.all().filter(({ alive }) => alive)
    const told = Promise.allSettled(live.map(({ id }) => this.#tell(id, 'leaving')))
    await Promise.race([told, sleep(GOODBYE_MS, undefined, { ref: false })])
  }

  async #tell(id: string, kind: Update['kind']): Promise<void> {
    const { client, table, ownPort } = this.#deps
    const address = table.addressOf(id)
    if (address !== undefined) await client.update(address, { kind, port: ownPort }, this.#deps.signal)
  }
}
