/** The catalogue: all rows merged by content. One entry is one content with its names and holders. */
import type { SharedFile } from './digest.ts'
import { type Kind, kindOf } from './kinds.ts'
import type { RowChange } from './table.ts'

export const SORTS = ['new', 'name', 'size', 'holders'] as const
export type Sort = (typeof SORTS)[number]

export interface CatalogueQuery {
  /** Words that must all stand in one of the names; upper and lower case alike. */
  readonly q?: string | undefined
  readonly kind?: Kind | undefined
  readonly sort?: Sort | undefined
  /** From 1. */
  readonly page?: number | undefined
  readonly pageSize?: number | undefined
}

export interface Holding {
  /** Identity, 64 hex characters. */
  readonly id: string
  /** A name under which that node publishes the content. */
  readonly fileName: string
}

/**
 * One content. Rows merge when root, hash and size agree: a peer that lies about one of them stands alone,
 * and never spoils what honest ones say.
 */
export interface CatalogueEntry {
  readonly root: string
  readonly hash: string
  readonly size: number
  /** The most used one first. */
  readonly names: readonly string[]
  /** This node too, where it has published the content. */
  readonly holders: readonly Holding[]
  /** The latest publishing, ms since 1970 by its owner's clock. */
  readonly publishedMs: number
}

const DEFAULT_PAGE_SIZE = 50

interface Content {
  readonly root: string
  readonly hash: string
  readonly size: number
  /** Holder -> its names for it. */
  readonly by: Map<string, Map<string, number>>
  entry: CatalogueEntry | undefined
  folded: string
}

/** All contents in one order. */
interface Order {
  readonly sorted: readonly Content[]
  /** Changed, new or gone since, and whether they stand in `sorted`, where they do not belong any more. */
  readonly stale: Map<Content, boolean>
}

/** So few are always worth their places. */
const MAX_STALE = 1_000

export class Catalogue {
  readonly #contents = new Map<string, Content>()
  readonly #byRoot = new Map<string, Set<Content>>()
  readonly #byHash = new Map<string, Set<Content>>()
  readonly #orders = new Map<Sort, Order>()

  get count(): number {
    return this.#contents.size
  }

  change({ id, removed, added }: RowChange): void {
    for (const file of removed) this.#remove(id, file)
    for (const file of added) this.#add(id, file)
  }

  /** Every content that goes by a hash or a root. More than one: somebody lies, or chose them so. */
  find(hashOrRoot: string): readonly CatalogueEntry[] {
    const found = new Set([...(this.#byRoot.get(hashOrRoot) ?? []), ...(this.#byHash.get(hashOrRoot) ?? [])])
    return [...found].map(entryOf)
  }

  /** The content of one file of a row. */
  of({ root, hash, size }: Pick<SharedFile, 'root' | 'hash' | 'size'>): CatalogueEntry | undefined {
    const content = this.#contents.get(keyOf({ root, hash, size }))
    return content && entryOf(content)
  }

  /** One page of what fits, and how many fit in all. */
  search({ q = '', kind, sort = 'new', page = 1, pageSize = DEFAULT_PAGE_SIZE }: CatalogueQuery): {
    total: number
    entries: readonly CatalogueEntry[]
  } {
    const words = fold(q).split(/\s+/).filter(Boolean)
    const all = this.#inOrder(sort)
    const fits = words.length === 0 && !kind ? all : all.filter((content) => matches(content, words, kind))
    const from = (page - 1) * pageSize
    return { total: fits.length, entries: fits.slice(from, from + pageSize).map(entryOf) }
  }

  /** Sorted once; later what changed is taken out and put where it belongs now. */
  #inOrder(sort: Sort): readonly Content[] {
    const order = this.#orders.get(sort)
    if (!order) {
      const sorted = [...this.#contents.values()].sort(ORDERS[sort])
      this.#orders.set(sort, { sorted, stale: new Map() })
      return sorted
    }
    if (order.stale.size > 0) {
      const { sorted, stale } = order
      const moved = [...stale.values()].includes(true)
      const kept = moved ? sorted.filter((content) => !stale.has(content)) : sorted
      const fresh = [...stale.keys()].filter((content) => content.by.size > 0).sort(ORDERS[sort])
      this.#orders.set(sort, { sorted: merged(kept, fresh, ORDERS[sort]), stale: new Map() })
      return this.#inOrder(sort)
    }
    return order.sorted
  }

  #changed(content: Content, isNew = false): void {
    content.entry = undefined
    for (const [sort, { sorted, stale }] of this.#orders) {
      if (!stale.has(content)) stale.set(content, !isNew)
      // To sort anew costs less then, and nobody may be looking.
      if (stale.size > MAX_STALE && stale.size > sorted.length / 4) this.#orders.delete(sort)
    }
  }

  #add(id: string, file: SharedFile): void {
    const key = keyOf(file)
    let content = this.#contents.get(key)
    const isNew = content === undefined
    if (!content) {
      content = { root: file.root, hash: file.hash, size: file.size, by: new Map(), entry: undefined, folded: '' }
      this.#contents.set(key, content)
      index(this.#byRoot, file.root, content)
      index(this.#byHash, file.hash, content)
    }
    const names = content.by.get(id) ?? new Map<string, number>()
    content.by.set(id, names.set(file.name, file.publishedMs))
    this.#changed(content, isNew)
  }

  #remove(id: string, file: SharedFile): void {
    const key = keyOf(file)
    const content = this.#contents.get(key)
    const names = content?.by.get(id)
    if (!content || !names?.delete(file.name)) return
    this.#changed(content)
    if (names.size === 0) content.by.delete(id)
    if (content.by.size > 0) return
    this.#contents.delete(key)
    unindex(this.#byRoot, file.root, content)
    unindex(this.#byHash, file.hash, content)
  }
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

/** Upper and lower case, composed and decomposed letters alike. */
const fold = (text: string): string => text.normalize('NFKC').toLowerCase()

const keyOf = ({ root, hash, size }: Pick<SharedFile, 'root' | 'hash' | 'size'>): string => `${root}${hash}${size}`

const index = (by: Map<string, Set<Content>>, key: string, content: Content): void => {
  by.set(key, (by.get(key) ?? new Set()).add(content))
}

const unindex = (by: Map<string, Set<Content>>, key: string, content: Content): void => {
  const set = by.get(key)
  set?.delete(content)
  if (set?.size === 0) by.delete(key)
}

const entryOf = (content: Content): CatalogueEntry => {
  if (content.entry) return content.entry
  const uses = new Map<string, number>()
  let publishedMs = 0
  for (const names of content.by.values()) {
    for (const [name, at] of names) {
      uses.set(name, (uses.get(name) ?? 0) + 1)
      publishedMs = Math.max(publishedMs, at)
    }
  }
  const names = [...uses].sort(([a, m], [b, n]) => n - m || compare(a, b)).map(([name]) => name)
  const holders = [...content.by].map(([id, own]) => ({ id, fileName: [...own.keys()][0] ?? '' }))
  const { root, hash, size } = content
  content.folded = fold(names.join('\n'))
  content.entry = { root, hash, size, names, holders, publishedMs }
  return content.entry
}

const matches = (content: Content, words: readonly string[], kind: Kind | undefined): boolean => {
  const entry = entryOf(content)
  return (!kind || kindOf(entry.names[0] ?? '') === kind) && words.every((word) => content.folded.includes(word))
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
const collator = new Intl.Collator(undefined, { numeric: true })
const byRoot = (a: Content, b: Content): number => compare(a.root, b.root) || compare(a.hash, b.hash) || a.size - b.size
/** Complete, like each order below: no two contents are equal, so there is one order, however it was come by. */
const byName = (a: Content, b: Content): number =>
  collator.compare(entryOf(a).names[0] ?? '', entryOf(b).names[0] ?? '') || byRoot(a, b)

const ORDERS: Readonly<Record<Sort, (a: Content, b: Content) => number>> = {
  new: (a, b) => entryOf(b).publishedMs - entryOf(a).publishedMs || byName(a, b),
  name: byName,
  size: (a, b) => b.size - a.size || byName(a, b),
  holders: (a, b) => b.by.size - a.by.size || byName(a, b),
}
