/** What the main thread and the lane's thread tell each other. */
import type { Exchange } from '../session/sessions.ts'
import type { Patience } from './patience.ts'

export interface LaneAsked {
  /** host:port */
  readonly address: string
  /** The value of `Portmesh-Auth`. */
  readonly auth: string
  readonly exchange: Exchange
  /** What is read at once; then it waits for `on`. Undefined: whatever comes. */
  readonly sliceBytes?: number | undefined
  readonly patience: Pick<Patience, 'headMs' | 'slowMs' | 'slowBytes'>
}

/** How an answer ended. */
export type LaneEnd =
  /** All pieces of it came. */
  | { readonly kind: 'whole' }
  /** Another one, whole; `sealed` ones are not opened. */
  | { readonly kind: 'refused'; readonly status: number; readonly sealed: boolean; readonly body: Uint8Array }
  /** It broke, or is none, or does not open. Errors lose their class between threads. */
  | { readonly kind: 'broken'; readonly code: string | undefined; readonly message: string }

export type ToLane =
  | { readonly kind: 'ask'; readonly id: number; readonly asked: LaneAsked }
  /** A frame was taken: there is room for another one. */
  | { readonly kind: 'taken'; readonly id: number }
  /** What was read is within what may come in. */
  | { readonly kind: 'on'; readonly id: number }
  /** The rest is not needed. */
  | { readonly kind: 'stop'; readonly id: number }

export type FromLane =
  | {
      readonly kind: 'head'
      readonly id: number
      readonly first: number
      readonly count: number
      readonly bytes: number
    }
  /** One frame whose tag was right, and bytes that came off the wire since the last message. */
  | {
      readonly kind: 'frame'
      readonly id: number
      readonly parts: readonly Uint8Array[]
      readonly bytes: number
      /** SHA-256 of each block of 16 KiB of it: the leaves of the content's tree. */
      readonly leaves: Uint8Array
      readonly received: number
    }
  /** So much was read, and nothing more is before `on`. */
  | { readonly kind: 'held'; readonly id: number; readonly bytes: number }
  | { readonly kind: 'progress'; readonly id: number; readonly received: number }
  | { readonly kind: 'end'; readonly id: number; readonly end: LaneEnd }
  /** A connection broke. */
  | { readonly kind: 'lost'; readonly address: string }
