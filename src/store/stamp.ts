/** What tells one state of a file on disk from another without reading it. */
import type { BigIntStats } from 'node:fs'

/**
 * Identity and times of a file, from one fstat or lstat with bigint values. Clonable and serialisable.
 * The change time catches a modification time that somebody set back. What a stamp cannot see: a memory-mapped write
 * until the system has written it back.
 */
export interface Stamp {
  readonly dev: string
  readonly ino: string
  readonly size: number
  readonly mtimeNs: string
  readonly ctimeNs: string
}

/** The stamp of a stat taken with `{ bigint: true }`. */
export const stampOf = (stats: BigIntStats): Stamp => ({
  dev: String(stats.dev),
  ino: String(stats.ino),
  size: Number(stats.size),
  mtimeNs: String(stats.mtimeNs),
  ctimeNs: String(stats.ctimeNs),
})

/** The same file with the same content, as far as the disk says, within one run of the program. */
export const sameStamp = (a: Stamp, b: Stamp): boolean => a.dev === b.dev && fitsStamp(a, b)

/** As sameStamp, but across restarts: a device may have another number after the next mount. */
export const fitsStamp = (a: Stamp, b: Stamp): boolean =>
  a.ino === b.ino && a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs

/** One line of text for the store. */
export const formatStamp = (stamp: Stamp): string =>
  [stamp.dev, stamp.ino, stamp.size, stamp.mtimeNs, stamp.ctimeNs].join(' ')

/** @returns undefined for anything that formatStamp did not write. */
export const parseStamp = (text: string): Stamp | undefined => {
  const found = /^(\d+) (\d+) (\d{1,16}) (-?\d+) (-?\d+)$/.exec(text)
  if (!found) return undefined
  const [, dev = '', ino = '', size = '', mtimeNs = '', ctimeNs = ''] = found
  return { dev, ino, size: Number(size), mtimeNs, ctimeNs }
}
