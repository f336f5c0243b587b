/** A content that this node has, wholly or in part, as those see it who give it to others. */
import type { PieceSet } from '../store/piece-set.ts'

/** Open for reading; whoever opened it closes it. */
export interface OpenHolding {
  /**
   * Fill `into` from `position` (bytes) on.
   * @throws FileChanged when it ends before
   */
  read(position: number, into: Uint8Array): Promise<void>
  /**
   * To be called after reading and before the bytes count.
   * @throws FileChanged, NotPublished when it is not that content any more, or may not be given
   */
  check(): Promise<void>
  close(): Promise<void>
}

export interface Holding {
  readonly root: string
  /** Bytes. */
  readonly size: number
  /** What is here, verified and written: a live view. Undefined means all of it, from the beginning. */
  readonly pieces: PieceSet | undefined
  /** The piece layer: 32 bytes a piece; the root for a content of one piece. */
  layer(): Promise<Uint8Array>
  open(): Promise<OpenHolding>
  /** Told which pieces are new. @returns a function that ends the listening. */
  onNew(listener: (pieces: readonly number[]) => void): () => void
  /** Told once when the content is not here any more. @returns a function that ends the listening. */
  onEnd(listener: () => void): () => void
  /** A peer follows this content here (it fetches it, and may have pieces for us). */
  followed(peerId: string): void
}

/** What this node has of a root now. */
export type Holdings = (root: string) => Holding | undefined
