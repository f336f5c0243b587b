/** Published files are looked at again and again: one that changed or vanished on disk is taken back before somebody asks for it. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Published } from './published.ts'

/** Ten thousand files cost some ten milliseconds a round. */
const MAX_PAUSE_MS = 10_000

/** Runs until the signal; one round ends before the next begins. A round that fails is told and not the last one. */
export const watchPublished = async (
  published: Pick<Published, 'check'>,
  { pauseMs, signal, onTrouble }: { pauseMs: number; signal: AbortSignal; onTrouble: (error: unknown) => void },
): Promise<void> => {
  while (!signal.aborted) {
    await sleep(Math.min(pauseMs, MAX_PAUSE_MS), undefined, { ref: false, signal }).catch(() => {})
    if (signal.aborted) return
    await published.check(signal).catch((error: unknown) => signal.aborted || onTrouble(error))
  }
}
