import { readdir } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { until } from '../helpers/api.ts'
import { startNode, tempDir } from '../helpers/process.ts'

test('what a node has compiled is kept while it runs, so that one that is killed leaves it to the next', async () => {
  const folder = await tempDir()
  const node = await startNode({ env: { NODE_COMPILE_CACHE: folder } })
  const kept = await until(
    async () => await readdir(folder, { recursive: true, withFileTypes: true }),
    (entries) => entries.filter((entry) => entry.isFile()).length > 100,
    20_000,
  )
  expect(kept.length).toBeGreaterThan(100)
  await node.kill()
}, 60_000)
