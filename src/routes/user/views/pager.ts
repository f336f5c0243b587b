/** "1 to 50 of 1,284", and where the neighbours are. */
import { count } from '../words.ts'
import type { Pager } from './parts.ts'

/** @returns undefined when one page holds everything. */
export const pager = (
  { page, size, total }: { page: number; size: number; total: number },
  hrefOf: (page: number) => string,
): Pager | undefined => {
  if (total <= size && page === 1) return undefined
  const from = (page - 1) * size + 1
  const to = Math.min(total, page * size)
  return {
    text: from > total ? `Nothing here, ${count(total)} before` : `${count(from)} to ${count(to)} of ${count(total)}`,
    previous: page > 1 ? hrefOf(Math.min(page - 1, Math.max(1, Math.ceil(total / size)))) : undefined,
    next: to < total ? hrefOf(page + 1) : undefined,
  }
}
