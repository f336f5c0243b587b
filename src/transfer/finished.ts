/** The files that transfers have finished: whether they still lie in the home as they came, and open for reading. */
import { FileChanged, isOurs, NoSuchFile } from '../errors.ts'
import type { Home } from '../store/home.ts'
import { fitsStamp, type Stamp, sameStamp, stampOf } from '../store/stamp.ts'
import type { State } from '../store/state.ts'
import type { TransferRecord } from '../store/transfers.ts'
import type { OpenHolding } from './holding.ts'

/** The content that came; something else of that name; nothing. */
export type Kept = 'same' | 'changed' | 'gone'

type FinishedRecord = Pick<TransferRecord, 'finalName' | 'hash' | 'root'>

export class Finished {
  readonly #home: Home
  readonly #cache: Pick<State['cache'], 'get'>

  /** @param cache - knows what each file of the home was hashed to, and what it was then. */
  constructor(home: Home, cache: Pick<State['cache'], 'get'>) {
    this.#home = home
    this.#cache = cache
  }

  /** What lies under the name that was given, without reading it. */
  async look(record: FinishedRecord): Promise<Kept> {
    if (record.finalName === undefined) return 'gone'
    try {
      const { stamp } = await this.#home.stat(record.finalName)
      return this.#fits(record, stamp) ? 'same' : 'changed'
    } catch (error) {
      if (isOurs(error)) return 'gone'
      throw error
    }
  }

  /**
   * Open the content that came; the caller closes it.
   * @throws NoSuchFile and whatever else opening it throws; FileChanged when it is another content now
   */
  async open(record: FinishedRecord): Promise<OpenHolding> {
    if (record.finalName === undefined) throw new NoSuchFile()
    const { handle, stamp } = await this.#home.open(record.finalName)
    if (!this.#fits(record, stamp)) {
      await handle.close()
      throw new FileChanged()
    }
    return {
      read: async (position, into) => {
        for (let filled = 0; filled < into.length; ) {
          const { bytesRead } = await handle.read(into, filled, into.length - filled, position + filled)
          if (bytesRead === 0) throw new FileChanged()
          filled += bytesRead
        }
      },
      check: async () => {
        if (!sameStamp(stamp, stampOf(await handle.stat({ bigint: true })))) throw new FileChanged()
      },
      close: async () => await handle.close(),
    }
  }

  #fits({ finalName = '', hash, root }: FinishedRecord, stamp: Stamp): boolean {
    const known = this.#cache.get(finalName)
    return known?.hash === hash && known.root === root && fitsStamp(known.stamp, stamp)
  }
}
