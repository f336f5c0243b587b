/** What the benchmarks share: medians, lines, and the end of everything they started. */
const works: (() => Promise<void>)[] = []

/** Register what must be undone when the benchmark ends. */
export const cleanUp = (work: () => Promise<void>): void => void works.push(work)

let ending: Promise<void> | undefined

/** Undo everything, the last one first; what fails keeps nothing else from being undone. */
export const endAll = async (): Promise<void> => {
  ending ??= undoAll().finally(() => {
    ending = undefined
  })
  await ending
}

const undoAll = async (): Promise<void> => {
  for (let work = works.pop(); work; work = works.pop()) {
    await work().catch((error: unknown) => console.error('could not be undone:', error))
  }
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

export const report = (what: string, figure: string): void => console.log(`  ${what.padEnd(44)} ${figure}`)
