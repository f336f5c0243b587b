/** What Node's profiler says of a process that ran with `--cpu-prof`: the functions with the most time of their own. */
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { REPOSITORY } from '../../test/helpers/process.ts'

const FUNCTIONS = 15
/** Where a thread only waits. */
const WAITS = /^\(idle\)$|^atomicsWaitLoop /
/** Threads that did less than this had no part in it; s. */
const MIN_SECONDS = 0.3

/** What `--cpu-prof` writes; times in microseconds. */
interface Profile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

/** Words for Node, so that it writes the profiles of its threads into a folder when it ends. */
export const profiled = async (folder: string): Promise<readonly string[]> => {
  await mkdir(folder)
  return ['--cpu-prof', `--cpu-prof-dir=${folder}`]
}

/** Print what a process left there; each thread has a file: CPU.<day>.<time>.<pid>.<thread>.<number>.cpuprofile */
export const printProfiles = async (who: string, folder: string): Promise<void> => {
  for (const file of (await readdir(folder)).sort()) {
    print(who, file.split('.')[4] ?? '', JSON.parse(await readFile(join(folder, file), 'utf8')))
  }
}

const print = (who: string, thread: string, { nodes, samples, timeDeltas }: Profile): void => {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]))
  const times = new Map<string, number>()
  for (const [at, id] of samples.entries()) {
    const name = names.get(id) ?? ''
    if (!WAITS.test(name)) times.set(name, (times.get(name) ?? 0) + (timeDeltas[at] ?? 0) / 1e6)
  }
  const all = [...times.values()].reduce((sum, one) => sum + one, 0)
  if (all < MIN_SECONDS) return
  console.log(`  ${who}, ${Number(thread) === 0 ? 'main thread' : `thread ${thread}`}: ${all.toFixed(2)} s busy`)
  const most = [...times].sort(([, a], [, b]) => b - a).slice(0, FUNCTIONS)
  for (const [name, own] of most) {
    console.log(`    ${((own / all) * 100).toFixed(1).padStart(5)} %  ${own.toFixed(2).padStart(6)} s  ${name}`)
  }
}

const nameOf = ({ functionName, url, lineNumber }: Profile['nodes'][number]['callFrame']): string => {
  const name = functionName || '(anonymous)'
  if (url === '') return name
  const file = url.startsWith('file:') ? relative(REPOSITORY, fileURLToPath(url)) : relative(REPOSITORY, url) || url
  return `${name}  ${url.startsWith('node:') ? url : file}:${lineNumber + 1}`
}
