/** Publishing for a page: begun at once, waited for a moment only, and what goes wrong later is said on the pages that are open. */
import type { PublishAnswer } from '../../api/files.ts'
import { isOurs } from '../../errors.ts'
import type { PublishedFile } from '../../store/published.ts'
import type { Desk } from './desk.ts'
import { mishapOf } from './mishaps.ts'
import type { Notice } from './notices.ts'
import { otherHolders, unpublishAction } from './views/file-row.ts'
import { countOf, shown } from './words.ts'

/** What is small is published in the answer to its click, which comes within 100 ms. */
const PAGE_WAITS_MS = 80
/** Files of one request that are hashed one beside the other. */
const PUBLISH_AT_ONCE = 4
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

/** Publish several files for a program, which waits for all of them. */
export const publishAll = async (desk: Desk, names: readonly string[]): Promise<PublishAnswer[]> => {
  const answers: PublishAnswer[] = []
  for (let at = 0; at < names.length; at += PUBLISH_AT_ONCE) {
    const some = names.slice(at, at + PUBLISH_AT_ONCE)
    const published = await Promise.all(some.map((name) => desk.published.publish(name)))
    answers.push(...published.map((file) => publishAnswer(desk, file)))
  }
  return answers
}

/** What became of files that a person added: where they are, and the way back. */
export const addedNotice = (desk: Desk, added: readonly string[], publish: boolean): Notice => {
  const stateOf = (name: string) => desk.published.stateOf(name).state
  // What could not be published has a notice of its own.
  const names = publish ? added.filter((name) => stateOf(name) !== 'private') : added
  const [first] = names
  if (first === undefined) return { before: publish ? 'Nothing was published.' : 'No file was chosen.' }
  const ready = names.every((name) => stateOf(name) === 'published')
  const many = names.length > 1
  const are = many ? 'are' : 'is'
  const outcome = !publish
    ? `${are} in your folder, still private`
    : ready
      ? `${are} published`
      : `${are} being prepared`
  if (many) return { before: `${countOf(names.length, 'file')} ${publish && ready ? 'published' : outcome}` }
  const undo = { ...unpublishAction(first), word: 'Undo', said: `Undo: unpublish ${shown(first)}` }
  return { name: shown(first), after: ` ${outcome}`, undo: publish ? undo : undefined }
}

/**
 * Begin to publish files and wait a moment. A failure after that moment, or of one among many, becomes a notice.
 * @throws what goes wrong within it, when it is one file.
 */
export const beginToPublish = async (desk: Desk, names: readonly string[], waitMs = PAGE_WAITS_MS): Promise<void> => {
  let answered = false
  const publishing = names.map(async (name) => {
    try {
      await desk.published.publish(name)
    } catch (error) {
      if (!answered && names.length === 1) throw error
      report(desk, name, error)
    }
  })
  const { promise: moment, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, waitMs)
  const all = Promise.all(publishing)
  // A failure that nobody waits for any more has been reported.
  all.catch(() => {})
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
