/** `npm run bench` lists the benchmarks, `npm run bench -- NAME` runs one, `npm run bench -- all` every one. */
import { readdirSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { endAll } from './measure.ts'

const notBenches = new Set(['run', 'measure'])
const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.slice(0, -3))
  .filter((name) => !notBenches.has(name))
const wanted = process.argv[2]
const chosen = wanted === 'all' ? names : names.filter((name) => name === wanted)

if (chosen.length === 0) {
  for (const name of names) {
    const first = readFileSync(join(import.meta.dirname, `${name}.ts`), 'utf8').split('\n')[0] ?? ''
    console.log(`${name.padEnd(12)} ${first.replace(/^\/\*\*\s*|\s*\*\/$/g, '')}`)
  }
  if (wanted !== undefined) process.exitCode = 2
}
for (const name of chosen) {
  console.log(`${name} (Node ${process.versions.node}, ${cpus().length} x ${cpus()[0]?.model ?? 'unknown'})`)
  try {
    await import(`./${name}.ts`)
  } finally {
    await endAll()
  }
}
