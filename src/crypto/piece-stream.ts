/**
 * Opens an answer with pieces (PROTOCOL.md, "Streams": head frame) as it arrives: a head of 8 bytes, then frames of 1 MiB that lie
 * on the borders of the pieces. Each chunk is deciphered where it lies, so no ciphertext is gathered; nothing of a frame is handed
 * on before its tag was right.
 */
import { createDecipheriv, type DecipherGCM } from 'node:crypto'
import { BadStream } from '../errors.ts'
import {
  CIPHER_BYTES,
  HEADER_BYTES,
  Nonces,
  openFrame,
  type StreamContext,
  saltOf,
  streamKey,
  TAG_BYTES,
} from './stream.ts'

/** What frame 0 holds. */
export const HEAD_BYTES = 8
const BEFORE_CONTENT = HEADER_BYTES + HEAD_BYTES + TAG_BYTES

/** Bytes on the wire for `contentBytes` behind a head. */
export const sealedPiecesLength = (contentBytes: number, frameLog2: number): number =>
  BEFORE_CONTENT + contentBytes + TAG_BYTES * Math.ceil(contentBytes / 2 ** frameLog2)

/** Bytes of content in an answer of that length; undefined when none has it. */
export const openedPiecesLength = (length: number, frameLog2: number): number | undefined => {
  const frames = Math.ceil((length - BEFORE_CONTENT) / (2 ** frameLog2 + TAG_BYTES))
  const content = length - BEFORE_CONTENT - TAG_BYTES * frames
  return Number.isSafeInteger(length) && content > 0 && sealedPiecesLength(content, frameLog2) === length
    ? content
    : undefined
}

export interface PieceReader {
  /** @param head - the 8 bytes. What it throws ends the reading. */
  head(head: Uint8Array): void
  /** The plaintext of one frame in parts, verified. */
  frame(parts: readonly Uint8Array[], bytes: number): void
}

export class PieceOpener {
  readonly #context: StreamContext
  readonly #reader: PieceReader
  readonly #frameBytes: number
  readonly #nonces: Nonces
  #key: Uint8Array = new Uint8Array()
  /** Content that has not been opened. */
  #left: number
  #wants: 'header' | 'head' | 'content' | 'tag' | 'nothing' = 'header'
  /** Gathers what is opened at once: header, head frame, tags. Copied: a chunk may be gone when the next one comes. */
  readonly #small = new Uint8Array(HEAD_BYTES + TAG_BYTES)
  #smallBytes = 0
  #smallWanted = HEADER_BYTES
  #decipher: DecipherGCM | undefined
  #frameLeft = 0
  #parts: Uint8Array[] = []
  #partBytes = 0

  /**
   * @param length - bytes on the wire, as announced
   * @throws BadStream when no answer has that length
   */
  constructor(context: StreamContext, length: number, reader: PieceReader) {
    const content = openedPiecesLength(length, context.frameLog2)
    if (content === undefined) throw new BadStream()
    this.#context = context
    this.#reader = reader
    this.#frameBytes = 2 ** context.frameLog2
    this.#nonces = new Nonces(context.frameLog2)
    this.#left = content
  }

  /** Bytes of content that the whole answer carries, before any of it was opened. */
  get left(): number {
    return this.#left
  }

  /** @throws BadStream; what the reader was given before stands. */
  push(chunk: Uint8Array): void {
    let rest = chunk
    while (rest.length > 0) {
      if (this.#wants === 'nothing') throw new BadStream()
      rest = this.#wants === 'content' ? this.#decrypt(rest) : this.#gather(rest)
    }
  }

  /**
   * To be called when the body has ended.
   * @throws BadStream when something is missing
   */
  end(): void {
    if (this.#wants !== 'nothing') throw new BadStream()
  }

  #gather(chunk: Uint8Array): Uint8Array {
    const part = chunk.subarray(0, this.#smallWanted - this.#smallBytes)
    this.#small.set(part, this.#smallBytes)
    this.#smallBytes += part.length
    const rest = chunk.subarray(part.length)
    if (this.#smallBytes < this.#smallWanted) return rest
    const bytes = this.#small.subarray(0, this.#smallWanted)
    if (this.#wants === 'header') {
      this.#key = streamKey(this.#context, saltOf(this.#context, bytes))
      this.#want('head', HEAD_BYTES + TAG_BYTES)
    } else if (this.#wants === 'head') {
      this.#reader.head(openFrame(this.#key, this.#nonce(false), bytes))
      this.#begin()
    } else {
      this.#finish(bytes)
    }
    return rest
  }

  #decrypt(chunk: Uint8Array): Uint8Array {
    const part = chunk.subarray(0, Math.min(this.#frameLeft, CIPHER_BYTES))
    const opened = this.#decipher?.update(part)
    if (opened) this.#parts.push(opened)
    this.#partBytes += part.length
    this.#frameLeft -= part.length
    if (this.#frameLeft === 0) this.#want('tag', TAG_BYTES)
    return chunk.subarray(part.length)
  }

  #finish(tag: Uint8Array): void {
    try {
      this.#decipher?.setAuthTag(tag)
      this.#decipher?.final()
    } catch (cause) {
      throw new BadStream({ cause })
    }
    const parts = this.#parts
    const bytes = this.#partBytes
    this.#parts = []
    this.#partBytes = 0
    this.#left -= bytes
    if (this.#left > 0) this.#begin()
    else this.#wants = 'nothing'
    this.#reader.frame(parts, bytes)
  }

  #begin(): void {
    this.#wants = 'content'
    this.#frameLeft = Math.min(this.#frameBytes, this.#left)
    const nonce = this.#nonce(this.#left <= this.#frameBytes)
    // Without authTagLength Node takes tags of 4 bytes (DEP0182).
    this.#decipher = createDecipheriv('aes-256-gcm', this.#key, nonce, { authTagLength: TAG_BYTES })
  }

  #nonce(last: boolean): Uint8Array {
    const nonce = this.#nonces.next(last)
    if (!nonce) throw new BadStream()
    return nonce
  }

  #want(wants: 'head' | 'tag', bytes: number): void {
    this.#wants = wants
    this.#smallWanted = bytes
    this.#smallBytes = 0
  }
}
