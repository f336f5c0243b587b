import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { HandOver, type HandOverOptions } from '../../../src/transfer/hand-over.ts'

/** Programs that begin, or fail to, as a test says. */
const spawning = (begin: (child: EventEmitter) => void) => {
  const calls: unknown[] = []
  const spawn: NonNullable<HandOverOptions['spawn']> = (command, words, options) => {
    const child = Object.assign(new EventEmitter(), { unref: () => calls.push('let go') })
    calls.push([command, words, options])
    setImmediate(() => begin(child))
    return child as never
  }
  return { calls, spawn }
}
const begins = (child: EventEmitter): void => void child.emit('spawn')

test.each([
  ['linux', 'xdg-open'],
  ['freebsd', 'xdg-open'],
  ['darwin', 'open'],
  ['win32', 'explorer.exe'],
])(
  'on %s it is %s that gets the path as its only word, without a shell, and outlives this process',
  async (platform, command) => {
    const { calls, spawn } = spawning(begins)
    const path = '/home/ana/-rf "$(x)" ; a, b.pdf'
    await new HandOver({ platform, env: { WAYLAND_DISPLAY: 'wayland-0' }, spawn }).open(path)
    expect(calls).toEqual([[command, [path], { detached: true, shell: false, stdio: 'ignore' }], 'let go'])
  },
)

test.each([
  ['nothing of one', {}],
  ['an empty display', { DISPLAY: '', WAYLAND_DISPLAY: '' }],
])('where the environment says %s there is no desktop, and nothing is begun', async (_what, env) => {
  const { calls, spawn } = spawning(begins)
  const handOver = new HandOver({ platform: 'linux', env, spawn })
  expect(handOver.possible).toBe(false)
  await expect(handOver.open('/a.pdf')).rejects.toMatchObject({ code: 'PM_NO_DESKTOP', statusCode: 409 })
  expect(calls).toEqual([])
})

test('a program that is not there, or cannot be begun, is as no desktop', async () => {
  const env = { DISPLAY: ':0' }
  const missing = spawning((child) => child.emit('error', Object.assign(new Error('no'), { code: 'ENOENT' })))
  await expect(new HandOver({ platform: 'linux', env, spawn: missing.spawn }).open('/a.pdf')).rejects.toMatchObject({
    code: 'PM_NO_DESKTOP',
    cause: { code: 'ENOENT' },
  })
  const spawn = () => {
    throw new Error('no memory')
  }
  await expect(new HandOver({ platform: 'linux', env, spawn }).open('/a.pdf')).rejects.toMatchObject({
    code: 'PM_NO_DESKTOP',
  })
})

test('whoever asked hears of a program that ends with an error, but on Windows, where they all do', async () => {
  const refusedBy = async (platform: string, code: number | null): Promise<number> => {
    let refused = 0
    const { spawn } = spawning((child) => {
      child.emit('spawn')
      child.emit('exit', code)
    })
    await new HandOver({ platform, env: { DISPLAY: ':0' }, spawn }).open('/a.pdf', () => {
      refused += 1
    })
    return refused
  }
  expect([await refusedBy('linux', 3), await refusedBy('linux', 0), await refusedBy('linux', null)]).toEqual([1, 0, 0])
  expect(await refusedBy('win32', 1)).toBe(0)
})
