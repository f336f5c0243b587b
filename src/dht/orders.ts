/** All contents in order. What changes is put where it belongs bit by bit, so that nobody ever waits for a sort of everything. */
import { type Content, ORDERS, type Sort } from './content.ts'

interface Order {
  readonly sorted: readonly Content[]
  /** Changed, new or gone since, and whether they stand in `sorted`, where they do not belong any more. */
  readonly stale: Map<Content, boolean>
  /** Changes since somebody asked. */
  unasked: number
}

/** More are put in their places at once, asked or not: a millisecond's work. */
const MAX_STALE = 500
/** After so many changes nobody looks at an order any more. The newest first is always kept: it is what is seen first. */
const MAX_UNASKED = 100_000
const KEPT: Sort = 'new'

export class Orders {
  readonly #orders = new Map<Sort, Order>([[KEPT, orderOf([])]])

  /** All contents. The first to ask for an order in a long time waits until it is made. */
  get(sort: Sort): readonly Content[] {
    const order = this.#orders.get(sort)
    const kept = order ? upToDate(sort, order) : orderOf(this.get(KEPT).toSorted(ORDERS[sort]))
    this.#orders.set(sort, { ...kept, unasked: 0 })
    return kept.sorted
  }

  /** A content is other than it was, or gone; its place is found later. */
  note(content: Content, isNew: boolean): void {
    for (const { stale } of this.#orders.values()) if (!stale.has(content)) stale.set(content, !isNew)
  }

  /** To be called after each change of up to some hundred files. */
  keepUp(): void {
    for (const [sort, order] of this.#orders) {
      if (order.stale.size < MAX_STALE) continue
      const unasked = order.unasked + order.stale.size
      if (unasked > MAX_UNASKED && sort !== KEPT) this.#orders.delete(sort)
      else this.#orders.set(sort, { ...upToDate(sort, order), unasked })
    }
  }
}

const orderOf = (sorted: readonly Content[]): Order => ({ sorted, stale: new Map(), unasked: 0 })

const upToDate = (sort: Sort, order: Order): Order => {
  const { sorted, stale } = order
  if (stale.size === 0) return order
  const moved = [...stale.values()].includes(true)
  const kept = moved ? sorted.filter((content) => !stale.has(content)) : sorted
  const fresh = [...stale.keys()].filter((content) => content.by.size > 0).sort(ORDERS[sort])
  // Where there is little to put them into, sorting everything costs less.
  if (fresh.length > MAX_STALE && fresh.length > kept.length / 4) return orderOf(kept.concat(fresh).sort(ORDERS[sort]))
  return orderOf(merged(kept, fresh, ORDERS[sort]))
}

/** Put some into many, both in order. */
const merged = (
  many: readonly Content[],
  some: readonly Content[],
  order: (a: Content, b: Content) => number,
): readonly Content[] => {
  const pieces: (readonly Content[])[] = []
  let from = 0
  for (const content of some) {
    // Binary search for the first that comes after it: comparing names is what costs.
    let low = from
    let high = many.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const there = many[middle]
      if (there && order(there, content) < 0) low = middle + 1
      else high = middle
    }
    pieces.push(many.slice(from, low), [content])
    from = low
  }
  return many.slice(0, 0).concat(...pieces, many.slice(from))
}
