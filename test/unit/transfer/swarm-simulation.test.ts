/** How long a content takes to get around, in simulated time: the decisions of the swarm against what the lines could give. */
import { expect, test } from 'vitest'
import { type SimulatedNode, type SimulationOptions, simulateSwarm } from '../../helpers/swarm-simulation.ts'

const MIB = 1024 * 1024
const SIZE = 64 * MIB
const BYTES_PER_MS_OF_MBIT = 125
/** 64 MiB at 100 Mbit/s. */
const IDEAL_MS = SIZE / (100 * BYTES_PER_MS_OF_MBIT)

const SEEDER: SimulatedNode = { full: true, mbit: 100 }
const ASKER: SimulatedNode = { full: false, mbit: 100 }
/** Has room for all that the holders give. */
const WIDE: SimulatedNode = { full: false, mbit: 1_000 }
const many = (count: number, node: SimulatedNode): SimulatedNode[] => Array.from({ length: count }, () => node)

/** When the last one was done; everybody who is alive must be. */
const lastMs = (options: SimulationOptions): number => {
  const { doneMs } = simulateSwarm(options)
  const askers = options.nodes.map(({ full, diesMs }) => !full && diesMs === undefined)
  return Math.max(...doneMs.filter((_, at) => askers[at]).map((ms) => ms ?? Number.POSITIVE_INFINITY))
}
/** Of what the lines can carry, not counting what the wire itself takes, so that 95.6 % would be perfect. */
const shareOf = (idealMs: number, options: Omit<SimulationOptions, 'seed'>): number =>
  idealMs / Math.max(...[1, 2, 3].map((seed) => lastMs({ ...options, seed })))

test('the same seed gives the same run', () => {
  const options = { size: 8 * MIB, nodes: [SEEDER, ...many(3, ASKER)], seed: 5 }
  expect(simulateSwarm(options)).toEqual(simulateSwarm(options))
  expect(simulateSwarm({ ...options, seed: 6 })).not.toEqual(simulateSwarm(options))
})

test('one holder and one asker fill the line', () => {
  const line = { size: SIZE, nodes: [SEEDER, ASKER], seed: 1 }
  const run = simulateSwarm(line)
  expect(lastMs(line) / IDEAL_MS).toBeLessThan(1.055)
  expect(run.spareBytes).toBe(0)
  expect(run.orders).toBeLessThan(80)
})

test('one seeder and eight askers are all done in 1.11 times what one alone would need', () => {
  for (const seed of [1, 2, 3]) {
    const nodes = [SEEDER, ...many(8, ASKER)]
    const { doneMs, sentBytes, spareBytes } = simulateSwarm({ size: SIZE, nodes, seed })
    expect(Math.max(...doneMs.slice(1).map((ms) => ms ?? Number.POSITIVE_INFINITY)) / IDEAL_MS).toBeLessThan(1.11)
    // Nothing leaves the seeder twice before everything has left it once, and hardly anything comes twice.
    expect(sentBytes[0]).toBeLessThan(1.06 * SIZE)
    expect(spareBytes).toBeLessThan(0.003 * 8 * SIZE)
  }
})

test('so are they when one of them dies', () => {
  const nodes = [SEEDER, ...many(7, ASKER), { ...ASKER, diesMs: 2_700 }]
  for (const seed of [1, 2, 3]) expect(lastMs({ size: SIZE, nodes, seed }) / IDEAL_MS).toBeLessThan(1.11)
})

test('the one who comes late needs no longer than the first', () => {
  const nodes = [SEEDER, ...Array.from({ length: 8 }, (_, at) => ({ ...ASKER, fromMs: at * 500 }))]
  const { doneMs } = simulateSwarm({ size: SIZE, nodes, seed: 1 })
  const ownMs = nodes.slice(1).map(({ fromMs = 0 }, at) => (doneMs[at + 1] ?? Number.POSITIVE_INFINITY) - fromMs)
  expect(Math.max(...ownMs) / IDEAL_MS).toBeLessThan(1.13)
})

test('one slow uplink among eight askers costs less than a fifth', () => {
  const nodes = [SEEDER, ...many(7, ASKER), { ...ASKER, upMbit: 10 }]
  for (const seed of [1, 2]) expect(lastMs({ size: SIZE, nodes, seed }) / IDEAL_MS).toBeLessThan(1.2)
})

test('four equal holders give 93 % of what they have', () => {
  const nodes = [...many(4, SEEDER), WIDE]
  expect(shareOf(IDEAL_MS / 4, { size: SIZE, nodes })).toBeGreaterThan(0.93)
  expect(shareOf(IDEAL_MS, { size: 4 * SIZE, nodes })).toBeGreaterThan(0.935)
})

test('so they do when one of them has 10 Mbit/s', () => {
  const nodes = [...many(3, SEEDER), { ...SEEDER, mbit: 10 }, WIDE]
  expect(shareOf(IDEAL_MS / 3.1, { size: SIZE, nodes })).toBeGreaterThan(0.93)
  expect(shareOf((4 * IDEAL_MS) / 3.1, { size: 4 * SIZE, nodes })).toBeGreaterThan(0.935)
})

test('so they do when one of them gives nothing from 0.5 to 5.5 s', () => {
  const nodes = [...many(3, SEEDER), { ...SEEDER, stalls: { fromMs: 500, toMs: 5_500 } }, WIDE]
  // Four lines, then three, then four again.
  const before = 500 * 4
  expect(shareOf(500 + (IDEAL_MS - before) / 3, { size: SIZE, nodes })).toBeGreaterThan(0.925)
  const left = 4 * IDEAL_MS - before - 5_000 * 3
  expect(shareOf(5_500 + left / 4, { size: 4 * SIZE, nodes })).toBeGreaterThan(0.93)
})

test('large pieces of a silent holder come from the others', () => {
  const gbit = { full: true, mbit: 10_000 }
  const size = 20 * 1024 * MIB
  const nodes = [...many(3, gbit), { ...gbit, stalls: { fromMs: 1_000, toMs: 60_000 } }, { full: false, mbit: 100_000 }]
  const run = simulateSwarm({ size, nodes, seed: 1 })
  const idealMs = 1_000 + (size / (10_000 * BYTES_PER_MS_OF_MBIT) - 1_000 * 4) / 3
  expect(idealMs / (run.doneMs.at(-1) ?? Number.POSITIVE_INFINITY)).toBeGreaterThan(0.85)
  // What the silent one had begun is lost, nothing else.
  expect(run.spareBytes).toBeLessThan(8 * 2 * 2 * MIB)
})
