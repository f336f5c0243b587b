/**
 * `npm run bench` lists the benchmarks and their targets, `npm run bench -- NAME [rounds] [quiet]` runs one, `npm run bench -- all` every one.
 * `quiet`: each round waits, up to three minutes, until the machine has nothing else to do.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { endAll } from './measure.ts'

const WIDTH = 10
/** Another Ctrl-C later than this ends it at once. */
const AGAIN_MS = 1_000
const notBenches = new Set(['run', 'measure'])
const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.slice(0, -3))
  .filter((name) => !notBenches.has(name))
const wanted = process.argv[2]
const chosen = wanted === 'all' ? names : names.filter((name) => name === wanted)

// Whatever ends it leaves nothing behind: Ctrl-C, which npm passes on a second time, and what nobody had thought of.
let endingSince = Number.POSITIVE_INFINITY
const end = (code: number): void => {
  if (performance.now() - endingSince > AGAIN_MS) process.exit(code)
  endingSince = Math.min(endingSince, performance.now())
  void endAll().finally(() => process.exit(code))
}
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  process.on(signal, () => {
    console.error(`ended by ${signal}`)
    end(code)
  })
}
process.on('uncaughtException', (error) => {
  // What is taken away from a benchmark in the middle fails, of course.
  if (endingSince < Number.POSITIVE_INFINITY) return
  console.error(error)
  end(1)
})

if (chosen.length === 0) {
  for (const name of names) {
    const first = readFileSync(join(import.meta.dirname, `${name}.ts`), 'utf8').split('\n')[0] ?? ''
    const [what = '', target] = first.replace(/^\/\*\*\s*|\s*\*\/$/g, '').split(' Target: ')
    console.log(`${name.padEnd(WIDTH)} ${what}`)
    if (target !== undefined) console.log(`${''.padEnd(WIDTH)} target: ${target}`)
  }
  console.log(
    '\nnpm run bench -- NAME [rounds] [quiet]   quiet: wait before each round until the machine has nothing else to do',
  )
  console.log('npm run bench -- all')
  if (wanted !== undefined) process.exitCode = 2
}
for (const name of chosen) {
  console.log(`${name} (Node ${process.versions.node}, ${cpus().length} x ${cpus()[0]?.model ?? 'unknown'})`)
  try {
    await import(`./${name}.ts`)
  } catch (error) {
    if (endingSince < Number.POSITIVE_INFINITY) break
    process.exitCode = 1
    console.error(error)
  }
  await endAll()
}
