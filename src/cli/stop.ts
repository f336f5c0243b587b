/** What asks this process to end: signals, and the end of whoever started it. */
import { setTimeout as sleep } from 'node:timers/promises'

/** The part of `process` that is needed here. */
export interface StopSource {
  on(event: 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'disconnect', listener: () => void): unknown
  /** False once the channel to the launcher or the mesh is closed; undefined when there never was one. */
  readonly connected?: boolean | undefined
  readonly ppid: number
}

export interface StopOptions {
  /** Started by a script of npm: when npm is gone, nobody could stop this process any more. */
  readonly byNpm: boolean
  /** A second SIGINT that is meant: end at once. */
  readonly force: () => void
  readonly now?: () => number
  readonly parentPollMs?: number
}

/** npm sends the terminal's SIGINT a second time. */
const SAME_SIGINT_MS = 500
/** getppid costs nothing; a lost parent may be noticed a little late. */
const PARENT_POLL_MS = 1_000

/** @returns a signal that aborts, once, at the first request to stop; its reason says which. */
export const stopRequested = (source: StopSource, options: StopOptions): AbortController => {
  const { byNpm, force, now = () => performance.now(), parentPollMs = PARENT_POLL_MS } = options
  const stop = new AbortController()
  let firstSigintMs: number | undefined
  source.on('SIGINT', () => {
    firstSigintMs ??= now()
    if (now() - firstSigintMs > SAME_SIGINT_MS) force()
    stop.abort('SIGINT')
  })
  source.on('SIGTERM', () => stop.abort('SIGTERM'))
  source.on('SIGHUP', () => stop.abort('SIGHUP'))
  source.on('disconnect', () => stop.abort('the program that started this one is gone'))
  // The channel may have closed before anybody listened.
  if (source.connected === false) stop.abort('the program that started this one is gone')
  if (byNpm) void watchParent(source, stop, parentPollMs)
  return stop
}

/** Resolves when the signal aborts. */
export const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })

/** A process that loses its parent gets another one: init, or the nearest subreaper. */
const watchParent = async (source: StopSource, stop: AbortController, pollMs: number): Promise<void> => {
  const parent = source.ppid
  while (!stop.signal.aborted) {
    if (source.ppid !== parent) stop.abort('npm is gone')
    else await sleep(pollMs, undefined, { ref: false })
  }
}
