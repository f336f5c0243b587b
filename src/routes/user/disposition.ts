/** How a download is called (RFC 6266; RFC 8187 for names that are not plain ASCII). */
const UNSAFE = /[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu
const FALLBACK = 'file'

/**
 * The header of a download: never shown in the browser, named as its owner calls it, without folders and without
 * characters that nobody sees.
 */
export const contentDisposition = (name: string): string => {
  const tidy = lastPart(name.toWellFormed().replace(UNSAFE, '')).trim() || FALLBACK
  // For clients that do not know filename*: what cannot be quoted safely becomes an underscore.
  const plain = tidy.replace(/[^\x20-\x7e]|["\\%]/gu, '_')
  return `attachment; filename="${plain}"; filename*=UTF-8''${encodeExtended(tidy)}`
}

const lastPart = (name: string): string => name.split(/[/\\]/).filter(Boolean).at(-1) ?? ''

/** RFC 8187, section 3.2.1: what encodeURIComponent leaves as it is and attr-char does not have. */
const encodeExtended = (text: string): string =>
  encodeURIComponent(text).replace(/['()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
