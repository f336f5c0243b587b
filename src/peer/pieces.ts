/** One answer with pieces: asked for in the lane, handed on frame by frame, and what its end means. */
import type { Pace } from '../allowance.ts'
import { isOurs, PeerUnreachable } from '../errors.ts'
import { openWhole } from '../session/sealed.ts'
import type { Exchange, OutSession } from '../session/sessions.ts'
import { type Asker, errorNamed, hearsay } from './ask.ts'
import type { HolderAt } from './contents.ts'
import type { LaneReader } from './lane.ts'
import type { LaneEnd } from './lane-messages.ts'

export interface PieceSink extends LaneReader {
  /** The pieces that follow. What it throws ends the answer. */
  head(first: number, count: number, bytes: number): void
  /**
   * The plaintext of one frame in parts, verified: at most 1 MiB, on the borders of 1 MiB from the first piece on.
   * @param leaves - SHA-256 of each of its blocks of 16 KiB, 32 bytes each
   * @returns a promise when the holder has to wait.
   */
  frame(parts: readonly Uint8Array[], bytes: number, leaves?: Uint8Array): Promise<void> | undefined
  /** Bytes came off the wire, after the head. */
  progress(bytes: number): void
}

export interface PiecesRequest {
  readonly at: HolderAt
  readonly target: string
  readonly session: OutSession
  readonly sink: PieceSink
  readonly signal: AbortSignal
  readonly pace: Pace
}

/** @returns false when the peer does not know the session. */
export const receivePieces = async (
  { reach, patience }: Asker,
  { at: { address }, target, session, sink, signal, pace }: PiecesRequest,
): Promise<boolean> => {
  const { header: auth, ...exchange } = session.next('GET', target)
  const { headMs, slowMs, slowBytes } = patience
  const sliceBytes = pace.sliceBytes === Number.POSITIVE_INFINITY ? undefined : pace.sliceBytes
  const asked = { address, auth, exchange, sliceBytes, patience: { headMs, slowMs, slowBytes } }
  const end = await reach.lane.ask(asked, sink, signal, pace)
  if (end.kind === 'whole') return true
  if (end.kind === 'refused' && !end.sealed && end.status === 401) return false
  throw errorOf(end, address, exchange)
}

/** What was not sealed, or does not open, may come from anybody who answers there now: nobody is called a liar for it. */
const errorOf = (end: Exclude<LaneEnd, { kind: 'whole' }>, address: string, exchange: Exchange): Error => {
  if (end.kind === 'broken') {
    const cause = Object.assign(new Error(end.message), end.code !== undefined && { code: end.code })
    return new PeerUnreachable(address, { cause })
  }
  if (!end.sealed) return hearsay(address, end.status)
  try {
    return errorNamed(address, openWhole(exchange, end.status, end.body))
  } catch (cause) {
    return isOurs(cause) && cause.code !== 'PM_BAD_STREAM' ? cause : new PeerUnreachable(address, { cause })
  }
}
