/** Bytes that lie one after the other in several parts, each in memory of its own: handed from thread to thread without a copy. */
import { concat, free } from '../bytes.ts'

export class Parts {
  readonly length: number
  readonly #parts: readonly Uint8Array[]

  constructor(parts: readonly Uint8Array[]) {
    this.#parts = parts
    this.length = parts.reduce((sum, { length }) => sum + length, 0)
  }

  /** What lies from `from` to before `end`, without a copy. */
  slice(from: number, end: number): readonly Uint8Array[] {
    const slices: Uint8Array[] = []
    let at = 0
    for (const part of this.#parts) {
      const slice = part.subarray(Math.max(0, from - at), Math.max(0, end - at))
      if (slice.length > 0) slices.push(slice)
      at += part.length
    }
    return slices
  }

  /** As slice, in one part: a copy where it lies in several. */
  joined(from: number, end: number): Uint8Array {
    const slices = this.slice(from, end)
    return slices.length === 1 && slices[0] ? slices[0] : concat(...slices)
  }

  /** Nobody looks at them any more. */
  free(): void {
    for (const part of this.#parts) free(part)
  }
}

/** Parts that can be given to another thread, and the memory that goes along; those in somebody else's memory are copied. */
export const movable = (
  parts: readonly Uint8Array[],
): { readonly parts: readonly Uint8Array[]; readonly buffers: readonly ArrayBuffer[] } => {
  const buffers: ArrayBuffer[] = []
  const own = parts.map((part) => {
    const { buffer, byteLength } = part
    const alone = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength && byteLength > 0
    const moved = alone ? part : new Uint8Array(part)
    if (moved.buffer instanceof ArrayBuffer) buffers.push(moved.buffer)
    return moved
  })
  return { parts: own, buffers }
}
