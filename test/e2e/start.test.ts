/** The program as it is, nothing replaced: from the first line to the last. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import {
  freed,
  freePorts,
  launchNode,
  portsFile,
  REPOSITORY,
  run,
  startMesh,
  startNode,
  tempDir,
} from '../helpers/process.ts'

const alive = async (port: number): Promise<string> => await (await fetch(`http://127.0.0.1:${port}/alive`)).text()

/** A Node on this computer that is too old for the program, if there is one. */
const systemOldNode = (process.env.PATH ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'node'))
  .find((file) => existsSync(file) && isOld(file))

function isOld(file: string): boolean {
  const [major = 0, minor = 0] = execFileSync(file, ['-p', 'process.versions.node'], { encoding: 'utf8' })
    .split('.')
    .map(Number)
  return major < 22 || (major === 22 && minor < 19)
}

describe('one node', () => {
  it('takes the first free port, says what it found, answers, and stops', async () => {
    const [first = 0, second = 0, third = 0] = await freePorts(3)
    const other = await startNode({ ports: [first] })
    const node = await startNode({ ports: [first, second, third] })
    expect([other.port, node.port]).toEqual([first, second])
    expect(node.stdout()).toContain(`${first} up and running\n`)
    expect(node.stdout()).toContain(`${third} free\n`)
    expect(node.stdout()).toMatch(new RegExp(`portmesh ready at http://127\\.0\\.0\\.1:${second}/\n$`))
    expect(await alive(second)).toBe('up and running')
    const before = performance.now()
    expect(await node.stop('SIGINT')).toEqual({ code: 0, signal: null })
    expect(performance.now() - before).toBeLessThan(5_000)
    await freed(second)
    expect(await other.stop('SIGTERM')).toEqual({ code: 0, signal: null })
    expect(node.stderr() + other.stderr()).toBe('')
  })

  it.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)('started by npm is gone after %s to npm alone', async (signal) => {
    const node = await startNode({ viaNpm: true })
    expect(await alive(node.port)).toBe('up and running')
    await node.stop(signal)
    await freed(node.port)
  })

  it.skipIf(systemOldNode === undefined)('starts from an old Node of the system', async () => {
    const node = await startNode({ runtime: systemOldNode ?? '' })
    expect(await alive(node.port)).toBe('up and running')
    expect(await node.stop('SIGINT')).toEqual({ code: 0, signal: null })
    await freed(node.port)
  })

  it.each([100, 300, 500, 700, 1_000])('stops well when it is told to after %i ms', async (milliseconds) => {
    const node = await launchNode()
    await sleep(milliseconds)
    const end = await node.stop('SIGTERM')
    // Before the program listens for signals, the system ends it; there is nothing to tidy up then.
    expect(end.code === 0 || end.signal === 'SIGTERM').toBe(true)
    expect(node.stderr()).toBe('')
    const again = await startNode({ home: node.home })
    expect(await again.stop()).toEqual({ code: 0, signal: null })
  })
})

describe('a start that cannot be', () => {
  const failing = async (options: Parameters<typeof launchNode>[0]) => {
    const node = await launchNode(options)
    return { ...(await node.ended), stderr: node.stderr() }
  }

  it('says so when another node uses the folder', async () => {
    const node = await startNode()
    const { code, stderr } = await failing({ home: node.home })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^portmesh: [^\n]*used by another portmesh[^\n]*\n$/)
  })

  it('says so when every port is taken', async () => {
    const node = await startNode()
    const { code, stderr } = await failing({ ports: [node.port] })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^portmesh: [^\n]*taken[^\n]*\n$/)
  })

  it.each([
    ['is missing', 'none'],
    ['is empty', []],
    ['is malformed', [5000, '50x0']],
  ] as const)('says so when the list of ports %s', async (_what, lines) => {
    const ports = lines === 'none' ? join(await tempDir(), 'none') : await portsFile(lines)
    const { code, stderr } = await failing({ ports })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^portmesh: [^\n]*\n$/)
    expect(stderr).toContain(ports)
  })
})

describe('several nodes', () => {
  it('started at the same instant with one list take different ports', async () => {
    const nodes = await startMesh(3)
    expect(new Set(nodes.map(({ port }) => port)).size).toBe(3)
    for (const { port } of nodes) expect(await alive(port)).toBe('up and running')
  })

  it('of a mesh run, and are gone when it is killed', async () => {
    const ports = await freePorts(3)
    const words = ['mesh', '3', '--ports', await portsFile(ports), '--files', await tempDir()]
    const mesh = run(process.execPath, [join(REPOSITORY, 'bin', 'portmesh.js'), ...words])
    await mesh.says(/^mesh ready: /m)
    for (const port of ports) expect(await alive(port)).toBe('up and running')
    await mesh.stop('SIGKILL')
    await Promise.all(ports.map((port) => freed(port)))
  })
})
