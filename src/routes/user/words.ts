/** Numbers, times and names as a person reads them. The pages are in English; their clock is this computer's. */

const UNITS = ['kB', 'MB', 'GB', 'TB', 'PB'] as const
const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
/** A file published less than this ago is news. */
const JUST_NOW_MS = 45 * SECOND_MS
const MONTHS = 'January February March April May June July August September October November December'.split(' ')

/** Controls, line separators and everything that changes the direction of the text after it. */
const UNSHOWABLE = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu

/** 1284 -> "1,284". */
export const count = (number: number): string => String(number).replace(/\B(?=(\d{3})+$)/g, ',')

/** "1 file", "1,284 files". */
export const countOf = (number: number, one: string, many = `${one}s`): string =>
  `${count(number)} ${number === 1 ? one : many}`

/** Two figures of meaning, units of 1000: "34 bytes", "1 kB", "5.4 GB". */
export const sizeWords = (bytes: number): string => {
  if (bytes < 1_000) return countOf(bytes, 'byte')
  let value = bytes
  for (const unit of UNITS) {
    value /= 1_000
    const shown = value < 9.95 ? Number(value.toFixed(1)) : Math.round(value)
    if (shown < 1_000 || unit === 'PB') return `${shown} ${unit}`
  }
  return ''
}

/** "published" + "just now", "4 minutes ago", "at 9:40", "yesterday", "on 3 May". */
export const since = (ms: number, now: number): string => {
  const age = now - ms
  // Another computer's clock may be ahead of ours.
  if (age < JUST_NOW_MS) return 'just now'
  if (age < HOUR_MS) return `${countOf(Math.max(1, Math.round(age / MINUTE_MS)), 'minute')} ago`
  return when(ms, now)
}

/** "away since" + "10:12", "yesterday", "3 May", "3 May 2025". */
export const pointInTime = (ms: number, now: number): string => dayWords(ms, now) || clock(ms)

/** "you met it" + "at 10:12", "yesterday", "on 3 May". */
export const when = (ms: number, now: number): string => {
  const day = dayWords(ms, now)
  return day === '' ? `at ${clock(ms)}` : day === 'yesterday' ? day : `on ${day}`
}

/** "8 seconds left", "2 minutes left"; never "0 seconds". */
export const timeLeft = (ms: number): string => {
  if (ms < 55 * SECOND_MS) return `${countOf(Math.max(1, Math.round(ms / SECOND_MS)), 'second')} left`
  if (ms < 55 * MINUTE_MS) return `${countOf(Math.max(1, Math.round(ms / MINUTE_MS)), 'minute')} left`
  return `${countOf(Math.max(1, Math.round(ms / HOUR_MS)), 'hour')} left`
}

/** "Ana", "Ana and Ben", "Ana, Ben and 3 more". */
export const listed = (names: readonly string[], shown = 3): string => {
  const rest = names.length - shown
  const last = rest > 0 ? `${rest} more` : names.at(-1)
  const first = rest > 0 ? names.slice(0, shown) : names.slice(0, -1)
  return first.length === 0 ? (last ?? '') : `${first.join(', ')} and ${last}`
}

/** "Ana", "Ana or Ben", "Ana, Ben or 3 more". */
export const either = (names: readonly string[], most = 3): Words => {
  const rest = names.length - most
  const parts: (string | { name: string })[] = (rest > 0 ? names.slice(0, most - 1) : names).map((name) => ({ name }))
  if (rest > 0) parts.push(`${rest + 1} more`)
  return parts.flatMap((part, at) => (at === 0 ? [part] : [at === parts.length - 1 ? ' or ' : ', ', part]))
}

/** A sentence in parts, of which foreign names stand by themselves. */
export type Words = readonly (string | { readonly name: string })[]

/** As one text, for programs and labels. */
export const plain = (words: Words): string =>
  words.map((part) => (typeof part === 'string' ? part : part.name)).join('')

/** "62 MB/s" */
export const rateWords = (bytesPerSecond: number): string => `${sizeWords(Math.round(bytesPerSecond))}/s`

/** "2.3 of 5.4 GB", "340 MB of 1.3 GB" */
export const partWords = (bytes: number, size: number): string => {
  const [part = '', unit] = sizeWords(bytes).split(' ')
  return unit === sizeWords(size).split(' ')[1]
    ? `${part} of ${sizeWords(size)}`
    : `${part} ${unit} of ${sizeWords(size)}`
}

/** A foreign name as a page may show it: one line, and nothing in it that moves what stands beside it. */
export const shown = (name: string): string => name.toWellFormed().replace(UNSHOWABLE, '\ufffd')

/** A name in two parts: the stem may be cut, the real extension always stays. */
export interface Name {
  readonly stem: string
  readonly extension: string
}

/** `album/01.FLAC` -> `album/01`, `.FLAC`. */
export const nameParts = (name: string): Name => {
  const text = shown(name)
  const extension = /[^/.](\.[^./\s]{1,12})$/.exec(text)?.[1] ?? ''
  return { stem: text.slice(0, text.length - extension.length), extension }
}

const clock = (ms: number): string => {
  const date = new Date(ms)
  return `${date.getHours()}:${String(date.getMinutes()).padStart(2, '0')}`
}

/** Empty for today. */
const dayWords = (ms: number, now: number): string => {
  const date = new Date(ms)
  const today = new Date(now)
  const yesterday = new Date(now)
  yesterday.setDate(today.getDate() - 1)
  if (date.toDateString() === today.toDateString() || ms > now) return ''
  if (date.toDateString() === yesterday.toDateString()) return 'yesterday'
  const day = `${date.getDate()} ${MONTHS[date.getMonth()]}`
  return date.getFullYear() === today.getFullYear() ? day : `${day} ${date.getFullYear()}`
}
