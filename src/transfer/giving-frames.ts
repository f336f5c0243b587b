/** A run of bytes of a holding, frame by frame: while one is sealed and sent, the next one is read. */
import type { Buffers } from './giving-buffers.ts'
import type { OpenHolding } from './holding.ts'

/** One frame of file content. */
const FRAME_BYTES = 1024 * 1024

export class FrameReader {
  readonly #open: OpenHolding
  readonly #buffers: Buffers
  readonly #end: number
  #position: number
  /** What the reader of the last frame may still look at, and what the next one is read into. */
  #shown: Uint8Array | undefined
  #filling: Uint8Array | undefined
  #ahead: Promise<Uint8Array> | undefined

  /** @param from - where the run begins, `bytes` long */
  constructor(open: OpenHolding, buffers: Buffers, from: number, bytes: number) {
    this.#open = open
    this.#buffers = buffers
    this.#position = from
    this.#end = from + bytes
  }

  /**
   * The next frame, verified to be of that content; good until the next call. Undefined at the end.
   * @throws FileChanged, NotPublished
   */
  async next(): Promise<Uint8Array | undefined> {
    this.#read()
    const frame = await this.#ahead
    this.#ahead = undefined
    const free = this.#shown
    this.#shown = this.#filling
    this.#filling = free
    this.#read()
    return frame
  }

  /** Resolves when nothing is read any more; the last frame is not good any more either. */
  async stop(): Promise<void> {
    this.#position = this.#end
    await this.#ahead?.catch(() => undefined)
    for (const buffer of [this.#shown, this.#filling]) if (buffer) this.#buffers.giveBack(buffer)
    this.#shown = undefined
    this.#filling = undefined
  }

  #read(): void {
    const bytes = Math.min(FRAME_BYTES, this.#end - this.#position)
    if (this.#ahead || bytes === 0) return
    this.#filling ??= this.#buffers.take(bytes)
    this.#ahead = this.#fill(this.#position, this.#filling.subarray(0, bytes))
    this.#position += bytes
    // Whoever asks for it hears of it.
    this.#ahead.catch(() => undefined)
  }

  async #fill(position: number, into: Uint8Array): Promise<Uint8Array> {
    await this.#open.read(position, into)
    await this.#open.check()
    return into
  }
}
