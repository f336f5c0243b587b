/** Open event streams: how many there may be, how one is kept alive and slow readers are waited for, how all end. */
import { once } from 'node:events'
import { PassThrough, type Readable } from 'node:stream'

/** A browser opens six connections to a node; some must stay free for everything else. */
const MAX_STREAMS = 4
/** Proxies and sleeping networks drop what is silent for longer. */
const HEARTBEAT_MS = 15_000
const HEARTBEAT = ':\n\n'

export interface Message {
  /** As it goes over the wire; empty when there is nothing to say. */
  readonly text: string
  /** When to look again although nobody told us. */
  readonly againMs: number
  /** What happens within this time is told at once. */
  readonly gatherMs: number
}

/** What one stream says. */
export interface Feed {
  readonly next: () => Promise<Message>
  /** @returns a function that ends the listening. */
  readonly listen: (onNews: () => void) => () => void
  /** The last words of a stream that makes room for a newer one. */
  readonly farewell: string
}

export interface Streams {
  readonly full: boolean
  /** Open a stream; the oldest one ends when there are too many. @param onError - the feed failed, the stream ends. */
  open(feed: Feed, onError: (error: unknown) => void): Readable
}

/** @param stopping - aborted when the node stops: every stream ends. */
export const createStreams = (stopping: AbortSignal): Streams => {
  /** How to end each, the oldest first. */
  const streams: (() => void)[] = []
  return {
    get full() {
      return streams.length >= MAX_STREAMS
    },
    open: (feed, onError) => {
      if (streams.length >= MAX_STREAMS) streams.shift()?.()
      const out = new PassThrough()
      const ended = new AbortController()
      const giveWay = (): void => {
        ended.abort()
        out.end(feed.farewell)
      }
      streams.push(giveWay)
      out.once('close', () => ended.abort())
      const signal = AbortSignal.any([ended.signal, stopping])
      pump(out, feed, signal)
        .catch((error: unknown) => {
          if (!signal.aborted) onError(error)
        })
        .finally(() => {
          const at = streams.indexOf(giveWay)
          if (at !== -1) streams.splice(at, 1)
          out.end()
        })
      return out
    },
  }
}

const pump = async (out: PassThrough, feed: Feed, signal: AbortSignal): Promise<void> => {
  const news = createBell()
  const unlisten = feed.listen(news.ring)
  try {
    while (!signal.aborted) {
      news.reset()
      const { text, againMs, gatherMs } = await feed.next()
      if (signal.aborted) return
      if (text !== '') out.write(text)
      // Nothing is rendered for a reader who has not taken the last message yet.
      if (out.writableNeedDrain) await once(out, 'drain', { signal })
      await silence(out, { news, againMs, signal })
      if (news.rung) await pause(gatherMs, signal)
    }
  } finally {
    unlisten()
  }
}

/** Until there is news, or it is time to look again. */
const silence = async (
  out: PassThrough,
  { news, againMs, signal }: { news: Bell; againMs: number; signal: AbortSignal },
): Promise<void> => {
  const until = performance.now() + againMs
  for (;;) {
    const left = until - performance.now()
    if (news.rung || left <= 0 || signal.aborted) return
    await news.wait(Math.min(left, HEARTBEAT_MS), signal)
    if (!news.rung && left > HEARTBEAT_MS && !out.writableNeedDrain && !signal.aborted) out.write(HEARTBEAT)
  }
}

interface Bell {
  readonly rung: boolean
  ring(): void
  reset(): void
  /** Resolves when it rings, after the time, or when the signal is aborted. */
  wait(ms: number, signal: AbortSignal): Promise<void>
}

const createBell = (): Bell => {
  let rung = false
  let heard = (): void => {}
  return {
    get rung() {
      return rung
    },
    ring: () => {
      rung = true
      heard()
    },
    reset: () => {
      rung = false
    },
    wait: (ms, signal) =>
      pause(ms, signal, (wake) => {
        heard = wake
      }),
  }
}

/** A sleep that ends early when the signal is aborted or somebody wakes it, and leaves no listener behind. */
const pause = (ms: number, signal: AbortSignal, onSleep?: (wake: () => void) => void): Promise<void> =>
  new Promise((resolve) => {
    const wake = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', wake)
      resolve()
    }
    const timer = setTimeout(wake, signal.aborted ? 0 : ms)
    signal.addEventListener('abort', wake)
    onSleep?.(wake)
  })
