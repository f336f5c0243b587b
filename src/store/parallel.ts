/** Many small waits, a few at a time. */

/**
 * Do something for each item, at most `limit` at once, in order of start; the first failure ends it.
 * @throws the signal's reason when it is aborted between two items.
 */
export const inParallel = async <Item>(
  items: Iterable<Item>,
  limit: number,
  each: (item: Item) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> => {
  const left = items[Symbol.iterator]()
  let failed = false
  const lane = async (): Promise<void> => {
    try {
      for (let next = left.next(); !next.done && !failed; next = left.next()) {
        signal?.throwIfAborted()
        await each(next.value)
      }
    } catch (error) {
      failed = true
      throw error
    }
  }
  await Promise.all(Array.from({ length: limit }, lane))
}
