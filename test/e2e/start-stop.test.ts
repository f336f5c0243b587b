/** How a node ends: by signals to it or to npm, and with whoever started it. The node itself is a fake one. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import {
  freed,
  freePorts,
  launchNode,
  listens,
  type NodeOptions,
  portsFile,
  type RunningNode,
  run,
  startNode,
  tempDir,
  untilGone,
} from '../helpers/process.ts'
import { fakeProgram, oldNode } from './fake-node-program.ts'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

const startFake = async (options: NodeOptions = {}): Promise<RunningNode & { readonly nodePid: number }> => {
  const node = await startNode({ top: await fakeProgram(), ...options })
  return { ...node, nodePid: Number(/pid (\d+)/.exec(node.output())?.[1]) }
}

describe('a signal', () => {
  it.each(SIGNALS)('%s stops the node, and the exit code is 0', async (signal) => {
    const node = await startFake()
    expect(await node.stop(signal)).toEqual({ code: 0, signal: null })
    expect(node.stdout()).toMatch(/stopping\nstopped\n$/)
    expect(await listens(node.port)).toBe(false)
  })

  it.each(['SIGINT', 'SIGTERM'] as const)('%s to npm alone stops the node', async (signal) => {
    const node = await startFake({ viaNpm: true })
    await node.stop(signal)
    await freed(node.port)
    expect(node.output()).toContain('stopped')
    await untilGone(node.nodePid)
  })

  it('that the terminal sends to all and npm once more is one signal', async () => {
    const node = await startFake({ viaNpm: true, name: 'slow to stop' })
    process.kill(-node.pid, 'SIGINT')
    await node.ended
    expect(node.output()).toMatch(/stopping\nstopped\n/)
  })

  it('that comes again later ends the process at once', async () => {
    const node = await startFake({ name: 'never stops' })
    node.child.kill('SIGINT')
    await node.says(/^stopping$/m)
    await sleep(700)
    const before = performance.now()
    expect(await node.stop('SIGINT')).toEqual({ code: 130, signal: null })
    expect(performance.now() - before).toBeLessThan(2_000)
  })

  it('ends a node that does not manage to stop, with exit code 1', async () => {
    const node = await startFake({ name: 'never stops' })
    expect(await node.stop('SIGTERM')).toEqual({ code: 1, signal: null })
    expect(node.stderr()).toContain('still not stopped after 10000 ms')
  })

  it.each([
    ['slow to create', 'creating'],
    ['slow to start', 'starting'],
  ])('during the start stops a node that is %s', async (name, line) => {
    const node = await launchNode({ top: await fakeProgram(), name })
    await node.says(new RegExp(`^${line}$`, 'm'))
    expect(await node.stop('SIGINT')).toEqual({ code: 0, signal: null })
  })
})

describe('who has lost its starter', () => {
  it('stops, when npm was killed', async () => {
    const node = await startFake({ viaNpm: true })
    await node.stop('SIGKILL')
    await freed(node.port)
    expect(node.output()).toContain('stopped')
    await untilGone(node.nodePid)
  })

  it('stops, when npm was killed and a launcher stands between', async () => {
    const top = await fakeProgram({ modules: 'no bin' })
    const { folder } = await oldNode()
    const env = { PATH: `${folder}:${process.env.PATH}` }
    const node = await startFake({ top, env, viaNpm: true })
    await node.stop('SIGKILL')
    await freed(node.port)
    expect(node.output()).toContain('stopped')
    await untilGone(node.nodePid)
  })

  it('stops, when the launcher was killed', async () => {
    const { program } = await oldNode()
    const node = await startFake({ runtime: program })
    expect(node.nodePid).not.toBe(node.pid)
    await node.stop('SIGKILL')
    await freed(node.port)
    expect(node.output()).toContain('stopped')
  })

  it('stays, when it was a shell: whoever closes a terminal window sends SIGHUP, and a script may go on alone', async () => {
    const words = ['--ports', await portsFile(await freePorts(1)), '--files', await tempDir()]
    const launcher = join(await fakeProgram(), 'bin', 'portmesh.js')
    const shell = run('sh', ['-c', '"$0" "$@" & wait', process.execPath, launcher, ...words])
    const [, port] = await shell.says(/ready at http:\/\/127\.0\.0\.1:(\d+)\//)
    await shell.stop('SIGKILL')
    await sleep(2_500)
    expect(await listens(Number(port))).toBe(true)
  })
})
