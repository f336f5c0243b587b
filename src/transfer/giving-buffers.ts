/** Memory for reading, used again and again: a buffer for each read would be a gigabyte of garbage for each one that is given. */
import { Busy } from '../errors.ts'

/** A piece of a small content, and a whole frame. */
const SMALL_BYTES = 128 * 1024
const LARGE_BYTES = 1024 * 1024
/** What lies ready for the next answers. */
const KEPT_BYTES = 4 * 1024 * 1024
/** An answer reads into two buffers, and two frames of it are on their way into the connection. */
const FRAMES_OF_ANSWER = 4
/** For all answers that run: 64 of whole frames, or 512 of a small piece each. */
const RUNNING_BYTES = 256 * 1024 * 1024

export class Buffers {
  readonly #free = new Map<number, Uint8Array[]>([
    [SMALL_BYTES, []],
    [LARGE_BYTES, []],
  ])
  #kept = 0
  #running = 0

  /** @param bytes - of the answer. @returns what is to be called once, when it has ended. @throws Busy when too many run */
  reserve(bytes: number): () => void {
    const needed = FRAMES_OF_ANSWER * Math.min(bytes, LARGE_BYTES)
    if (this.#running + needed > RUNNING_BYTES) throw new Busy()
    this.#running += needed
    return () => {
      this.#running -= needed
    }
  }

  /** At least so many bytes, at most 1 MiB; what is in it is of no meaning. */
  take(bytes: number): Uint8Array {
    const size = bytes <= SMALL_BYTES ? SMALL_BYTES : LARGE_BYTES
    const buffer = this.#free.get(size)?.pop()
    if (buffer) this.#kept -= size
    return buffer ?? new Uint8Array(size)
  }

  /** To be called once nobody reads or writes it. */
  giveBack(buffer: Uint8Array): void {
    if (this.#kept + buffer.length > KEPT_BYTES) return
    this.#free.get(buffer.length)?.push(buffer)
    this.#kept += buffer.length
  }
}
