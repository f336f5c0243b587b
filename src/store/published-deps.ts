/** What the set of published files needs; node.ts hands it in. */
import type { News } from '../news.ts'
import type { ContentsDeps } from './contents.ts'
import type { Reach } from './reach.ts'

export interface PublishedDeps extends ContentsDeps {
  /** Topic `files` is told on every change, and at most 4 times a second for progress. */
  readonly news: News
  /** How far what is published from now on is seen, unless somebody says otherwise. */
  readonly usualReach?: () => Reach
  readonly now?: () => number
  readonly maxFiles?: number
}
