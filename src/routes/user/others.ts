/** The other nodes as the person knows them: those of the table, and those without a row that were named or blocked. */
import type { OtherNode } from '../../api/node.ts'
import type { Peer } from '../../dht/table.ts'
import { type Acquaintance, shortFingerprint, type Warning } from '../../trust/acquaintances.ts'
import type { Who } from './deps.ts'
import type { Desk } from './desk.ts'
import { shown } from './words.ts'

export const others = ({ table, who }: Pick<Desk, 'table' | 'who'>): readonly Peer[] => {
  const rows = table.all()
  const present = new Set(rows.map(({ id }) => id))
  const without = who.acquaintances.all().filter(({ id }) => !present.has(id))
  return [...rows, ...without.map(withoutRow)]
}

export const otherOf = ({ table, who }: Pick<Desk, 'table' | 'who'>, id: string): Peer | undefined => {
  const known = table.get(id) ?? who.acquaintances.get(id)
  return known && ('files' in known ? known : withoutRow(known))
}

/** Where it answered last; empty when that is not known any more. */
export const addressOf = ({ addresses }: Peer): string => [...addresses.keys()].at(-1) ?? ''

/** What JSON says of an acquaintance. */
export const acquaintedAnswer = (
  { acquaintances, doubles }: Who,
  { id, lastSeenMs }: Peer,
): Pick<OtherNode, 'petname' | 'fingerprint' | 'blocked' | 'firstMet' | 'lied' | 'warning' | 'copies'> => {
  const known = acquaintances.get(id)
  const warning = acquaintances.warningOf(id)
  return {
    petname: known?.petname?.name ?? null,
    fingerprint: shortFingerprint(id),
    blocked: known?.blockedMs !== undefined,
    firstMet: iso(known?.metMs ?? lastSeenMs),
    lied: known?.lied ? { at: iso(known.lied.atMs), code: known.lied.code } : null,
    warning: warning ? warningAnswer(warning) : null,
    copies: [...(doubles.of(id)?.addresses ?? [])],
  }
}

const warningAnswer = ({ kind, other }: Warning): NonNullable<OtherNode['warning']> => ({
  kind,
  message:
    kind === 'pretends'
      ? `this is not ${shown(calledOf(other))}: it uses the same name with another key`
      : `another node that was met before uses this name, with another key`,
  other: {
    id: other.id,
    name: other.name,
    petname: other.petname?.name ?? null,
    fingerprint: shortFingerprint(other.id),
    firstMet: iso(other.metMs),
  },
})

/** As the person calls it, else as it calls itself. */
export const calledOf = ({ name, petname }: Acquaintance): string => petname?.name ?? name

const iso = (ms: number): string => new Date(ms).toISOString()

/** One that is known, and shares nothing with us. */
const withoutRow = ({ id, name, metMs, blockedMs, address }: Acquaintance): Peer => ({
  id,
  name,
  epoch: 0,
  version: 0,
  headDigest: '',
  filesDigest: '',
  size: 0,
  files: new Map(),
  addresses: new Map(address === undefined ? [] : [[address, blockedMs ?? metMs]]),
  alive: false,
  // It was seen then, if not later.
  lastSeenMs: blockedMs ?? metMs,
  head: new Uint8Array(),
  sig: new Uint8Array(),
})
