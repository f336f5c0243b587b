/** Swarms in a few words, for the tests of their rules. */
import { expect } from 'vitest'
import { PieceSet } from '../../../src/store/piece-set.ts'
import { pieceCountOf, type Run } from '../../../src/store/pieces.ts'
import { type Order, Swarm } from '../../../src/transfer/swarm.ts'

const KIB = 1024
export const MIB = 1024 * KIB
export const PIECE = 128 * KIB

export const setOf = (length: number, pieces: Iterable<number>): PieceSet => {
  const set = new PieceSet(length)
  for (const piece of pieces) set.add(piece)
  return set
}
export const range = (first: number, count: number): number[] => Array.from({ length: count }, (_, at) => first + at)
export const piecesOf = ({ first, count }: Run): number[] => range(first, count)
export const bitsOf = ({ want }: Order): number[] => {
  if (!want) return []
  return range(0, want.bits.length * 8)
    .filter((bit) => ((want.bits[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0)
    .map((bit) => want.first + bit)
}

/** A swarm of pieces of 128 KiB, all missing, and holders that have everything. */
export const swarmOf = (pieces: number, holders: readonly string[] = [], random = () => 0): Swarm => {
  const swarm = new Swarm({ size: pieces * PIECE, have: new PieceSet(pieces), random })
  for (const holder of holders) {
    swarm.join(holder)
    swarm.hasAll(holder)
  }
  return swarm
}
/** Only these pieces are missing of a large content. */
export const almost = (
  size: number,
  missing: readonly number[],
  holders: readonly string[],
  random = () => 0,
): Swarm => {
  const count = pieceCountOf(size)
  const have = setOf(
    count,
    range(0, count).filter((piece) => !missing.includes(piece)),
  )
  const swarm = new Swarm({ size, have, random })
  for (const holder of holders) {
    swarm.join(holder)
    swarm.hasAll(holder)
  }
  return swarm
}
/** The answer to an order comes whole. */
export const give = (swarm: Swarm, order: Order, nowMs: number, pieceBytes = PIECE): void => {
  expect(swarm.began(order, order.run)).toBe(true)
  for (const piece of piecesOf(order.run)) {
    swarm.received(order, pieceBytes, nowMs)
    swarm.arrived(order, piece)
    swarm.verified(piece)
  }
  swarm.ended(order)
}
/** A holder gives at this rate for so long, from `fromMs` on; what it gives counts for nothing else. */
export const rated = (swarm: Swarm, order: Order, bytesPerMs: number, fromMs: number, forMs: number): void => {
  for (let ms = 10; ms <= forMs; ms += 10) swarm.received(order, bytesPerMs * 10, fromMs + ms)
}
export const first = <Value>(values: readonly Value[]): Value => {
  const [value] = values
  if (value === undefined) throw new Error('there is none')
  return value
}
export const byHolder = (orders: readonly Order[], holder: string): Order[] =>
  orders.filter((order) => order.holder === holder)
