/** Pieces of model that several rows have. */
import type { Face } from '../faces.ts'
import type { Words } from '../words.ts'

/** The line below a name. A foreign name stands by itself in it, so that it is isolated and escaped. */
export interface Fact {
  /** `ok`, `care` and `no` have a colour; `away` is plain with its icon. */
  readonly tone?: 'ok' | 'care' | 'no' | 'away'
  readonly icon?: string
  /** Coloured, with the icon. */
  readonly strong?: string
  readonly before?: string
  readonly name?: string
  readonly after?: string
  /** In place of the three before, where several names stand in it. */
  readonly said?: Words
}

/** The one button of a row. */
export interface Action {
  /** What is got goes to the browser as a download; what is posted changes something. */
  readonly method: 'get' | 'post'
  readonly href: string
  readonly word: string
  /** What a screen reader says: the word, then the file. */
  readonly said: string
  readonly look: 'do' | 'bare' | 'danger' | ''
  readonly icon?: string
  /** Sent along. */
  readonly fields?: readonly (readonly [name: string, value: string])[]
}

export interface Who extends Face {
  readonly away: boolean
}

/**
 * A short text for an id, from any name: two independent 32-bit hashes (FNV-1a with two primes).
 * Equal names only have equal ids; who makes two of his own names collide confuses a page of his own.
 */
export const keyOf = (name: string): string => {
  let a = 0x811c9dc5
  let b = 0x9dc5811c
  for (let at = 0; at < name.length; at++) {
    const unit = name.charCodeAt(at)
    a = Math.imul(a ^ unit, 0x01000193) >>> 0
    b = Math.imul(b ^ (unit + at), 0x85ebca6b) >>> 0
  }
  return a.toString(36) + b.toString(36)
}

/** The address of something one does with a file of this computer. */
export const fileAddress = (name: string, action: 'upload' | 'clear' | 'reach'): string =>
  `/myfiles/${encodeURIComponent(name.toWellFormed())}/${action}`

/** Where a list is cut. */
export interface Pager {
  readonly text: string
  readonly previous: string | undefined
  readonly next: string | undefined
}
