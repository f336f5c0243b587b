/** What became of the files that were fetched, as of a moment ago: rows are drawn without waiting for the disk. */
import type { Kept } from '../../transfer/finished.ts'
import type { Transfer } from '../../transfer/transfer.ts'
import type { UserDeps } from './deps.ts'

export interface Here {
  /** Look after every finished file, unless that was just done. */
  look(): Promise<void>
  /** As of the last look; a file that has just come is there. */
  of(transfer: Transfer): Kept
}

const FRESH_MS = 2_000

export const createHere = ({ transfers }: Pick<UserDeps, 'transfers'>): Here => {
  let known = new Map<string, Kept>()
  let lookedMs = -FRESH_MS
  let looking: Promise<void> | undefined
  const lookAt = async (): Promise<void> => {
    const done = transfers.all().filter(({ state }) => state === 'done')
    const found = await Promise.all(
      done.map(async ({ record }): Promise<[string, Kept]> => {
        // A disk that cannot be asked says nothing about the file.
        const kept = await transfers.finished.look(record).catch(() => known.get(record.id) ?? 'same')
        return [record.id, kept]
      }),
    )
    known = new Map(found)
    lookedMs = performance.now()
  }
  return {
    look: async () => {
      const fresh = performance.now() - lookedMs < FRESH_MS
      const unknown = transfers.all().some(({ state, record }) => state === 'done' && !known.has(record.id))
      if (fresh && !unknown) return
      looking ??= lookAt().finally(() => {
        looking = undefined
      })
      await looking
    },
    of: ({ record }) => known.get(record.id) ?? 'same',
  }
}
