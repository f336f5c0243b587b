/** The catalogue: all rows merged by content. One entry is one content with its names and holders. */
import {
  type CatalogueEntry,
  type Content,
  type ContentKey,
  entryOf,
  fold,
  matches,
  newContent,
  outdate,
  type Sort,
} from './content.ts'
import type { SharedFile } from './digest.ts'
import type { Kind } from './kinds.ts'
import { Orders } from './orders.ts'
import type { RowChange } from './table.ts'

export { type CatalogueEntry, type Holding, SORTS, type Sort } from './content.ts'

export interface CatalogueQuery {
  /** Words that must all stand in one of the names; upper and lower case alike. */
  readonly q?: string | undefined
  readonly kind?: Kind | undefined
  readonly sort?: Sort | undefined
  /** From 1. */
  readonly page?: number | undefined
  readonly pageSize?: number | undefined
}

const DEFAULT_PAGE_SIZE = 50

export class Catalogue {
  readonly #byRoot = new Index((content) => content.root)
  readonly #byHash = new Index((content) => content.hash)
  readonly #orders = new Orders()
  #count = 0

  get count(): number {
    return this.#count
  }

  change({ id, removed, added }: RowChange): void {
    for (const file of removed) this.#remove(id, file)
    for (const file of added) this.#add(id, file)
    this.#orders.keepUp()
  }

  /** Every content that goes by a hash or a root. More than one: somebody lies, or chose them so. */
  find(hashOrRoot: string): readonly CatalogueEntry[] {
    const found = new Set([...this.#byRoot.all(hashOrRoot), ...this.#byHash.all(hashOrRoot)])
    return [...found].map(entryOf)
  }

  /** The content of one file of a row. */
  of(file: ContentKey): CatalogueEntry | undefined {
    const content = this.#byRoot.get(file)
    return content && entryOf(content)
  }

  /** One page of what fits, and how many fit in all. */
  search({ q = '', kind, sort = 'new', page = 1, pageSize = DEFAULT_PAGE_SIZE }: CatalogueQuery): {
    total: number
    entries: readonly CatalogueEntry[]
  } {
    const words = fold(q).split(/\s+/).filter(Boolean)
    const all = this.#orders.get(sort)
    const fits = words.length === 0 && !kind ? all : all.filter((content) => matches(content, words, kind))
    const from = (page - 1) * pageSize
    return { total: fits.length, entries: fits.slice(from, from + pageSize).map(entryOf) }
  }

  #add(id: string, file: SharedFile): void {
    const known = this.#byRoot.get(file)
    const content = known ?? newContent(file)
    if (!known) {
      this.#byRoot.add(content)
      this.#byHash.add(content)
      this.#count += 1
    }
    const names = content.by.get(id)
    if (names) names.set(file.name, file.publishedMs)
    else content.by.set(id, new Map([[file.name, file.publishedMs]]))
    this.#changed(content, !known)
  }

  #remove(id: string, file: SharedFile): void {
    const content = this.#byRoot.get(file)
    const names = content?.by.get(id)
    if (!content || !names?.delete(file.name)) return
    this.#changed(content, false)
    if (names.size === 0) content.by.delete(id)
    if (content.by.size > 0) return
    this.#byRoot.remove(content)
    this.#byHash.remove(content)
    this.#count -= 1
  }

  #changed(content: Content, isNew: boolean): void {
    outdate(content)
    this.#orders.note(content, isNew)
  }
}

type Found = Content | Map<string, Content>

/** Contents by one of their hashes. Nearly every hash has one content, and a map for each would cost more than all the rest. */
class Index {
  readonly #keyOf: (content: ContentKey) => string
  /** By the last digit: a map that grows puts all it holds in another place at once, and small ones do so at different times. */
  readonly #shards = new Map<string, Map<string, Found>>()

  constructor(keyOf: (content: ContentKey) => string) {
    this.#keyOf = keyOf
  }

  all(key: string): readonly Content[] {
    const known = this.#shard(key).get(key)
    return known instanceof Map ? [...known.values()] : known ? [known] : []
  }

  get(wanted: ContentKey): Content | undefined {
    const key = this.#keyOf(wanted)
    const known = this.#shard(key).get(key)
    if (known instanceof Map) return known.get(nameOf(wanted))
    const { root, hash, size } = wanted
    return known?.root === root && known.hash === hash && known.size === size ? known : undefined
  }

  add(content: Content): void {
    const key = this.#keyOf(content)
    const shard = this.#shard(key)
    const known = shard.get(key)
    if (known instanceof Map) known.set(nameOf(content), content)
    else shard.set(key, known ? new Map([known, content].map((one) => [nameOf(one), one])) : content)
  }

  remove(content: Content): void {
    const key = this.#keyOf(content)
    const shard = this.#shard(key)
    const known = shard.get(key)
    if (known instanceof Map) known.delete(nameOf(content))
    if (known === content || (known instanceof Map && known.size === 0)) shard.delete(key)
  }

  #shard(key: string): Map<string, Found> {
    const digit = key.at(-1) ?? ''
    const shard = this.#shards.get(digit) ?? new Map<string, Found>()
    if (shard.size === 0) this.#shards.set(digit, shard)
    return shard
  }
}

const nameOf = ({ root, hash, size }: ContentKey): string => `${root}${hash}${size}`
