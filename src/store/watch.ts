/** Published files are looked at again and again: one that changed or vanished on disk is taken back before somebody asks for it. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Published } from './published.ts'

/** A person who deletes a file looks at the page next. */
const QUICK_MS = 2_000
const MAX_PAUSE_MS = 10_000
/** A round takes a twentieth of the time at most: ten thousand files cost some hundred milliseconds. */
const REST = 20

export interface WatchOptions {
  /** The pause between two rounds is never longer. */
  readonly pauseMs: number
  readonly signal: AbortSignal
  readonly onTrouble: (error: unknown) => void
}

/** Runs until the signal; one round ends before the next begins. A round that fails is told, and is not the last one. */
export const watchPublished = async (
  published: Pick<Published, 'check'>,
  { pauseMs, signal, onTrouble }: WatchOptions,
): Promise<void> => {
  const most = Math.min(pauseMs, MAX_PAUSE_MS)
  let pause = Math.min(QUICK_MS, most)
  while (!signal.aborted) {
    await sleep(pause, undefined, { ref: false, signal }).catch(() => {})
    if (signal.aborted) return
    const began = performance.now()
    await published.check(signal).catch((error: unknown) => signal.aborted || onTrouble(error))
    pause = Math.max(Math.min(QUICK_MS, most), Math.min((performance.now() - began) * REST, most))
  }
}
