/** A short answer, read to its end. With streams and signals it would cost twice as much, and every peer is asked all day long whether it is there. */
import type { Dispatcher } from 'undici'

export interface ShortAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Undefined for a body that is too long, or breaks off. */
  readonly text: string | undefined
}

export interface ShortLimits {
  readonly maxBytes: number
  /** For all of it, from the connection on. */
  readonly milliseconds: number
  readonly signal?: AbortSignal | undefined
}

/** @throws whatever kept its head from coming. */
export const readShort = (
  pool: Pick<Dispatcher, 'dispatch'>,
  options: Omit<Dispatcher.DispatchOptions, 'origin'>,
  limits: ShortLimits,
): Promise<ShortAnswer> =>
  new Promise((resolve, reject) => {
    const { milliseconds, signal } = limits
    const timer = setTimeout(() => reader.end(new Error('too late')), milliseconds)
    const onAbort = (): void => reader.end(new Error('not needed any more'))
    const reader = new Reader(limits.maxBytes, (outcome) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      if (outcome instanceof Error) reject(outcome)
      else resolve(outcome)
    })
    signal?.addEventListener('abort', onAbort, { once: true })
    if (signal?.aborted) onAbort()
    else pool.dispatch(options, reader)
  })

class Reader implements Dispatcher.DispatchHandler {
  readonly #maxBytes: number
  readonly #onEnd: (outcome: ShortAnswer | Error) => void
  readonly #parts: Uint8Array[] = []
  #bytes = 0
  #head: Omit<ShortAnswer, 'text'> | undefined
  #controller: Dispatcher.DispatchController | undefined
  #over = false

  constructor(maxBytes: number, onEnd: (outcome: ShortAnswer | Error) => void) {
    this.#maxBytes = maxBytes
    this.#onEnd = onEnd
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#over) controller.abort(new Error('too late'))
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    this.#head = { status, headers }
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    this.#bytes += chunk.length
    // Ended by us, which says nothing about the peer.
    if (this.#bytes > this.#maxBytes) this.end(Object.assign(new Error('too long'), { code: 'UND_ERR_ABORTED' }))
    else this.#parts.push(chunk)
  }

  onResponseEnd(): void {
    this.#finish(this.#head && { ...this.#head, text: Buffer.concat(this.#parts).toString('utf8') })
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#finish(this.#head && { ...this.#head, text: undefined }, error)
  }

  /** Wait no longer. */
  end(reason: Error): void {
    this.#finish(this.#head && { ...this.#head, text: undefined }, reason)
    this.#controller?.abort(reason)
  }

  #finish(answer: ShortAnswer | undefined, error = new Error('no head')): void {
    if (this.#over) return
    this.#over = true
    this.#onEnd(answer ?? error)
  }
}
