/**
 * Seals an answer with pieces (PROTOCOL.md, "Streams": head frame): a head of 8 bytes, then frames of 1 MiB that lie on the borders
 * of the pieces. Each frame is sealed straight from the buffer it was read into.
 */
import { randomBytes } from 'node:crypto'
import { HEAD_BYTES } from './piece-stream.ts'
import { Nonces, SALT_BYTES, type SealedFrame, type StreamContext, sealFrame, streamKey } from './stream.ts'

export class PieceSealer {
  readonly #key: Uint8Array
  readonly #header: Uint8Array
  readonly #nonces: Nonces
  readonly #frameBytes: number

  /** @param salt - 16 bytes, never the same twice. */
  constructor(context: StreamContext, salt: Uint8Array = randomBytes(SALT_BYTES)) {
    if (salt.length !== SALT_BYTES) throw new RangeError('a salt has 16 bytes')
    this.#key = streamKey(context, salt)
    this.#header = new Uint8Array([...salt, context.frameLog2])
    this.#nonces = new Nonces(context.frameLog2)
    this.#frameBytes = 2 ** context.frameLog2
  }

  /** What the answer begins with: header and head frame. To be called first, once. @param head - 8 bytes */
  begin(head: Uint8Array): Uint8Array {
    if (head.length !== HEAD_BYTES || this.#nonces.count > 0) throw new RangeError('one head of 8 bytes comes first')
    return Buffer.concat([this.#header, ...this.#next(head, false)])
  }

  /**
   * The next frame; the plaintext may be written over when it returns.
   * @param plaintext - a full frame, unless it is the last one; never empty
   */
  seal(plaintext: Uint8Array, last: boolean): SealedFrame {
    const fits = last
      ? plaintext.length > 0 && plaintext.length <= this.#frameBytes
      : plaintext.length === this.#frameBytes
    if (!fits || this.#nonces.count === 0) throw new RangeError('every frame but the last is full, none is empty')
    return this.#next(plaintext, last)
  }

  #next(plaintext: Uint8Array, last: boolean): SealedFrame {
    const nonce = this.#nonces.next(last)
    if (!nonce) throw new RangeError('the stream has ended')
    return sealFrame(this.#key, nonce, plaintext)
  }
}
