/** Opening what is published: as long as it is published, and as it was. */
import { FileChanged, NotPublished } from '../errors.ts'
import type { Entry, PublishedFile } from './entry.ts'
import type { Home } from './home.ts'
import type { Reach } from './reach.ts'
import { openServed, type ServedFile } from './served.ts'
import type { Shelf } from './shelf.ts'

export interface OpeningDeps {
  readonly home: Home
  readonly entries: ReadonlyMap<string, Entry>
  readonly shelf: Shelf
  /** Told when the disk has something else than what was published. */
  readonly withdraw: (entry: Entry) => void
}

/** @throws NotPublished, FileChanged */
export const openPublished = async (
  name: string,
  { home, entries, shelf, withdraw }: OpeningDeps,
): Promise<ServedFile> => {
  const entry = entries.get(name)
  if (entry?.state === 'changed') throw new FileChanged()
  if (entry?.state !== 'published' || !entry.file || !entry.stamp) throw new NotPublished()
  const { file, stamp } = entry
  const isThere = (): boolean => shelf.seenFrom('computer').get(name) === file
  return await openServed(home, file, stamp, {
    stillPublished: () => {
      if (!isThere()) throw entries.get(name)?.state === 'changed' ? new FileChanged() : new NotPublished()
    },
    onChanged: () => {
      // Published anew meanwhile: then it is this reader who is late.
      if (isThere() && entry.stamp === stamp) withdraw(entry)
    },
  })
}

/** Those of these files whose reach is another one than this. */
export const shownAnew = (
  entries: ReadonlyMap<string, Entry>,
  names: readonly string[],
  reach: Reach,
): { readonly entry: Entry; readonly file: PublishedFile }[] =>
  names.flatMap((name) => {
    const entry = entries.get(name)
    return entry?.file && entry.file.reach !== reach ? [{ entry, file: Object.freeze({ ...entry.file, reach }) }] : []
  })
