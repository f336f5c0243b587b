/** `portmesh mesh N`: several processes that start together and end together. The nodes themselves are fake ones. */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { freed, freePorts, portsFile, type Running, run, tempDir } from '../helpers/process.ts'
import { fakeProgram } from './fake-node-program.ts'

const startMesh = async (nodes: number, { ports = nodes, homes = '', name = '' } = {}) => {
  const folder = homes || (await tempDir())
  const list = await portsFile(await freePorts(ports))
  const words = ['mesh', String(nodes), '--ports', list, '--files', folder, ...(name ? ['--name', name] : [])]
  const mesh = run(process.execPath, [join(await fakeProgram(), 'bin', 'portmesh.js'), ...words])
  return { ...mesh, homes: folder }
}
const portsOf = (mesh: Running): number[] =>
  [...mesh.output().matchAll(/^mesh-\d+ \| portmesh ready at http:\/\/127\.0\.0\.1:(\d+)\/$/gm)].map(([, port]) =>
    Number(port),
  )
const allFreed = async (ports: readonly number[]) => await Promise.all(ports.map((port) => freed(port)))

describe('a mesh', () => {
  it('starts its nodes, each with a home and a sample, and says where they are', async () => {
    const mesh = await startMesh(3)
    const [, urls = ''] = await mesh.says(/^mesh ready: (.*)$/m)
    expect(urls.split(' ')).toEqual(expect.arrayContaining(portsOf(mesh).map((port) => `http://127.0.0.1:${port}/`)))
    expect(urls.split(' ')).toHaveLength(3)
    for (const name of ['mesh-1', 'mesh-2', 'mesh-3']) {
      expect(mesh.stdout()).toContain(`${name} | name ${name},`)
      expect(await visible(join(mesh.homes, name))).toEqual([`sample of ${name}.txt`])
    }
  })

  it('leaves a home alone that has files', async () => {
    const homes = await tempDir()
    await mkdir(join(homes, 'mesh-1'))
    await writeFile(join(homes, 'mesh-1', 'mine.txt'), 'mine')
    const mesh = await startMesh(1, { homes })
    await mesh.says(/^mesh ready: /m)
    expect(await visible(join(homes, 'mesh-1'))).toEqual(['mine.txt'])
  })

  it('keeps a name from the page, and tells nodes with a given name apart', async () => {
    const homes = await tempDir()
    await mkdir(join(homes, 'mesh-1', '.portmesh'), { recursive: true })
    await writeFile(join(homes, 'mesh-1', '.portmesh', 'settings.json'), '{"name":"of the page"}')
    const plain = await startMesh(2, { homes })
    await plain.says(/^mesh ready: /m)
    expect(plain.stdout()).toContain('mesh-1 | name of the page,')
    expect(plain.stdout()).toContain('mesh-2 | name mesh-2,')
    await plain.stop()
    const given = await startMesh(2, { homes, name: 'Ana' })
    await given.says(/^mesh ready: /m)
    expect(given.stdout()).toContain('mesh-1 | name Ana mesh-1,')
  })

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('ends all its nodes at %s', async (signal) => {
    const mesh = await startMesh(3)
    await mesh.says(/^mesh ready: /m)
    expect(await mesh.stop(signal)).toEqual({ code: 0, signal: null })
    for (const name of ['mesh-1', 'mesh-2', 'mesh-3']) expect(mesh.stdout()).toContain(`${name} | stopped\n`)
    await allFreed(portsOf(mesh))
  })

  it('ends at Ctrl-C, which its nodes hear, too', async () => {
    const mesh = await startMesh(2)
    await mesh.says(/^mesh ready: /m)
    process.kill(-mesh.pid, 'SIGINT')
    expect(await mesh.ended).toEqual({ code: 0, signal: null })
    expect(mesh.stdout().match(/\| stopped$/gm)).toHaveLength(2)
  })

  it.each([150, 400, 800])('ends all its nodes when it is stopped %i ms after its start', async (milliseconds) => {
    const mesh = await startMesh(4)
    await sleep(milliseconds)
    const { code, signal } = await mesh.stop('SIGTERM')
    // Before the program listens for signals, the system ends it.
    expect(code === 0 || signal === 'SIGTERM').toBe(true)
    await allFreed(portsOf(mesh))
  })

  it.each([500, 3_000])('leaves no node behind when it is killed %i ms after its start', async (milliseconds) => {
    const mesh = await startMesh(4)
    await sleep(milliseconds)
    await mesh.stop('SIGKILL')
    await allFreed(portsOf(mesh))
  })

  it('with a node that cannot start says so, and stops them all', async () => {
    const mesh = await startMesh(3, { ports: 2 })
    expect(await mesh.ended).toEqual({ code: 1, signal: null })
    expect(mesh.stderr()).toMatch(
      /^mesh-\d \| portmesh: all ports are taken\nmesh-\d could not start \(exit code 1\), so all are stopped\n$/m,
    )
    expect(mesh.stdout().match(/\| stopped$/gm)).toHaveLength(2)
    await allFreed(portsOf(mesh))
  })

  it('finds what is wrong for all with its first node alone', async () => {
    const mesh = await startMesh(3, { ports: 0 })
    expect(await mesh.ended).toEqual({ code: 1, signal: null })
    expect(mesh.stderr().match(/names no port/g)).toHaveLength(1)
  })

  it('goes on when a node is killed, and says so', async () => {
    const mesh = await startMesh(2)
    await mesh.says(/^mesh ready: /m)
    const pid = Number(/mesh-1 \| name mesh-1, interval \d+, pid (\d+)/.exec(mesh.stdout())?.[1])
    process.kill(pid, 'SIGKILL')
    await mesh.says(/^mesh-1 has ended \(SIGKILL\)$/m)
    expect(await mesh.stop()).toEqual({ code: 0, signal: null })
  })
})

const visible = async (folder: string): Promise<string[]> =>
  (await readdir(folder)).filter((name) => !name.startsWith('.'))
