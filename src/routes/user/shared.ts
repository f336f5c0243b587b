/** What one computer shares, the newest first, searched by name. */
import type { SharedFile } from '../../dht/digest.ts'
import type { Peer } from '../../dht/table.ts'

interface Sorted {
  /** Of the files it was made from. */
  readonly filesDigest: string
  readonly files: readonly SharedFile[]
}

/** Sorted once for each state of a row: a peer may have a hundred thousand. */
const sorted = new WeakMap<Peer['files'], Sorted>()

export const sharedBy = (
  { files, filesDigest }: Pick<Peer, 'files' | 'filesDigest'>,
  q = '',
): readonly SharedFile[] => {
  const known = sorted.get(files)
  const all = known?.filesDigest === filesDigest ? known.files : [...files.values()].sort(newestFirst)
  if (known?.files !== all) sorted.set(files, { filesDigest, files: all })
  const words = fold(q).split(/\s+/).filter(Boolean)
  if (words.length === 0) return all
  return all.filter(({ name }) => {
    const folded = fold(name)
    return words.every((word) => folded.includes(word))
  })
}

const newestFirst = (a: SharedFile, b: SharedFile): number => b.publishedMs - a.publishedMs

const fold = (text: string): string => text.normalize('NFKC').toLowerCase()
