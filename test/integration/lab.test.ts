import { spawnSync } from 'node:child_process'
import { describe, expect, onTestFinished, test } from 'vitest'
import { find } from '../helpers/find-program.ts'
import { type Lab, labSkipReason, startLab } from '../helpers/lab.ts'
import { LAN_PORT, startLanNode, talk } from '../helpers/lan-node.ts'
import { untilGone } from '../helpers/process.ts'

const ip = (...words: readonly string[]): string => spawnSync(find('ip') ?? 'ip', words, { encoding: 'utf8' }).stdout

const namespaces = (beginning: string): readonly string[] =>
  ip('netns', 'list')
    .split('\n')
    .filter((line) => line.startsWith(beginning))

/** Whether one computer gets an answer of another one's port; a closed one is an answer. */
const reaches = (lab: Lab, from: number, to: number, address = lab.address(to)): boolean => {
  const [program = 'ip', ...inside] = lab.inside(from)
  const knock = `const s = require('node:net').connect({ host: '${address}', port: 9, timeout: 700 })
    s.on('timeout', () => process.exit(1)).on('error', ({ code }) => process.exit(code === 'ECONNREFUSED' ? 0 : 1))`
  return spawnSync(program, [...inside, process.execPath, '-e', knock]).status === 0
}

describe.skipIf(labSkipReason())('a lab', () => {
  test('leaves nothing behind, and takes away what a killed process left', () => {
    const own = `portmesh-lab-${process.pid}-`
    const ended = spawnSync(process.execPath, ['-e', '']).pid
    const stale = `portmesh-lab-${ended}-1-switch`
    ip('netns', 'add', stale)
    onTestFinished(() => void ip('netns', 'del', stale))
    expect(namespaces(stale)).toHaveLength(1)
    // Cleaning up runs in the opposite order: this looks when the lab below is gone.
    onTestFinished(() => expect(namespaces(own)).toEqual([]))
    startLab({ computers: 2 })
    expect(namespaces(stale)).toEqual([])
    expect(namespaces(own)).toHaveLength(3)
  })

  test('has cables, two switches, and addresses that change', () => {
    const lab = startLab({ computers: 3, ipv6: true })
    expect(reaches(lab, 1, 2)).toBe(true)
    expect(reaches(lab, 1, 2, lab.address6(2))).toBe(true)
    lab.cut(2)
    expect(reaches(lab, 1, 2)).toBe(false)
    expect(reaches(lab, 1, 3)).toBe(true)
    lab.heal(2)
    expect(reaches(lab, 1, 2)).toBe(true)
    lab.split(2)
    expect([reaches(lab, 1, 2), reaches(lab, 1, 3)]).toEqual([true, false])
    lab.join()
    expect(reaches(lab, 1, 3)).toBe(true)
    const before = lab.address(3)
    expect(lab.changeAddress(3)).not.toBe(before)
    expect([reaches(lab, 1, 3, before), reaches(lab, 1, 3)]).toEqual([false, true])
    expect(reaches(lab, 1, 3, lab.address6(3))).toBe(true)
  })

  test('without multicast, neighbours of both families still reach each other', () => {
    const lab = startLab({ computers: 2, ipv6: true, multicast: false })
    expect([reaches(lab, 1, 2), reaches(lab, 1, 2, lab.address6(2))]).toEqual([true, true])
  })

  test('runs nodes whose person is reached from outside, and whose network is their own', async () => {
    const lab = startLab({ computers: 2 })
    const [one, two] = [await startLanNode(lab, 1), await startLanNode(lab, 2, { everywhere: true })]
    for (const node of [one, two]) expect(node.port).toBe(LAN_PORT)
    expect(await talk(one, '/')).toMatchObject({ name: 'computer 1' })
    const askFrom = (from: number, to: number): string => {
      const [program = 'ip', ...inside] = lab.inside(from)
      const url = `http://${lab.address(to)}:${LAN_PORT}/alive`
      const ask = `fetch('${url}').then((a) => a.text()).catch((error) => error.cause.code).then(console.log)`
      return spawnSync(program, [...inside, process.execPath, '-e', ask], { encoding: 'utf8' }).stdout.trim()
    }
    expect(askFrom(1, 2)).toBe('up and running')
    // On loopback alone, as long as nothing says more.
    expect(askFrom(2, 1)).toBe('ECONNREFUSED')
    await one.stop()
    await untilGone(one.pid)
  })
})
