/** How much all rows together may hold: whoever shares a million names must not fill this computer's memory and disk. */
import type { FileChange, SharedFile } from './digest.ts'

export interface RoomLimits {
  readonly names: number
  readonly bytes: number
}

/** Twenty nodes with as many files as a row may have. */
export const ROOM: RoomLimits = { names: 2_000_000, bytes: 512 * 1024 * 1024 }

/** Hash, root, numbers, and the tables that find them; besides the name, which is kept in both encodings. */
const FILE_BYTES = 160

interface Sum {
  readonly names: number
  readonly bytes: number
}

const NOTHING: Sum = { names: 0, bytes: 0 }

export class TableRoom {
  readonly #limits: RoomLimits
  /** What each row may have in any case: a small newcomer is taken in whoever came before. So twice the limits are the very most. */
  readonly #share: RoomLimits
  readonly #rows = new Map<string, Sum>()
  #all: Sum = NOTHING

  /** @param rows - among which it is shared */
  constructor(limits: RoomLimits, rows: number) {
    this.#limits = limits
    this.#share = { names: limits.names / rows, bytes: limits.bytes / rows }
  }

  /** Count the changes of a row. @returns false when it is too much, and nothing was counted */
  take(id: string, changes: readonly FileChange[]): boolean {
    const more = sumOf(changes)
    const grows = more.names > 0 || more.bytes > 0
    const row = plus(this.#rows.get(id) ?? NOTHING, more)
    const all = plus(this.#all, more)
    if (grows && !isWithin(all, this.#limits) && !isWithin(row, this.#share)) return false
    this.#rows.set(id, row)
    this.#all = all
    return true
  }

  /** As take, of a row that was here before. */
  put(id: string, changes: readonly FileChange[]): void {
    const more = sumOf(changes)
    this.#rows.set(id, plus(this.#rows.get(id) ?? NOTHING, more))
    this.#all = plus(this.#all, more)
  }

  forget(id: string): void {
    const { names, bytes } = this.#rows.get(id) ?? NOTHING
    this.#rows.delete(id)
    this.#all = plus(this.#all, { names: -names, bytes: -bytes })
  }
}

const plus = (a: Sum, b: Sum): Sum => ({ names: a.names + b.names, bytes: a.bytes + b.bytes })

const isWithin = ({ names, bytes }: Sum, limits: RoomLimits): boolean => names <= limits.names && bytes <= limits.bytes

const bytesOf = ({ name }: SharedFile): number => FILE_BYTES + 2 * name.length

const sumOf = (changes: readonly FileChange[]): Sum => {
  let [names, bytes] = [0, 0]
  for (const { before, after } of changes) {
    names += (after ? 1 : 0) - (before ? 1 : 0)
    bytes += (after ? bytesOf(after) : 0) - (before ? bytesOf(before) : 0)
  }
  return { names, bytes }
}
