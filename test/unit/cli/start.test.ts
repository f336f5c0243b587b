import { access, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { firstPorts } from '../../../src/cli/start.ts'
import { resolveConfig } from '../../../src/config.ts'
import { tempDir } from '../../helpers/process.ts'

const installed = async (more: string[] = []) => {
  const personHome = await tempDir()
  const root = join(personHome, ...more, 'portmesh')
  await mkdir(root, { recursive: true })
  await writeFile(join(root, 'ports.txt'), '5000\n')
  const config = (ports?: string) =>
    resolveConfig({ options: { ports }, env: {}, cwd: '/', root, personHome, user: 'ana', host: 'laptop' })
  return { personHome, root, config }
}

it('gives an installed package its list of ports once, and never touches it again', async () => {
  const { personHome, root, config } = await installed(['lib', 'node_modules'])
  const file = join(personHome, 'portmesh', 'ports.txt')
  await firstPorts(config(), root)
  expect(await readFile(file, 'utf8')).toBe('5000\n')
  await writeFile(file, '6001\n')
  await firstPorts(config(), root)
  expect(await readFile(file, 'utf8')).toBe('6001\n')
})

it('makes no list in a clone, nor one that was asked for by name', async () => {
  const clone = await installed(['src'])
  await firstPorts(clone.config(), clone.root)
  const { personHome, root, config } = await installed(['lib', 'node_modules'])
  await firstPorts(config('/nowhere/ports.txt'), root)
  for (const folder of [clone.personHome, personHome])
    await expect(access(join(folder, 'portmesh'))).rejects.toThrow('ENOENT')
})
