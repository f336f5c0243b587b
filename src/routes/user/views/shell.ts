/** What stands around every page: title, pages, this computer, the stream that keeps it live. */
import type { Desk } from '../desk.ts'
import type { Face } from '../faces.ts'
import { shown } from '../words.ts'
import { movingCount } from './transfer-card.ts'

export type PageName = 'home' | 'myfiles' | 'transfers' | 'nodes' | 'help'

export interface Shell {
  readonly title: string
  readonly page: PageName | undefined
  /** The address of the stream; pages that never change have none. */
  readonly live: string | undefined
  /** Files can be dropped on it. */
  readonly drops: boolean
  /** Without JavaScript it loads itself again from time to time. */
  readonly refresh: boolean
  /** How many transfers move. */
  readonly moving: number
  readonly name: string
  readonly address: string
  readonly face: Face
}

export const shell = (
  { self, faceOf, transfers }: Desk,
  { title, page, live, refresh = false }: { title: string; page?: PageName; live?: string; refresh?: boolean },
): Shell => ({
  title,
  page,
  live,
  refresh,
  moving: movingCount(transfers),
  drops: live !== undefined && (page === 'home' || page === 'myfiles'),
  name: shown(self.name),
  address: self.address,
  face: faceOf(self.id, self.name),
})

/** `/` with what differs from the plain page: `{ q: 'a b', page: 2 }` -> `/?q=a+b&page=2`. */
export const address = (path: string, query: Readonly<Record<string, string | number | undefined>>): string => {
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== '' && !(key === 'page' && value === 1))
      search.set(key, String(value).toWellFormed())
  }
  const text = search.toString()
  return text === '' ? path : `${path}?${text}`
}
