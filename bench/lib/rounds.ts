/** Interleaved rounds: A B C, A B C, ... so that a machine that drifts drifts for all of them. */
import { setTimeout as sleep } from 'node:timers/promises'
import { median, report } from '../measure.ts'
import { type Load, loadAverage, watchLoad } from './machine.ts'

export interface Sample {
  readonly seconds: number
  /** CPU seconds of everybody who took part; undefined when not measured. */
  readonly cpu?: number
  /** More figures, by their names. */
  readonly more?: Readonly<Record<string, number>>
}

export interface Measured extends Sample {
  readonly busyPercent: number
  /** Cores that others kept busy meanwhile, on average; NaN without `cpu`. */
  readonly othersCores: number
}

export interface Contender {
  readonly name: string
  /**
   * One round.
   * @param round - a number of its own for each time
   * @param watch - to be called when its preparations are over, and what it returns when the work is: the load counts in between
   */
  readonly run: (round: number, watch: () => () => void) => Promise<Sample>
}

export type Results = ReadonlyMap<string, readonly Measured[]>

/** The rounds of a benchmark: the first number after its name. */
export const roundsWanted = (usual: number): number => {
  const given = process.argv.slice(3).find((word) => /^\d+$/.test(word))
  return given === undefined ? usual : Math.max(1, Number(given))
}

/** The word after the name of a benchmark with which nobody begins before the machine has nothing else to do. */
const QUIET = 'quiet'
const QUIET_PERCENT = 15
const QUIET_LOOK_MS = 1_000
const QUIET_LOOKS = 180
/** What was measured while others kept more cores than this busy is measured again, so often at most. */
const QUIET_CORES = 0.3
const QUIET_TRIES = 4

/** Wait until the machine is quiet, but not for ever. */
const untilQuiet = async (): Promise<void> => {
  for (let look = 0; look < QUIET_LOOKS; look++) {
    const load = watchLoad()
    await sleep(QUIET_LOOK_MS)
    if (load().busyPercent < QUIET_PERCENT) return
  }
}

/**
 * Run all contenders once to warm up, then so many rounds of all of them.
 * @param warmUp - false when they are warm already
 * @returns the samples of each, the rounds in their order
 */
export const interleave = async (
  contenders: readonly Contender[],
  rounds: number,
  { warmUp = true } = {},
): Promise<Results> => {
  const results = new Map<string, Measured[]>(contenders.map(({ name }) => [name, []]))
  const quiet = process.argv.includes(QUIET)
  // A number of its own for each time that something runs.
  let times = 0
  for (let round = warmUp ? 0 : 1; round <= rounds; round++) {
    for (const contender of contenders) {
      let measured = quiet ? undefined : await measure(contender, times++)
      for (let tries = 0; tries < QUIET_TRIES && (measured?.othersCores ?? QUIET_CORES) >= QUIET_CORES; tries++) {
        if (!quiet) break
        await untilQuiet()
        measured = await measure(contender, times++)
      }
      if (round > 0 && measured) results.get(contender.name)?.push(measured)
    }
  }
  return results
}

const measure = async ({ run }: Contender, round: number): Promise<Measured> => {
  const whole = watchLoad()
  let watched: Load | undefined
  const sample = await run(round, () => {
    const load = watchLoad()
    return () => {
      watched = load()
    }
  })
  const { busyPercent, busySeconds, seconds } = watched ?? whole()
  const othersCores = Math.max(0, (busySeconds - (sample.cpu ?? Number.NaN)) / seconds)
  return { ...sample, busyPercent, othersCores }
}

/** "1.23 (1.10-1.40)": median, least and most. */
export const spread = (values: readonly number[], digits = 2): string => {
  const known = values.filter((value) => !Number.isNaN(value))
  if (known.length === 0) return '-'
  const [least, most] = [Math.min(...known), Math.max(...known)]
  return `${median(known).toFixed(digits)} (${least.toFixed(digits)}-${most.toFixed(digits)})`
}

/** What one took in relation to another, round by round. */
export const ratios = (ours: readonly Sample[], theirs: readonly Sample[]): readonly number[] =>
  ours.map(({ seconds }, round) => seconds / (theirs[round]?.seconds ?? Number.NaN))

/** A line for each further figure of each contender. */
export const printMore = (results: Results): void => {
  for (const [name, samples] of results) {
    const names = new Set(samples.flatMap(({ more }) => Object.keys(more ?? {})))
    for (const what of names) {
      report(`${name}: ${what}`, spread(samples.map(({ more }) => more?.[what] ?? Number.NaN)))
    }
  }
}

const WIDTHS = [34, 20, 20, 16, 20] as const
const line = (...cells: readonly string[]): void =>
  console.log(`  ${cells.map((cell, at) => cell.padEnd(WIDTHS[at] ?? 16)).join(' ')}`.trimEnd())

/** A line a contender: wall time, our time as a multiple of it, CPU, and what the machine did meanwhile. */
export const printTable = (results: Results, ours: string): void => {
  const own = results.get(ours) ?? []
  line('median (least-most)', 'wall s', 'ours / this', 'CPU s', 'machine busy %, others cores')
  for (const [name, samples] of results) {
    const cpu = samples.map((sample) => sample.cpu ?? Number.NaN)
    const busy = samples.map(({ busyPercent }) => busyPercent)
    const others = samples.map(({ othersCores }) => othersCores)
    line(
      name,
      spread(samples.map(({ seconds }) => seconds)),
      name === ours ? '' : spread(ratios(own, samples)),
      spread(cpu, 1),
      `${median(busy).toFixed(0)}, ${spread(others, 1)}`,
    )
  }
  console.log(`  load average now ${loadAverage()}`)
}
