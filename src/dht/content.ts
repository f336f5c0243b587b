/** One content of the catalogue: who has it under which names, and its place among others. */
import { type Kind, kindOf } from './kinds.ts'

export const SORTS = ['new', 'name', 'size', 'holders'] as const
export type Sort = (typeof SORTS)[number]

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

/** What makes two files one content. */
export interface ContentKey {
  readonly root: string
  readonly hash: string
  readonly size: number
}

/** As the catalogue keeps it. What is worked out from its holders is kept until they change: most contents are never shown. */
export interface Content extends ContentKey {
  /** Holder -> its names for it, each with when it was published. */
  readonly by: Map<string, Map<string, number>>
  entry: CatalogueEntry | undefined
  title: string | undefined
  publishedMs: number | undefined
  folded: string | undefined
}

export const newContent = ({ root, hash, size }: ContentKey): Content => ({
  root,
  hash,
  size,
  by: new Map(),
  entry: undefined,
  title: undefined,
  publishedMs: undefined,
  folded: undefined,
})

/** Its holders, or their names for it, are others now. */
export const outdate = (content: Content): void => {
  content.entry = undefined
  content.title = undefined
  content.publishedMs = undefined
  content.folded = undefined
}

export const entryOf = (content: Content): CatalogueEntry => {
  if (content.entry) return content.entry
  const { root, hash, size } = content
  const holders = [...content.by].map(([id, own]) => ({ id, fileName: [...own.keys()][0] ?? '' }))
  content.entry = { root, hash, size, names: namesOf(content), holders, publishedMs: publishedOf(content) }
  return content.entry
}

/** Upper and lower case, composed and decomposed letters alike. */
export const fold = (text: string): string => text.normalize('NFKC').toLowerCase()

export const matches = (content: Content, words: readonly string[], kind: Kind | undefined): boolean => {
  if (kind && kindOf(titleOf(content)) !== kind) return false
  content.folded ??= fold(namesOf(content).join('\n'))
  const { folded } = content
  return words.every((word) => folded.includes(word))
}

const namesOf = ({ entry, by }: Content): readonly string[] => {
  if (entry) return entry.names
  const uses = new Map<string, number>()
  for (const own of by.values()) for (const name of own.keys()) uses.set(name, (uses.get(name) ?? 0) + 1)
  return [...uses].sort(([a, m], [b, n]) => n - m || compare(a, b)).map(([name]) => name)
}

/** The name it is shown under. */
const titleOf = (content: Content): string => {
  content.title ??= theOnlyName(content) ?? namesOf(content)[0] ?? ''
  return content.title
}

const theOnlyName = ({ by }: Content): string | undefined => {
  const [own] = by.size === 1 ? by.values() : []
  const [name] = own?.size === 1 ? own.keys() : []
  return name
}

const publishedOf = (content: Content): number => {
  if (content.publishedMs !== undefined) return content.publishedMs
  let latest = 0
  for (const own of content.by.values()) for (const at of own.values()) latest = Math.max(latest, at)
  content.publishedMs = latest
  return latest
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
const collator = new Intl.Collator(undefined, { numeric: true })
const byRoot = (a: Content, b: Content): number => compare(a.root, b.root) || compare(a.hash, b.hash) || a.size - b.size
/** Complete, like each order below: no two contents are equal, so there is one order, however it was come by. */
const byName = (a: Content, b: Content): number => collator.compare(titleOf(a), titleOf(b)) || byRoot(a, b)

export const ORDERS: Readonly<Record<Sort, (a: Content, b: Content) => number>> = {
  new: (a, b) => publishedOf(b) - publishedOf(a) || byName(a, b),
  name: byName,
  size: (a, b) => b.size - a.size || byName(a, b),
  holders: (a, b) => b.by.size - a.by.size || byName(a, b),
}
