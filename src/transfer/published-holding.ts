/** What this node has published, as a content for those who ask for it in pieces. */
import { FileChanged, NotPublished } from '../errors.ts'
import type { News } from '../news.ts'
import type { LayerMaker } from '../store/layer-maker.ts'
import type { Published, PublishedFile } from '../store/published.ts'
import { isSeen, type Reach } from '../store/reach.ts'
import type { Holding, Holdings, OpenHolding } from './holding.ts'

export interface PublishedHoldingsDeps {
  readonly published: Published
  /** Topic `files` tells that something is published no more. */
  readonly news: News
  readonly layers: LayerMaker
}

/**
 * One of the names of a root stands for all of them; the same object as long as that file stays as it is.
 * @param from - where those are who ask
 */
export const publishedHoldings = (
  { published, news, layers }: PublishedHoldingsDeps,
  from: Reach = 'computer',
): Holdings => {
  const known = new WeakMap<PublishedFile, Holding>()
  const watched = new Map<PublishedFile, Set<() => void>>()
  const isThere = (file: PublishedFile): boolean => published.files().get(file.name) === file

  // Only what somebody reads or follows is looked at.
  news.on('files', () => {
    for (const [file, listeners] of [...watched]) {
      if (isThere(file)) continue
      watched.delete(file)
      for (const listener of listeners) listener()
    }
  })

  const holdingOf = (file: PublishedFile): Holding => ({
    root: file.root,
    size: file.size,
    pieces: undefined,
    layer: async () => await layers.of(file),
    open: async () => await open(published, file),
    onNew: () => () => undefined,
    onEnd: (listener) => {
      const listeners = watched.get(file) ?? new Set()
      // A function of its own each time: two may listen with the same one.
      const own = (): void => listener()
      watched.set(file, listeners.add(own))
      return () => {
        listeners.delete(own)
        if (listeners.size === 0 && watched.get(file) === listeners) watched.delete(file)
      }
    },
    followed: () => undefined,
  })

  return (root) => {
    const file = published.byRoot(root).find((one) => isSeen(one, from))
    if (!file) return undefined
    const holding = known.get(file) ?? holdingOf(file)
    known.set(file, holding)
    return holding
  }
}

const open = async (published: Published, file: PublishedFile): Promise<OpenHolding> => {
  const served = await published.open(file.name)
  // Published anew between two looks: it may be another content under that name.
  if (served.file !== file) {
    await served.close()
    throw new NotPublished()
  }
  return {
    read: async (position, into) => {
      if ((await served.read(position, into)) !== into.length) throw new FileChanged()
    },
    check: async () => await served.check(),
    close: async () => await served.close(),
  }
}
