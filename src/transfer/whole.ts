/** Fetch a whole content from one holder in one sealed stream, checked against its hash before its end is handed on. */
import { createHash } from 'node:crypto'
import { concat } from '../bytes.ts'
import { NoHolder, PeerMisbehaved } from '../errors.ts'

/** The end of a content is handed on only when the hash of the whole is right, so that a wrong file is never a finished download. */
const HELD_BACK_BYTES = 64 * 1024

/** One holder and the name under which it publishes the content. */
export interface Source {
  readonly address: string
  /** Identity, 64 hex characters. */
  readonly id: string
  readonly fileName: string
}

export interface WholeRequest {
  readonly size: number
  /** SHA-256 of the content, hex. */
  readonly hash: string
  /** Asked one after the other until one begins to answer. */
  readonly sources: readonly Source[]
  readonly signal: AbortSignal
}

export interface Download {
  readonly size: number
  readonly source: Source
  /** Ends normally only when every byte came and the hash was right; else it throws PeerMisbehaved or PeerUnreachable. */
  readonly body: AsyncIterable<Uint8Array>
}

/** Ask one holder for a file; the bytes it sends, opened frame by frame. */
export type OpenFile = (source: Source, signal: AbortSignal) => Promise<AsyncIterable<Uint8Array>>

/**
 * @throws the last source's error when none of them began to answer; NoHolder when there was none to ask.
 */
export const fetchWhole = async (request: WholeRequest, openFile: OpenFile): Promise<Download> => {
  let failure: unknown = new NoHolder()
  for (const source of request.sources) {
    try {
      const body = await openFile(source, request.signal)
      return { size: request.size, source, body: checked(body, request, source) }
    } catch (error) {
      request.signal.throwIfAborted()
      failure = error
    }
  }
  throw failure
}

async function* checked(body: AsyncIterable<Uint8Array>, { size, hash }: WholeRequest, source: Source) {
  const digest = createHash('sha256')
  let received = 0
  let held: Uint8Array = new Uint8Array()
  for await (const chunk of body) {
    received += chunk.length
    if (received > size) throw new PeerMisbehaved(source.address)
    digest.update(chunk)
    if (chunk.length >= HELD_BACK_BYTES) {
      if (held.length > 0) yield held
      held = chunk
    } else {
      held = concat(held, chunk)
    }
    const free = held.length - HELD_BACK_BYTES
    if (free > 0) yield held.subarray(0, free)
    held = held.subarray(Math.max(0, free))
  }
  if (received !== size || digest.digest('hex') !== hash) throw new PeerMisbehaved(source.address)
  if (held.length > 0) yield held
}
