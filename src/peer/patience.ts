/** How long a peer is waited for. */

export interface Patience {
  /** The whole answer of /alive, of one message of a handshake, and of a call. */
  readonly aliveMs: number
  readonly handshakeMs: number
  readonly callMs: number
  /** The head of an answer whose body may take as long as it needs. */
  readonly headMs: number
  /** Such a body is given up when less than `slowBytes` come in `slowMs`: against one byte a second an idle timeout is no help. */
  readonly slowMs: number
  readonly slowBytes: number
}

export const PATIENCE: Patience = {
  aliveMs: 2_000,
  handshakeMs: 10_000,
  callMs: 15_000,
  headMs: 10_000,
  slowMs: 30_000,
  slowBytes: 64 * 1024,
}

/** A body as undici hands it over. */
interface Body extends AsyncIterable<Uint8Array> {
  destroy(error?: Error): unknown
}

/** The same body; it breaks off once it comes too slowly. Only the time that is spent waiting for it counts, not that of its reader. */
export async function* inPace(
  body: Body,
  { slowBytes, slowMs }: Pick<Patience, 'slowBytes' | 'slowMs'>,
): AsyncGenerator<Uint8Array> {
  let leftMs = slowMs
  let received = 0
  let began = performance.now()
  const wait = (): NodeJS.Timeout => {
    began = performance.now()
    return setTimeout(() => body.destroy(new Error('too slow')), Math.max(0, leftMs))
  }
  let late = wait()
  try {
    for await (const chunk of body) {
      clearTimeout(late)
      received += chunk.length
      leftMs -= performance.now() - began
      if (received >= slowBytes) {
        received = 0
        leftMs = slowMs
      }
      yield chunk
      late = wait()
    }
  } finally {
    clearTimeout(late)
  }
}

/**
 * Do something in time: the signal it is given aborts when its time is up, or when the other one does. Afterwards nothing is left of either;
 * AbortSignal.timeout and AbortSignal.any leave timers and listeners behind, which is much where peers are asked all day long.
 */
export const inTime = async <Value>(
  milliseconds: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<Value>,
): Promise<Value> => {
  const end = new AbortController()
  const timer = setTimeout(() => end.abort(new Error('too late')), milliseconds)
  const onAbort = (): void => end.abort(signal?.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  if (signal?.aborted) onAbort()
  try {
    return await work(end.signal)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
  }
}

/** A signal that aborts unless it is called off in time; called off, it never aborts. */
export const deadline = (milliseconds: number): { readonly signal: AbortSignal; readonly callOff: () => void } => {
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(new Error('too late')), milliseconds)
  return { signal: late.signal, callOff: () => clearTimeout(timer) }
}

/** Wait for work that others may be waiting for, too: when the signal says that it is not needed here any more, it goes on without us. */
export const unlessAborted = async <Value>(
  work: () => Promise<Value>,
  signal: AbortSignal | undefined,
): Promise<Value> => {
  if (!signal) return await work()
  signal.throwIfAborted()
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work(), aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
