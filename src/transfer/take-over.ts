/** Late pieces: which one a holder that has nothing else to do should bring as well. */
import type { Flight, SwarmHolder } from './swarm-holder.ts'

/** Only from a holder that is at most this part as fast: equal ones end at about the same time anyway. */
const SLOWER = 0.5
/** Worth it when the piece would come this much sooner, and by so many milliseconds. */
const SOONER = 1.2
const SOONER_MS = 10

export interface TakeOver {
  /** Bytes of a piece. */
  readonly pieceBytes: number
  /** Whether this piece, in flight there, may be asked from the other holder too. */
  readonly allowed: (piece: number, flight: Flight) => boolean
}

/** The piece with the latest expected arrival of those that `taker` would bring much sooner. */
export const latePiece = (
  taker: SwarmHolder,
  holders: Iterable<SwarmHolder>,
  { pieceBytes, allowed }: TakeOver,
): number | undefined => {
  const rate = taker.rate.value
  if (rate === 0) return undefined
  const own = taker.flights.reduce((pieces, { open }) => pieces + open.size, 1)
  const ownMs = (own * pieceBytes * 1000) / rate
  let latest: number | undefined
  let latestMs = SOONER * ownMs + SOONER_MS
  for (const holder of holders) {
    if (holder === taker || !holder.rate.known || holder.rate.value > SLOWER * rate) continue
    // A queued piece is not late because its order is old: what counts is all that lies before it on that connection.
    let before = 0
    for (const flight of holder.flights) {
      for (const piece of flight.open) {
        const bytes = before + (piece - flight.run.first + 1) * pieceBytes - flight.received
        const arrivesMs = (Math.max(0, bytes) * 1000) / holder.rate.value
        if (arrivesMs > latestMs && allowed(piece, flight)) {
          latest = piece
          latestMs = arrivesMs
        }
      }
      before += Math.max(0, flight.run.count * pieceBytes - flight.received)
    }
  }
  return latest
}
