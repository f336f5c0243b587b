import { globSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { REPOSITORY } from '../helpers/process.ts'

/** What a thread may load of packages: each has its own memory for all it loads. Schemas alone would be 20 MiB. */
const SMALL = ['@fastify/error']

/** Packages that a file loads, itself or through others. */
const packagesOf = (file: string, seen = new Set<string>()): string[] => {
  if (seen.has(file)) return []
  seen.add(file)
  const imports = readFileSync(file, 'utf8').matchAll(/^(?:import|export) (?!type )(?:[^;']*? from )?'([^']+)'/gm)
  return [...imports].flatMap(([, name = '']) => {
    if (name.startsWith('.')) return packagesOf(resolve(dirname(file), name), seen)
    return name.startsWith('node:') ? [] : [name]
  })
}

const workers = globSync('src/*/*-worker.ts', { cwd: REPOSITORY })

test('all threads are looked at', () => expect(workers).toHaveLength(4))

test.each(workers)('%s loads next to nothing beside itself', (worker) => {
  expect(packagesOf(join(REPOSITORY, worker)).filter((name) => !SMALL.includes(name))).toEqual([])
})
