/** Long work in slices: a row may have a hundred thousand files, and whatever else a node does must not wait for all of them. */
import { setImmediate as immediate } from 'node:timers/promises'

/** Files between two turns of the event loop, each handled in some microseconds: a millisecond together. */
export const FILES_A_SLICE = 250

/** Work that may be interrupted: it yields how many files it handled since it yielded last. */
export type Steps<Result> = Generator<number, Result, void>

/** Do all of it now, where there is little of it or nobody waits. */
export const atOnce = <Result>(steps: Steps<Result>): Result => {
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
  }
}

/** Do it in slices. What it reads must not be changed by others meanwhile, or it must look again. */
export const inSlices = async <Result>(steps: Steps<Result>): Promise<Result> => {
  for (let files = 0; ; ) {
    const step = steps.next()
    if (step.done) return step.value
    files += step.value
    if (files < FILES_A_SLICE) continue
    files = 0
    await nextTurn()
  }
}

let last: Promise<unknown> = Promise.resolve()

/** Wait while the event loop does what else there is. One slice a turn: twenty rows that are taken in at the same time are as gentle as one. */
export const nextTurn = async (): Promise<void> => {
  last = last.then(() => immediate())
  await last
}

/** Sort in slices; what is equal keeps its order. */
export function* sorted<Item>(items: readonly Item[], compare: (a: Item, b: Item) => number): Steps<Item[]> {
  let runs: Item[][] = []
  for (let at = 0; at < items.length; at += FILES_A_SLICE) {
    const run = items.slice(at, at + FILES_A_SLICE).sort(compare)
    runs.push(run)
    yield run.length
  }
  while (runs.length > 1) {
    const longer: Item[][] = []
    for (let at = 0; at < runs.length; at += 2) longer.push(yield* merged(runs[at] ?? [], runs[at + 1] ?? [], compare))
    runs = longer
  }
  return runs[0] ?? []
}

function* merged<Item>(
  first: readonly Item[],
  second: readonly Item[],
  compare: (a: Item, b: Item) => number,
): Steps<Item[]> {
  const out: Item[] = []
  let at = 0
  for (const item of second) {
    for (let other = first[at]; other !== undefined && compare(other, item) <= 0; other = first[at]) {
      out.push(other)
      at += 1
      yield 1
    }
    out.push(item)
    yield 1
  }
  return out.concat(first.slice(at))
}
