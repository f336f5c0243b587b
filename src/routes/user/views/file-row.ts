/** A file on the mesh, as one row of the list. */
import type { CatalogueEntry } from '../../../dht/catalogue.ts'
import type { Desk } from '../desk.ts'
import { listed, type Name, nameParts, pointInTime, shown, since, sizeWords } from '../words.ts'
import { isProgram, lookOf } from './kind.ts'
import { type Action, type Fact, fileAddress, type Who } from './parts.ts'
import { progressOf } from './transfer-words.ts'
import type { WeaveModel } from './weave.ts'

export interface FileRow {
  readonly id: string
  readonly icon: string
  readonly name: Name
  readonly size: string
  readonly fact: Fact
  /** While it is fetched: what of it is here, and from whom. */
  readonly weave: WeaveModel | undefined
  /** At most three discs, and how many more there would be. */
  readonly whos: readonly Who[]
  readonly more: number
  /** Who has it, in words. */
  readonly said: string
  readonly action: Action | undefined
  /** It went away while the page was open. */
  readonly gone: boolean
  /** The name under which this node has published it. */
  readonly mine: string | undefined
}

export interface Holder {
  readonly id: string
  readonly name: string
  /** The name under which pages show it. */
  readonly called: string
  /** What the person calls it. */
  readonly petname: string | undefined
  readonly fileName: string
  readonly alive: boolean
  readonly lastSeenMs: number
  readonly address: string | undefined
}

const DISCS = 3

/** Everybody who has a content but this node; who is here comes first. */
export const otherHolders = (
  { table, self, who }: Pick<Desk, 'table' | 'self' | 'who'>,
  entry: CatalogueEntry,
): readonly Holder[] =>
  entry.holders
    .flatMap(({ id, fileName }): Holder[] => {
      const peer = id === self.id ? undefined : table.get(id)
      if (!peer) return []
      const { name, alive, lastSeenMs } = peer
      const petname = who.acquaintances.petname(id)
      const address = table.addressOf(id)
      return [{ id, name, called: petname ?? name, petname, fileName, alive, lastSeenMs, address }]
    })
    .sort((a, b) => Number(b.alive) - Number(a.alive))

/** The name under which this node has published a content. */
export const ownName = ({ self }: Pick<Desk, 'self'>, entry: CatalogueEntry): string | undefined =>
  entry.holders.find(({ id }) => id === self.id)?.fileName

/**
 * The row of one content.
 * @param sameName - another content of the same list has the same name.
 */
export const fileRow = (desk: Desk, entry: CatalogueEntry, now: number, sameName = false): FileRow => {
  const others = otherHolders(desk, entry)
  const mine = ownName(desk, entry)
  const name = mine ?? entry.names[0] ?? ''
  const whos = whosOf(desk, others, mine !== undefined)
  const progress = mine === undefined ? progressOf(desk, desk.transfers.of(entry)) : undefined
  return {
    id: rowId(entry),
    icon: lookOf(name).icon,
    name: nameParts(name),
    size: sizeWords(entry.size),
    fact: progress?.fact ?? factOf(entry, others, { mine: mine !== undefined, sameName, now }),
    weave: progress?.weave,
    whos: whos.slice(0, DISCS),
    more: Math.max(0, whos.length - DISCS),
    said: listed(
      [...(mine === undefined ? [] : ['this computer']), ...others.map((holder) => shown(holder.called))],
      DISCS,
    ),
    action: progress?.action ?? actionOf(entry, { others, mine }),
    gone: false,
    mine,
  }
}

/** The row of a content that nobody shares any more. It keeps its place; what was mine can be published again. */
export const goneRow = (row: FileRow): FileRow => ({
  ...row,
  gone: true,
  weave: undefined,
  whos: [],
  more: 0,
  said: '',
  fact:
    row.mine === undefined
      ? { before: 'No longer shared' }
      : { before: 'Off the mesh. The file stays in your folder.' },
  action: row.mine === undefined ? undefined : publishAction(row.mine, 'Publish'),
})

export const rowId = ({ root }: Pick<CatalogueEntry, 'root'>): string => `row-${root.slice(0, 12)}`

export const publishAction = (name: string, word: 'Publish' | 'Publish again'): Action => ({
  method: 'post',
  href: fileAddress(name, 'upload'),
  word,
  said: word === 'Publish' ? `Publish ${shown(name)}` : `Publish again: ${shown(name)}`,
  look: 'do',
  ...(word === 'Publish' && { icon: 'up' }),
})

export const unpublishAction = (name: string): Action => ({
  method: 'post',
  href: fileAddress(name, 'clear'),
  word: 'Unpublish',
  said: `Unpublish ${shown(name)}`,
  look: 'bare',
})

const whosOf = ({ self, faceOf }: Desk, others: readonly Holder[], mine: boolean): readonly Who[] => [
  ...(mine ? [{ ...faceOf(self.id, self.name), away: false }] : []),
  ...others.map(({ id, name, alive }) => ({ ...faceOf(id, name), away: !alive })),
]

const factOf = (
  entry: CatalogueEntry,
  others: readonly Holder[],
  { mine, sameName, now }: { mine: boolean; sameName: boolean; now: number },
): Fact => {
  const published = `published ${since(entry.publishedMs, now)}`
  if (mine) return { tone: 'ok', icon: 'check', strong: 'Yours', before: published }
  const [first] = others
  if (!first) return { before: 'No longer shared' }
  if (!first.alive) return awayFact(others, now)
  const [name = '', otherName] = entry.names
  if (sameName)
    return { tone: 'care', icon: 'alert', before: 'Another file with the same name, from ', name: shown(first.called) }
  if (isProgram(name)) {
    return {
      tone: 'care',
      icon: 'alert',
      before: 'A program. Open it only if you trust ',
      name: shown(first.called),
      after: '.',
    }
  }
  const { word } = lookOf(name)
  return otherName === undefined
    ? { before: `${word}, ${published}` }
    : { before: `${word}, also called `, name: shown(otherName) }
}

const awayFact = (others: readonly Holder[], now: number): Fact => {
  const since = pointInTime(Math.max(...others.map(({ lastSeenMs }) => lastSeenMs)), now)
  const [first] = others
  return others.length === 1
    ? { tone: 'away', icon: 'clock', name: shown(first?.called ?? ''), after: ` has it, away since ${since}` }
    : { tone: 'away', icon: 'clock', before: `${others.length} computers have it, away since ${since}` }
}

const actionOf = (
  entry: CatalogueEntry,
  { others, mine }: { others: readonly Holder[]; mine: string | undefined },
): Action | undefined => {
  if (mine !== undefined) return unpublishAction(mine)
  const [first] = others
  if (!first) return undefined
  const name = shown(entry.names[0] ?? '')
  const fetch = {
    method: 'post' as const,
    href: '/transfers',
    // Both: two contents may claim one of them. The name is the one of this list.
    fields: [
      ['root', entry.root],
      ['hash', entry.hash],
      ['name', (entry.names[0] ?? '').toWellFormed()],
    ] as const,
  }
  if (first.alive) return { ...fetch, word: 'Fetch', said: `Fetch ${name}`, look: 'do', icon: 'down' }
  const who = others.length === 1 ? shown(first.called) : 'one of them'
  return { ...fetch, word: 'When back', said: `When back: fetch ${name} when ${who} is back`, look: '', icon: 'clock' }
}
