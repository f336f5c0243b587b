/** A copy of the program around fake-node.ts: everything else, from the launcher to the log, is the real one. */
import { chmod, cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { REPOSITORY, tempDir } from '../helpers/process.ts'

const COPIED = [
  'bin',
  'package.json',
  'src/cli',
  'src/compiled.ts',
  'src/config.ts',
  'src/discovery/ports.ts',
  'src/errors.ts',
  'src/log.ts',
  'src/main.ts',
  'src/rate-words.ts',
  'src/settings.ts',
]
const RUNTIME = /^node-(bin-)?(linux|darwin|win)-/
/** What the launcher and npm see of this Node. */
const OLD = '20.20.2'

export interface FakeOptions {
  /** `all` is what `npm ci` makes; `no bin` lacks the links of node_modules/.bin; `no runtime` lacks the Node that npm brings, too. */
  readonly modules?: 'all' | 'no bin' | 'no runtime' | 'none'
}

/** @returns the top folder of the copy; it is removed when the test ends. */
export const fakeProgram = async ({ modules = 'all' }: FakeOptions = {}): Promise<string> => {
  const top = await tempDir()
  await mkdir(join(top, 'src', 'discovery'), { recursive: true })
  for (const path of COPIED) await cp(join(REPOSITORY, path), join(top, path), { recursive: true })
  const fake = await readFile(new URL('./fake-node.ts', import.meta.url), 'utf8')
  await writeFile(join(top, 'src', 'node.ts'), fake.replaceAll('../../src/', './'))
  await linkModules(top, modules)
  return top
}

/** A `node` that says it is an old one: the folder to put into PATH, and the program in it. */
export const oldNode = async (): Promise<{ folder: string; program: string }> => {
  const folder = await tempDir()
  const program = join(folder, 'node')
  const older = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${OLD}' } })`
  await writeFile(join(folder, 'older.mjs'), older)
  await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' --import '${join(folder, 'older.mjs')}' "$@"\n`)
  await chmod(program, 0o755)
  return { folder, program }
}

const linkModules = async (top: string, which: FakeOptions['modules']): Promise<void> => {
  const from = join(REPOSITORY, 'node_modules')
  const to = join(top, 'node_modules')
  if (which === 'none') return
  if (which === 'all') return await symlink(from, to)
  await mkdir(to)
  for (const name of await readdir(from)) {
    if (name === '.bin' || (which === 'no runtime' && RUNTIME.test(name))) continue
    await symlink(join(from, name), join(to, name))
  }
}
