/** bin/portmesh.js and npm: the way from the command line to the program. The node itself is a fake one. */
import { mkdir, readFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { freePorts, launchNode, portsFile, run, startNode, tempDir } from '../helpers/process.ts'
import { type FakeOptions, fakeProgram, oldNode } from './fake-node-program.ts'

const launch = async (words: readonly string[], options: FakeOptions & { readonly runtime?: string } = {}) => {
  const top = await fakeProgram(options)
  const program = run(options.runtime ?? process.execPath, [join(top, 'bin', 'portmesh.js'), ...words])
  return { ...(await program.ended), stdout: program.stdout(), stderr: program.stderr(), top }
}

describe('an old Node', () => {
  it.each(['all', 'no bin'] as const)('starts the one that npm has brought along (modules: %s)', async (modules) => {
    const { program } = await oldNode()
    const node = await startNode({ top: await fakeProgram({ modules }), runtime: program })
    expect(node.stdout()).not.toContain(`pid ${node.pid}\n`)
    expect(await node.stop('SIGTERM')).toEqual({ code: 0, signal: null })
    expect(node.stdout()).toMatch(/stopping\nstopped\n$/)
  })

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('hands %s on and waits for the end', async (signal) => {
    const { program } = await oldNode()
    const node = await startNode({ top: await fakeProgram(), runtime: program, name: 'slow to stop' })
    expect(await node.stop(signal)).toEqual({ code: 0, signal: null })
    expect(node.stdout()).toMatch(/stopping\nstopped\n$/)
  })

  it('ends with the code of the program, or with 128 and its signal', async () => {
    const { program } = await oldNode()
    expect(await launch(['--nonsense'], { runtime: program })).toMatchObject({ code: 2, stdout: '' })
    expect(await launch(['--version'], { runtime: program })).toMatchObject({ code: 0, stdout: 'portmesh 0.1.0\n' })
    const node = await startNode({ top: await fakeProgram(), runtime: program })
    process.kill(Number(/pid (\d+)/.exec(node.output())?.[1]), 'SIGKILL')
    expect(await node.ended).toEqual({ code: 137, signal: null })
  })

  it('says in one line what to install when there is no other', async () => {
    const { program } = await oldNode()
    const { code, stdout, stderr, top } = await launch([], { runtime: program, modules: 'no runtime' })
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toBe(
      `portmesh: Node 22.19 or newer is needed and this is 20.20.2: install a newer one from https://nodejs.org, or run npm ci in ${top}\n`,
    )
  })
})

describe('a new Node', () => {
  it('runs the program in its own process', async () => {
    const node = await startNode({ top: await fakeProgram() })
    expect(node.stdout()).toContain(`pid ${node.pid}\n`)
  })

  it('says in one line that the packages are missing', async () => {
    const { code, stdout, stderr, top } = await launch([], { modules: 'none' })
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toBe(`portmesh: some of its packages are missing: run npm ci in ${top}\n`)
  })
})

describe('npm', () => {
  const npm = async (...words: string[]) => {
    const program = run('npm', words, { cwd: await fakeProgram() })
    return { ...(await program.ended), stdout: program.stdout(), stderr: program.stderr() }
  }

  it('hands --help over after two dashes', async () => {
    const { code, stdout } = await npm('start', '--', '--help')
    expect(code).toBe(0)
    expect(stdout).toContain('--ports FILE')
    expect(stdout).toContain('Exit codes: 0 stopped, 1 cannot start, 2 wrong use.')
  })

  it.each([
    [['--ports', 'my-ports.txt'], 'did you mean: npm start -- --ports my-ports.txt'],
    [['--name=Ana'], 'did you mean: npm start -- --name Ana'],
  ])('that kept %j for itself is noticed', async (words, hint) => {
    const { code, stderr } = await npm('start', ...words)
    expect(code).toBe(2)
    expect(stderr).toContain(hint)
  })

  it('starts a mesh in both spellings', async () => {
    for (const words of [
      ['run', 'mesh', '--', '0'],
      ['start', '--', 'mesh', '0'],
    ])
      expect(await npm(...words)).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('mesh takes a number of nodes from 1 to 50, not "0"'),
      })
  })

  it('does not change what a relative path is relative to', async () => {
    const [top, stand] = [await fakeProgram(), await tempDir()]
    await mkdir(join(stand, 'shared'))
    const ports = await portsFile(await freePorts(1))
    const words = ['--prefix', top, 'start', '--', '--files', 'shared', '--ports', ports]
    const program = run('npm', words, { cwd: stand })
    await program.says(/ready at/)
    await program.stop()
    expect(await readFile(join(stand, 'shared', '.portmesh', 'log.jsonl'), 'utf8')).toContain('starting')
  })
})

describe('the process', () => {
  it('goes on when nobody reads its output any more, and does not spin', async () => {
    const node = await launchNode({ top: await fakeProgram(), name: 'talks' })
    await node.says(/still here/)
    node.child.stdout?.destroy()
    node.child.stderr?.destroy()
    const before = await processorTicks(node.pid)
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    const ticks = (await processorTicks(node.pid)) - before
    expect(ticks).toBeLessThan(50)
    expect(await node.stop()).toEqual({ code: 0, signal: null })
  })

  it('works with a PATH that has nothing in it', async () => {
    const env = { PATH: ['', '/nowhere'].join(delimiter) }
    const node = await startNode({ top: await fakeProgram(), env })
    expect(await node.stop()).toEqual({ code: 0, signal: null })
  })
})

/** Hundredths of a second that a process has worked; 0 where the system has no such file. */
const processorTicks = async (pid: number): Promise<number> => {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  const [user = '0', system = '0'] = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11)
  return Number(user) + Number(system)
}
