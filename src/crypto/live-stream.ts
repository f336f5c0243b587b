/**
 * Sealed streams without an end in sight (PROTOCOL.md, "Streams"): as stream.ts with frameLog2 0, but each frame holds one message
 * and is preceded by the length of its ciphertext and tag (4 bytes). An empty frame with the last-frame mark is a clean end.
 */
import { randomBytes } from 'node:crypto'
import { BadStream } from '../errors.ts'
import { Gatherer } from './gather.ts'
import {
  HEADER_BYTES,
  Nonces,
  openFrame,
  SALT_BYTES,
  type StreamContext,
  saltOf,
  sealFrame,
  streamKey,
  TAG_BYTES,
} from './stream.ts'

/** Longest message. */
export const MAX_MESSAGE_BYTES = 64 * 1024
const LENGTH_BYTES = 4

/** Seals the messages of one live stream, in order. */
export class LiveSealer {
  /** What the stream begins with: 17 bytes. */
  readonly header: Uint8Array
  readonly #nonces = new Nonces(0)
  readonly #key: Uint8Array

  /** @param context - with frameLog2 0. */
  constructor(context: StreamContext, salt: Uint8Array = randomBytes(SALT_BYTES)) {
    checkLive(context)
    this.#key = streamKey(context, salt)
    this.header = new Uint8Array([...salt, 0])
  }

  /** @throws RangeError for an empty or a too long message, or after the end. */
  seal(message: Uint8Array): Uint8Array {
    if (message.length < 1 || message.length > MAX_MESSAGE_BYTES)
      throw new RangeError('a live message has 1 to 65,536 bytes')
    return this.#frame(message, false)
  }

  /** The clean end of the stream. */
  end(): Uint8Array {
    return this.#frame(new Uint8Array(0), true)
  }

  #frame(message: Uint8Array, last: boolean): Uint8Array {
    const nonce = this.#nonces.next(last)
    if (!nonce) throw new RangeError('the stream has ended')
    const length = Buffer.alloc(LENGTH_BYTES)
    length.writeUInt32BE(message.length + TAG_BYTES)
    return Buffer.concat([length, ...sealFrame(this.#key, nonce, message)])
  }
}

/** Opens a live stream from chunks of any size, header included. */
export class LiveOpener {
  readonly #context: StreamContext
  readonly #nonces = new Nonces(0)
  #key: Uint8Array | undefined
  #wants: 'header' | 'length' | 'frame' = 'header'
  #gatherer = new Gatherer(HEADER_BYTES)
  #ended = false

  /** @param context - with frameLog2 0. */
  constructor(context: StreamContext) {
    checkLive(context)
    this.#context = context
  }

  /**
   * Yields the messages a chunk completes.
   * @throws BadStream; what was yielded before stands.
   */
  *push(chunk: Uint8Array): Generator<Uint8Array, void, undefined> {
    let left = chunk
    while (left.length > 0) {
      if (this.#ended) throw new BadStream()
      left = this.#gatherer.fill(left)
      if (!this.#gatherer.full) return
      const message = this.#step(this.#gatherer.rest())
      if (message) yield message
    }
  }

  /** The clean end came. */
  get ended(): boolean {
    return this.#ended
  }

  /**
   * To be called when the body has ended.
   * @throws BadStream when that was not the clean end.
   */
  end(): void {
    if (!this.#ended) throw new BadStream()
  }

  #step(bytes: Uint8Array): Uint8Array | undefined {
    if (this.#wants === 'frame') return this.#open(bytes)
    if (this.#wants === 'header') {
      this.#key = streamKey(this.#context, saltOf(this.#context, bytes))
      this.#want('length', LENGTH_BYTES)
      return undefined
    }
    const length = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).readUInt32BE()
    if (length < TAG_BYTES || length > MAX_MESSAGE_BYTES + TAG_BYTES) throw new BadStream()
    this.#want('frame', length)
    return undefined
  }

  #open(frame: Uint8Array): Uint8Array | undefined {
    const last = frame.length === TAG_BYTES
    const nonce = this.#nonces.next(last)
    if (!nonce || !this.#key) throw new BadStream()
    const message = openFrame(this.#key, nonce, frame)
    this.#ended = last
    this.#want('length', LENGTH_BYTES)
    return last ? undefined : message
  }

  #want(wants: 'length' | 'frame', bytes: number): void {
    this.#wants = wants
    this.#gatherer = new Gatherer(bytes)
  }
}

const checkLive = ({ frameLog2 }: StreamContext): void => {
  if (frameLog2 !== 0) throw new RangeError('a live stream has frameLog2 0')
}
