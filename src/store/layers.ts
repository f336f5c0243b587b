/** The piece layers that are kept: one for each content of more than one piece that this node gives or fetches. */
import type { DatabaseSync } from 'node:sqlite'
import type { Change } from './tables.ts'

/** Roots are 64 lower-case hex characters; a layer has 32 bytes a piece. */
export interface LayerStore {
  get(root: string): Uint8Array | undefined
  put(root: string, layer: Uint8Array): void
  /** Forget all others. */
  prune(keep: ReadonlySet<string>): void
}

export const layerStore = (database: DatabaseSync, change: Change): LayerStore => {
  const get = database.prepare('SELECT layer FROM layer WHERE root = ?')
  const put = database.prepare('INSERT OR REPLACE INTO layer (root, layer) VALUES (?, ?)')
  const roots = database.prepare('SELECT root FROM layer')
  const remove = database.prepare('DELETE FROM layer WHERE root = ?')
  return {
    get: (root) => {
      const layer = get.get(root)?.layer
      return layer instanceof Uint8Array ? layer : undefined
    },
    put: (root, layer) => void change('soon', () => put.run(root, layer)),
    prune: (keep) => {
      const kept = roots.all().map((row) => String(row.root))
      const needless = kept.filter((root) => !keep.has(root))
      if (needless.length === 0) return
      change('soon', () => {
        for (const root of needless) remove.run(root)
      })
    },
  }
}
