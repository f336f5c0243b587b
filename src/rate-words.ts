/** Limits as a person writes and reads them: "500k", "10M", 0 for none. Units of 1000, as on the pages. */

/** Up is what others get from here, down what comes from them; in all, and for each single peer. */
export const LIMIT_NAMES = ['up', 'down', 'upPeer', 'downPeer'] as const
export type LimitName = (typeof LIMIT_NAMES)[number]
/** Bytes a second; 0 is no limit. */
export type Limits = Readonly<Record<LimitName, number>>

export const UNLIMITED: Limits = { up: 0, down: 0, upPeer: 0, downPeer: 0 }

/** Below, three fetches at the same time would each look like a broken connection to whoever gives (PROTOCOL.md, "Transport"). */
export const MIN_LIMIT = 50_000
export const MAX_LIMIT = 1e12

const WRITTEN = /^(\d{1,12}(?:\.\d{1,6})?)([kMG]?)$/i
const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9 }

/** @returns bytes a second; NaN for what is no number */
export const parseLimit = (text: string): number => {
  const [, number, unit = ''] = WRITTEN.exec(text.trim()) ?? []
  return number === undefined ? Number.NaN : Math.round(Number(number) * (UNITS[unit.toLowerCase()] ?? Number.NaN))
}

/** Why a number cannot be a limit, in words; undefined when it can. */
export const whyNotLimit = (limit: number): string | undefined =>
  limit === 0 || (Number.isInteger(limit) && limit >= MIN_LIMIT && limit <= MAX_LIMIT)
    ? undefined
    : `it is a number of bytes a second like 500k or 10M, at least ${formatLimit(MIN_LIMIT)}, or 0 for no limit`

/** The shortest way to write it that `parseLimit` reads as the same: 500000 -> "500k". */
export const formatLimit = (limit: number): string => {
  for (const [unit, size] of [
    ['G', 1e9],
    ['M', 1e6],
    ['k', 1e3],
  ] as const) {
    if (limit >= size && (limit * 1_000) % size === 0) return `${limit / size}${unit}`
  }
  return String(limit)
}

type Found = Partial<Limits> & { readonly damage?: never }

/** The limits in a foreign object, each a number or text as a person writes it; `damage` when one cannot be used. */
export const limitsIn = (value: object): Found | { readonly damage: string } => {
  const found: Partial<Record<LimitName, number>> = {}
  for (const [key, limit] of Object.entries(value)) {
    const name = LIMIT_NAMES.find((known) => known === key)
    if (!name) continue
    const number = typeof limit === 'number' ? limit : typeof limit === 'string' ? parseLimit(limit) : Number.NaN
    const reason = whyNotLimit(number)
    if (reason) return { damage: `"${name}": ${reason}` }
    found[name] = number
  }
  return found
}
