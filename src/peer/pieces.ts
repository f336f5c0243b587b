/** One answer with pieces, taken off the socket chunk by chunk: deciphered where it arrives, handed on frame by frame. */
import type { Dispatcher } from 'undici'
import { BadStream, isOurs, PeerUnreachable } from '../errors.ts'
import { AUTH_HEADER } from '../protocol/constants.ts'
import { openPieces, openWhole, type PieceOpener, type PieceReader } from '../session/sealed.ts'
import type { OutSession } from '../session/sessions.ts'
import { type Asker, errorNamed, hearsay, isSealed } from './ask.ts'
import type { HolderAt } from './contents.ts'
import type { Patience } from './patience.ts'

/** A refusal is short. */
const MAX_REFUSAL_BYTES = 64 * 1024

export interface PieceSink {
  /** The pieces that follow. What it throws ends the answer. */
  head(first: number, count: number, bytes: number): void
  /**
   * The plaintext of one frame in parts, verified: at most 1 MiB, on the borders of 1 MiB from the first piece on.
   * @returns a promise when the holder has to wait.
   */
  frame(parts: readonly Uint8Array[], bytes: number): Promise<void> | undefined
  /** Bytes came off the wire, after the head. */
  progress(bytes: number): void
}

export interface PiecesRequest {
  readonly at: HolderAt
  readonly target: string
  readonly session: OutSession
  readonly sink: PieceSink
  readonly signal: AbortSignal
}

/** @returns false when the peer does not know the session. */
export const receivePieces = (asker: Asker, request: PiecesRequest): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const { at, target, session, signal } = request
    const { header, ...exchange } = session.next('GET', target)
    const answer = new PieceAnswer(request, exchange, asker.patience, (error) => {
      signal.removeEventListener('abort', stop)
      if (error === STRANGER) resolve(false)
      else if (error === undefined) resolve(true)
      else reject(signal.aborted ? signal.reason : error)
    })
    const stop = (): void => answer.abort(Object.assign(new Error('not needed any more'), { code: 'UND_ERR_ABORTED' }))
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) {
      stop()
      return
    }
    const headers = { 'accept-encoding': 'identity', [AUTH_HEADER]: header }
    asker.reach.dispatch(at.address, { method: 'GET', path: target, headers }, answer)
  })

/** The answer of a peer that does not know our session. */
const STRANGER = new Error('no session')

type Ended = (error?: unknown) => void

class PieceAnswer implements Dispatcher.DispatchHandler, PieceReader {
  readonly #request: PiecesRequest
  readonly #exchange: Parameters<typeof openPieces>[0]
  readonly #patience: Pick<Patience, 'slowMs' | 'slowBytes'>
  readonly #ended: Ended
  #controller: Dispatcher.DispatchController | undefined
  #abortWith: Error | undefined
  #opener: PieceOpener | undefined
  #status = 0
  #sealed = false
  #refusal: Buffer[] = []
  #refusalBytes = 0
  #waits = 0
  /** How often it had to wait for us, and bytes of its body. */
  #waited = 0
  #received = 0
  #late: NodeJS.Timeout | undefined
  #over = false

  constructor(
    request: PiecesRequest,
    exchange: Parameters<typeof openPieces>[0],
    patience: Pick<Patience, 'slowMs' | 'slowBytes'>,
    ended: Ended,
  ) {
    this.#request = request
    this.#exchange = exchange
    this.#patience = patience
    this.#ended = ended
  }

  abort(reason: Error): void {
    this.#abortWith = reason
    if (this.#controller) this.#controller.abort(reason)
    this.#end(reason)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#abortWith) controller.abort(this.#abortWith)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2],
  ): void {
    this.#status = status
    this.#watch(controller)
    this.#sealed = isSealed({ headers })
    if (!this.#sealed || headers['content-encoding'] !== undefined || (status >= 300 && status < 400)) {
      // A plain 401 and what has to wait are short, and their connection may be used again.
      if (status === 401 || status === 429 || status === 503) return
      this.#fail(controller, this.#unproved(new Error('an answer that is not sealed')))
      return
    }
    if (status !== 200) return
    this.#guarded(controller, () => {
      this.#opener = openPieces(this.#exchange, status, Number(headers['content-length']), this)
    })
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const opener = this.#opener
    const bytes = chunk.length
    this.#received += bytes
    if (opener) {
      this.#guarded(controller, () => opener.push(chunk))
      if (!this.#over) this.#request.sink.progress(bytes)
      return
    }
    this.#refusal.push(Buffer.from(chunk))
    this.#refusalBytes += bytes
    if (this.#refusalBytes > MAX_REFUSAL_BYTES) this.#fail(controller, this.#unproved(new Error('a long refusal')))
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    const { address } = this.#request.at
    const opener = this.#opener
    if (opener) {
      this.#guarded(controller, () => opener.end())
      this.#end()
    } else if (!this.#sealed) {
      this.#end(this.#status === 401 ? STRANGER : hearsay(address, this.#status))
    } else {
      this.#guarded(controller, () => {
        this.#end(errorNamed(address, openWhole(this.#exchange, this.#status, Buffer.concat(this.#refusal))))
      })
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, cause: Error): void {
    this.#end(isOurs(cause) ? cause : this.#unproved(cause))
  }

  head(head: Uint8Array): void {
    const view = new DataView(head.buffer, head.byteOffset, head.byteLength)
    this.#request.sink.head(view.getUint32(0), view.getUint32(4), this.#opener?.left ?? 0)
  }

  frame(parts: readonly Uint8Array[], bytes: number): void {
    const waits = this.#over ? undefined : this.#request.sink.frame(parts, bytes)
    if (!waits) return
    this.#waits += 1
    this.#waited += 1
    this.#controller?.pause()
    const go = (): void => {
      this.#waits -= 1
      if (this.#waits === 0 && !this.#over) this.#controller?.resume()
    }
    waits.then(go, go)
  }

  #guarded(controller: Dispatcher.DispatchController, work: () => void): void {
    try {
      work()
    } catch (cause) {
      this.#fail(controller, cause instanceof BadStream ? this.#unproved(cause) : cause)
    }
  }

  /** What was not sealed, or does not open, may come from anybody who answers there now: nobody is called a liar for it. */
  #unproved(cause: unknown): Error {
    return new PeerUnreachable(this.#request.at.address, { cause })
  }

  /** One byte a second is no help: an answer that moves too little is given up. Time in which it waits for us does not count. */
  #watch(controller: Dispatcher.DispatchController): void {
    const { slowMs, slowBytes } = this.#patience
    const [waited, received] = [this.#waited, this.#received]
    this.#late = setTimeout(() => {
      const moves = this.#waits > 0 || this.#waited > waited || this.#received - received >= slowBytes
      if (moves) this.#watch(controller)
      else this.#fail(controller, this.#unproved(new Error('too slow')))
    }, slowMs)
  }

  #fail(controller: Dispatcher.DispatchController, error: unknown): void {
    this.#end(error)
    controller.abort(error instanceof Error ? error : new Error('given up'))
  }

  #end(error?: unknown): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#late)
    this.#ended(error)
  }
}
