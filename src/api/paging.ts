/** What every list can be asked: words, a page, how many entries it has. */
import { Type } from 'typebox'

export const DEFAULT_PAGE_SIZE = 50
export const MAX_PAGE_SIZE = 1000
/** Longer words fit no name. */
const MAX_QUERY_CHARACTERS = 1000

export const Paging = {
  q: Type.Optional(Type.String({ maxLength: MAX_QUERY_CHARACTERS })),
  /** From 1. */
  page: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
  size: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_PAGE_SIZE })),
}

export const FilesQuery = Type.Object(Paging)
