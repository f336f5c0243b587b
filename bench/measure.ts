/** What the benchmarks share: medians, lines, and the end of everything they started. */
const works: (() => Promise<void>)[] = []

/** Register what must be undone when the benchmark ends. */
export const cleanUp = (work: () => Promise<void>): void => void works.push(work)

/** Undo everything, the last one first. */
export const endAll = async (): Promise<void> => {
  for (const work of works.splice(0).reverse()) await work()
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

export const report = (what: string, figure: string): void => console.log(`  ${what.padEnd(44)} ${figure}`)
