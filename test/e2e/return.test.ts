import { expect, test } from 'vitest'
import { nodesOf, until } from '../helpers/api.ts'
import { freePorts, portsFile, startNode, tempDir } from '../helpers/process.ts'

test('a known node that comes back is seen at once, however long the interval, whether it stopped or was killed', async () => {
  const ports = await portsFile(await freePorts(3))
  const home = await tempDir()
  const stays = await startNode({ ports, interval: 600 })
  const alive = async (): Promise<boolean> => (await nodesOf(stays.url)).some((node) => node.alive)
  for (const end of ['SIGTERM', 'SIGKILL', 'SIGTERM'] as const) {
    const comes = await startNode({ ports, home, interval: 600 })
    await until(alive, (seen) => seen, 1_500)
    expect((await nodesOf(comes.url)).some((node) => node.alive)).toBe(true)
    await comes.stop(end)
    await until(alive, (seen) => !seen, 2_000)
  }
})
