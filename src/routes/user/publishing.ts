/** Publishing for a page: begun at once, waited for a moment only, and what goes wrong later is said on the pages that are open. */
import type { PublishAnswer } from '../../api/files.ts'
import { isOurs } from '../../errors.ts'
import type { PublishedFile } from '../../store/published.ts'
import type { Desk } from './desk.ts'
import { mishapOf } from './mishaps.ts'
import { otherHolders } from './views/file-row.ts'
import { shown } from './words.ts'

/** What is small is published in the answer to its click, which comes within 100 ms. */
const PAGE_WAITS_MS = 80
/** A program that cleared a file, or stopped the node, knows why it was not published. */
const EXPECTED: ReadonlySet<string> = new Set(['PM_CANCELLED', 'PM_STOPPING'])

/** What a program is told of a published file, with where else the same content is. */
export const publishAnswer = (desk: Desk, file: PublishedFile): PublishAnswer => {
  const { name, size, hash, root } = file
  const entry = desk.catalogue.of(file)
  const others = entry ? otherHolders(desk, entry).filter(({ alive }) => alive) : []
  const same = desk.published.byRoot(root).filter((other) => other.name !== name && other.hash === hash)
  return {
    name,
    size,
    hash,
    root,
    alreadyOn: others.flatMap(({ address }) => address ?? []),
    alsoHere: same.map((other) => other.name),
  }
}

/**
 * Begin to publish files and wait a moment. A failure after that moment becomes a notice.
 * @throws what goes wrong within it, of the first file that fails.
 */
export const beginToPublish = async (desk: Desk, names: readonly string[], waitMs = PAGE_WAITS_MS): Promise<void> => {
  let answered = false
  const publishing = names.map(async (name) => {
    try {
      await desk.published.publish(name)
    } catch (error) {
      if (!answered) throw error
      report(desk, name, error)
    }
  })
  const { promise: moment, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, waitMs)
  const all = Promise.all(publishing)
  // Only the first failure is thrown; those after it have been heard already.
  for (const each of publishing) each.catch(() => {})
  try {
    await Promise.race([all, moment])
  } finally {
    answered = true
    clearTimeout(timer)
  }
}

const report = (desk: Desk, name: string, error: unknown): void => {
  if (isOurs(error) && EXPECTED.has(error.code)) return
  if (!isOurs(error)) desk.onTrouble('a file could not be published', error)
  const { title, text } = mishapOf(error)
  desk.notices.tell({ name: shown(name), after: ` was not published. ${title}. ${text}`, alarm: true })
}
