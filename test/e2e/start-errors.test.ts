/** What a person reads when a start fails: one line, no stack, the right exit code. The node itself is a fake one. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { launchNode, type NodeOptions, portsFile, run, tempDir } from '../helpers/process.ts'
import { fakeProgram } from './fake-node-program.ts'

const failing = async (options: NodeOptions) => {
  const node = await launchNode({ top: await fakeProgram(), ...options })
  const { code } = await node.ended
  return { code, stdout: node.stdout(), stderr: node.stderr(), home: node.home }
}

describe('a list of ports', () => {
  it.each([
    ['50x0', /line 2: "50x0" is not a port \(1-65535\) and not an address like 127\.0\.0\.1:5001$/],
    ['\u001b[31m5000', /line 2: "\ufffd\[31m5000" is not a port/],
  ])('with the line %j ends the start with its number', async (line, reason) => {
    const { code, stdout, stderr } = await failing({ ports: await portsFile(['# mine', line]) })
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/^portmesh: [^\n]*\n$/)
    expect(stderr.trimEnd()).toMatch(reason)
  })

  it('that is empty, missing or a folder ends the start', async () => {
    const folder = await tempDir()
    for (const ports of [await portsFile([]), join(folder, 'none.txt'), folder]) {
      const { code, stdout, stderr } = await failing({ ports })
      expect([code, stdout]).toEqual([1, ''])
      expect(stderr).toMatch(/^portmesh: [^\n]*(names no port|cannot be used)[^\n]*\n$/)
      expect(stderr).toContain(ports)
    }
  })
})

describe('wrong use', () => {
  it.each([
    [['--port', '5000'], 'there is no option --port; --help shows them all'],
    [['--interval', 'often'], '--interval "often" cannot be used: it must be from 0.2 to 3600 seconds'],
    [['--name', 'a\u001b[2J'], '--name cannot be used: a name has no control or direction characters'],
    [['\u001b[31mred'], '"\\u001b[31mred" is not a command; did you mean: npm start -- --ports \ufffd[31mred'],
  ])('%j is answered in one line, with exit code 2', async (words, message) => {
    const program = run(process.execPath, [join(await fakeProgram(), 'bin', 'portmesh.js'), ...words])
    expect(await program.ended).toEqual({ code: 2, signal: null })
    expect(program.output()).toBe(`portmesh: ${message}\n`)
  })

  it('of a variable is answered in one line, with exit code 2', async () => {
    const { code, stderr } = await failing({ env: { PORTMESH_LOG_LEVEL: 'loud' } })
    expect(code).toBe(2)
    expect(stderr).toMatch(/^portmesh: PORTMESH_LOG_LEVEL "loud" cannot be used: [^\n]*\n$/)
  })
})

describe('settings.json', () => {
  const homeWith = async (text: string) => {
    const home = await tempDir()
    await mkdir(join(home, '.portmesh'))
    await writeFile(join(home, '.portmesh', 'settings.json'), text)
    return home
  }

  it('that is malformed is named, and ends no start', async () => {
    const home = await homeWith('{ "name": ')
    const node = await launchNode({ top: await fakeProgram(), home, name: 'given' })
    await node.says(/name given, interval 1000,/)
    expect(node.stdout()).toContain(`${home}/.portmesh/settings.json cannot be used: it is not JSON. `)
    expect((await node.stop()).code).toBe(0)
  })

  it('gives the name, unless an option does', async () => {
    const home = await homeWith('{ "name": "Ana’s own", "interval": 2 }')
    const top = await fakeProgram()
    for (const [name, line] of [
      [undefined, 'name Ana’s own, interval 1000,'],
      ['given', 'name given, interval 1000,'],
    ] as const) {
      const node = await launchNode({ top, home, ...(name === undefined ? {} : { name }) })
      await node.says(new RegExp(line))
      await node.stop()
    }
  })
})

describe('something nobody had thought of', () => {
  it.each(['broken', 'crashes', 'rejects'])(
    'in a node that %s is one sentence, with the rest in the log',
    async (name) => {
      const { code, stdout, stderr, home } = await failing({ name, logLevel: 'error' })
      expect(code).toBe(1)
      expect(stdout).toMatch(/stopping\nstopped\n$/)
      const log = join(home, '.portmesh', 'log.jsonl')
      const spoken = stderr.split('\n').filter((line) => !line.startsWith('{'))
      expect(spoken).toEqual([
        `portmesh: something went wrong inside this node, and it ends now; the log is ${log}`,
        '',
      ])
      const [line = ''] = (await readFile(log, 'utf8')).split('\n')
      expect(JSON.parse(line)).toMatchObject({
        level: 'error',
        error: { message: 'a secret detail', stack: expect.any(String) },
      })
    },
  )

  it('says nothing that a terminal would obey, and no secret', async () => {
    const { stdout, stderr, home } = await failing({ name: 'broken', env: { FORCE_COLOR: '1' } })
    const log = await readFile(join(home, '.portmesh', 'log.jsonl'), 'utf8')
    expect(stdout + stderr + log).not.toContain('\u001b')
    expect(stdout + stderr + log).not.toContain('very secret')
  })
})
