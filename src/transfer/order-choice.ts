/** What to ask a holder that has room, and what it may answer. */
import type { Run } from '../store/pieces.ts'
import type { PieceLedger } from './piece-ledger.ts'
import type { Order } from './swarm.ts'
import type { Flight, SwarmHolder } from './swarm-holder.ts'
import { latePiece } from './take-over.ts'

/** A run is what a holder gives in so long, so that the cost of a request stays small beside it. */
const RUN_MS = 20
/** Pieces of a run: of several holders, and of one alone. */
const RUN = { least: 1, most: 8 }
const RUN_ALONE = { least: 8, most: 64 }
/** What a request may ask for; one piece always. */
const RUN_LIMIT = { pieces: 1_024, bytes: 64 * 1024 * 1024 }
/** The rest is shared out in at least so many runs for each holder, so that all of them end at about the same time. */
const LAST_RUNS = 2

/** Orders that may be in flight, of all holders and of one, where a silent one's do not count; and bytes of one, but for a single piece. */
export interface OrderLimits {
  readonly all: number
  readonly each: number
  readonly bytes: number
}

export const AS_MANY: OrderLimits = {
  all: Number.POSITIVE_INFINITY,
  each: Number.POSITIVE_INFINITY,
  bytes: Number.POSITIVE_INFINITY,
}

export interface Situation {
  readonly pieces: PieceLedger
  /** Bytes of a piece. */
  readonly pieceBytes: number
  /** All of them; where it is one alone, nobody else is in sight who may have something soon. */
  readonly holders: readonly SwarmHolder[]
  readonly limitsOf: (holder: string) => OrderLimits
  /** How many of them have something still needed. */
  readonly usable: number
  /** From 0 to below 1. */
  readonly random: () => number
}

/** @returns undefined when it has nothing that is worth asking. */
export const chooseOrder = (holder: SwarmHolder, situation: Situation): Pick<Order, 'run' | 'want'> | undefined => {
  if (!holder.known) return undefined
  const run = freeRun(holder, situation) ?? lateRun(holder, situation)
  return run && { run, want: wantOf(holder, run, situation) }
}

/** Whether a holder may answer with this run: the beginning of the proposal, or pieces that are all wanted. */
export const isAnswer = ({ run, want }: Order, { first, count }: Run): boolean => {
  if (count < 1 || count > run.count) return false
  if (first === run.first) return true
  if (!want) return false
  for (let bit = first - want.first; bit < first - want.first + count; bit++) {
    if (bit < 0 || ((want.bits[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) === 0) return false
  }
  return true
}

const freeRun = (holder: SwarmHolder, situation: Situation): Run | undefined => {
  const { free, changes } = situation.pieces
  if (holder.dryAt === changes) return undefined
  const alone = isAlone(situation)
  const found = alone ? free.lowest(holder.pieces) : free.rarest(holder.pieces, situation.random)
  if (found === undefined) {
    holder.dryAt = changes
    return undefined
  }
  const most = longest(holder, situation)
  // From where runs of this length begin, else what is left between them are single pieces.
  const first = alone ? found : free.back(found, holder.pieces, found % most)
  return { first, count: free.adjacent(first, holder.pieces, most) }
}

const lateRun = (holder: SwarmHolder, { pieces, pieceBytes, holders }: Situation): Run | undefined => {
  if (holder.rate.silent) return undefined
  const allowed = (piece: number, { stalled }: Flight): boolean => !stalled && holder.has(piece) && pieces.open(piece)
  const first = latePiece(holder, holders, { pieceBytes, allowed })
  return first === undefined ? undefined : { first, count: 1 }
}

/** Pieces of a run. */
const longest = ({ name, rate, given }: SwarmHolder, situation: Situation): number => {
  if (rate.silent) return 1
  const { pieceBytes, pieces, usable, limitsOf } = situation
  const bytes = Math.min(RUN_LIMIT.bytes, limitsOf(name).bytes)
  const limit = clamp(Math.floor(bytes / pieceBytes), 1, RUN_LIMIT.pieces)
  const inTime = Math.round((rate.value * RUN_MS) / 1000 / pieceBytes)
  if (isAlone(situation)) {
    // Short ones first: who appears in the next milliseconds should not find all askers waiting for the same pieces.
    return Math.min(limit, 1 + given, clamp(inTime, RUN_ALONE.least, RUN_ALONE.most))
  }
  const share = Math.ceil(pieces.free.size / (LAST_RUNS * usable))
  return Math.min(limit, share, clamp(inTime, RUN.least, RUN.most))
}

/** A full holder spreads the pieces when it may choose; where it gives to nobody else there is nothing to choose. */
const wantOf = (holder: SwarmHolder, run: Run, situation: Situation): Order['want'] => {
  const { free } = situation.pieces
  return holder.full && !isAlone(situation) && free.size > run.count ? free.want() : undefined
}

const isAlone = ({ holders }: Situation): boolean => holders.length === 1

const clamp = (value: number, least: number, most: number): number => Math.min(most, Math.max(least, value))
