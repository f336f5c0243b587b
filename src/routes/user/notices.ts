/** What has to be said on the pages that are open, although it is no answer to a request of theirs. */
import { type Part, render } from './render.ts'
import type { Action } from './views/parts.ts'

export interface Notice {
  readonly before?: string
  /** A foreign name, isolated and escaped. */
  readonly name?: string
  readonly after?: string
  /** The way back. */
  readonly undo?: Action | undefined
  /** It is bad news. */
  readonly alarm?: boolean
}

export interface Notices {
  tell(notice: Notice): void
  /** @returns a function that ends the listening. */
  listen(listener: (part: Part) => void): () => void
}

export const createNotices = (): Notices => {
  const listeners = new Set<(part: Part) => void>()
  return {
    tell: (notice) => {
      for (const listener of listeners) listener(toast(notice))
    },
    listen: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}

/** A notice as one more toast on a page. */
export const toast = (notice: Notice): Part => ({
  target: '#toasts',
  swap: 'beforeend',
  html: render('fragments/toast', notice),
})
