/** Names of files: which are allowed as they are on disk, and how a foreign one becomes a safe one of ours. */
import sanitize from 'sanitize-filename'
import { BadName } from '../errors.ts'

/** What common file systems allow for one name. */
const MAX_SEGMENT_BYTES = 255
/** With the folders before it; leaves room for the home's own path on every system. */
const MAX_NAME_BYTES = 1_000
/** An ending longer than this is not an ending, and may be cut. */
const MAX_ENDING_BYTES = 32
const FALLBACK = 'file'

/** Controls, invisible and direction-changing characters, line separators, lone surrogates (Trojan Source, CVE-2021-42574). */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu
/** Device names of Windows, also with an ending and with the superscript digits it folds. */
const DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(?:\.|$)/i
const NOT_ON_WINDOWS = /[\\:*?"<>|]|[. ](?:\/|$)/

/**
 * Check the name under which a file of the home is published: relative, segments parted by '/', otherwise what the disk says.
 * @throws BadName for an empty or too long name or segment, one that begins with a dot, a NUL, text that is not Unicode,
 *   and on Windows for what leads to another file there.
 */
export const checkName = (name: string, platform: NodeJS.Platform = process.platform): void => {
  const reason = whyBad(name, platform)
  if (reason !== undefined) throw new BadName(reason)
}

const whyBad = (name: string, platform: NodeJS.Platform): string | undefined => {
  if (name === '') return 'it is empty'
  // The cheap bound first: no name of more units than bytes allowed is measured.
  if (name.length > MAX_NAME_BYTES || Buffer.byteLength(name) > MAX_NAME_BYTES) return 'it is too long'
  if (!name.isWellFormed()) return 'it is not valid Unicode'
  if (name.includes('\0')) return 'it contains a NUL'
  if (platform === 'win32' && (NOT_ON_WINDOWS.test(name) || name.split('/').some((part) => DEVICE.test(part)))) {
    return 'it means something else on Windows'
  }
  for (const segment of name.split('/')) {
    if (segment === '') return 'a part of it is empty'
    if (segment.startsWith('.')) return 'a part of it begins with a dot'
    if (Buffer.byteLength(segment) > MAX_SEGMENT_BYTES) return 'a part of it is too long'
  }
  return undefined
}

/**
 * Turn any foreign name into one that is safe to create on every system; the only function that does so.
 * The result always passes checkName, has no invisible characters, and is its own safe form.
 * @param options.keepFolders - keep the folders of 'album/01.flac'; else only what follows the last '/' counts.
 */
export const localName = (foreign: string, options: { keepFolders?: boolean } = {}): string => {
  const parts = foreign.split('/').filter((part) => part !== '' && part !== '.' && part !== '..')
  if (!options.keepFolders) return safeSegment(parts.at(-1) ?? '')
  const safe = parts.map(safeSegment)
  const joined = safe.join('/')
  // Too deep a path keeps its last part: the file is worth more than its folders.
  return Buffer.byteLength(joined) > MAX_NAME_BYTES ? (safe.at(-1) ?? FALLBACK) : joined || FALLBACK
}

/** `photo.jpg`, 2 -> `photo (2).jpg`, cut so that it still fits into one segment. */
export const numberedName = (segment: string, number: number): string => withSuffix(segment, ` (${number})`)

/** Names with the same folded form may be the same file on some system: NFC, then without case (first down: STRAẞE is straße is strasse). */
export const foldName = (name: string): string =>
  name.normalize('NFC').toLowerCase().toUpperCase().toLowerCase().normalize('NFC')

const safeSegment = (raw: string): string => {
  const seen = raw.toWellFormed().normalize('NFC').replace(UNSEEN, '').normalize('NFC')
  const legal = sanitizeAll(seen).replace(/^[. ]+/, '')
  const named = DEVICE.test(legal) ? `_${legal}` : legal
  return withSuffix(named, '') || FALLBACK
}

/** sanitize-filename without its cut at 255 bytes, which would take the ending. */
const sanitizeAll = (text: string): string => {
  let out = ''
  // 60 characters are at most 240 bytes; the package never sees a name it would cut, a device name, or an end of a name.
  for (const piece of text.match(/.{1,60}/gsu) ?? []) out += sanitize(`x${piece}x`, { replacement: '_' }).slice(1, -1)
  return out
}

const withSuffix = (segment: string, suffix: string): string => {
  const dot = segment.lastIndexOf('.')
  const ending = dot > 0 && Buffer.byteLength(segment.slice(dot)) <= MAX_ENDING_BYTES ? segment.slice(dot) : ''
  const stem = ending === '' ? segment : segment.slice(0, dot)
  const room = MAX_SEGMENT_BYTES - Buffer.byteLength(suffix + ending)
  return `${cut(stem, room)}${suffix}${ending}`.replace(/[. ]+$/, '')
}

/** At most `bytes` of UTF-8, never half a character. */
const cut = (text: string, bytes: number): string => {
  if (Buffer.byteLength(text) <= bytes) return text
  let out = ''
  let used = 0
  for (const character of text) {
    used += Buffer.byteLength(character)
    if (used > bytes) return out
    out += character
  }
  return out
}
