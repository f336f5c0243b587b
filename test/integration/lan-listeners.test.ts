import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import { describe, expect, onTestFinished, test } from 'vitest'
import { LanListeners, type LanListenersDeps } from '../../src/lan/listeners.ts'
import { until } from '../helpers/api.ts'
import { type Lab, labSkipReason, startLab } from '../helpers/lab.ts'
import { freePorts, run } from '../helpers/process.ts'
import { PORT, startLanProgram } from './lan-tools.ts'

/** Ask from a computer of the lab. */
const askFrom = async (lab: Lab, computer: number, host: string): Promise<string> => {
  const [ip = 'ip', ...inside] = lab.inside(computer)
  const program = `fetch('http://${host}/path').then((a) => a.text()).catch((error) => error.cause?.code ?? error).then((text) => console.log('<' + text + '>'))`
  const [, text = ''] = await run(ip, [...inside, process.execPath, '-e', program]).says(/<(.*)>/)
  return text
}

describe.skipIf(labSkipReason())('in a lab', () => {
  test('every address of the network answers, and those that come later', async () => {
    const lab = startLab({ computers: 2, ipv6: true })
    const one = startLanProgram(lab, 1)
    const before = [`${lab.address(1)}:${PORT}`, `[${lab.address6(1)}]:${PORT}`]
    await one.hears('both', ({ open }) => open?.length === 2)
    for (const host of before) expect(await askFrom(lab, 2, host)).toBe(`${one.id} /path`)
    lab.changeAddress(1)
    const after = [`${lab.address(1)}:${PORT}`, `[${lab.address6(1)}]:${PORT}`]
    await one.hears('the new ones', ({ open }) => after.every((host) => open?.includes(host)) && open?.length === 2)
    for (const host of after) expect(await askFrom(lab, 2, host)).toBe(`${one.id} /path`)
    await one.stop()
    expect(await askFrom(lab, 2, after[0] ?? '')).toBe('ECONNREFUSED')
  })

  test('a port that another program has is taken as soon as that one leaves', async () => {
    const lab = startLab({ computers: 2 })
    const [ip = 'ip', ...inside] = lab.inside(1)
    const keep = `require('node:http').createServer().listen(${PORT}, '${lab.address(1)}', () => console.log('kept'))`
    const keeper = run(ip, [...inside, process.execPath, '-e', keep])
    await keeper.says(/kept/)
    const one = startLanProgram(lab, 1)
    await one.hears('why', ({ failed }) => failed?.[0]?.[1] === 'EADDRINUSE')
    await sleep(500)
    // Tried again meanwhile, but told once.
    expect(one.said.filter(({ trouble }) => trouble === lab.address(1))).toHaveLength(1)
    await keeper.kill()
    await one.hears('that it is open', ({ open, failed }) => open?.length === 1 && failed?.length === 0)
    expect(await askFrom(lab, 2, `${lab.address(1)}:${PORT}`)).toBe(`${one.id} /path`)
  })

  test('an address that is not here yet is opened when it comes', async () => {
    const lab = startLab({ computers: 1 })
    lab.link(1, 'down')
    const one = startLanProgram(lab, 1)
    await until(async () => one.running.child.pid, Boolean)
    lab.link(1, 'up')
    await one.hears('that it is open', ({ open }) => open?.[0] === `${lab.address(1)}:${PORT}`)
  })
})

/** An address of this very computer that is not loopback; there may be none. */
const ownAddress = Object.values(networkInterfaces())
  .flatMap((all = []) => all)
  .find(({ internal, family }) => !internal && family === 'IPv4')?.address

const listenersOf = async (deps: Partial<LanListenersDeps> = {}) => {
  const [port = 0] = await freePorts(1)
  const told = { trouble: [] as string[], changes: 0 }
  const listeners = new LanListeners({
    port,
    handler: (_request, response) => response.end('here'),
    onTrouble: (address) => told.trouble.push(address),
    onChange: () => {
      told.changes += 1
    },
    retryMs: 50,
    ...deps,
  })
  onTestFinished(async () => await listeners.stop())
  return { listeners, port, told }
}

test('loopback is never opened here, in no spelling', async () => {
  const { listeners, told } = await listenersOf()
  await listeners.set(['127.0.0.1', '::1', '::ffff:127.0.0.1', '0.0.0.0', '::', 'localhost', '127.1'])
  expect(listeners.open()).toEqual([])
  expect([...listeners.failed()]).toEqual([])
  expect(told.changes).toBe(0)
})

test('an address of nobody fails with its code, is told once, and forgotten when it is wanted no more', async () => {
  const { listeners, told } = await listenersOf()
  await listeners.set(['203.0.113.9', '2001:db8::9'])
  expect([...listeners.failed().keys()]).toEqual(['203.0.113.9', '2001:db8::9'])
  expect(listeners.failed().get('203.0.113.9')).toBe('EADDRNOTAVAIL')
  await listeners.set(['203.0.113.9', '2001:db8::9'])
  await sleep(200)
  expect(told).toEqual({ trouble: ['203.0.113.9', '2001:db8::9'], changes: 1 })
  await listeners.set([])
  expect([...listeners.failed()]).toEqual([])
})

describe.skipIf(ownAddress === undefined)('on an address of this computer', () => {
  const host = ownAddress ?? ''

  test('the handler of an app answers, and nothing does before and after', async () => {
    const app = Fastify()
    app.get('/alive', async () => 'up and running')
    await app.ready()
    onTestFinished(async () => await app.close())
    const { listeners, port } = await listenersOf({ handler: (request, response) => app.routing(request, response) })
    const ask = async () => await fetch(`http://${host}:${port}/alive`).then(async (answer) => await answer.text())
    await expect(ask()).rejects.toThrow()
    await listeners.set([host])
    expect(listeners.open()).toEqual([`${host}:${port}`])
    expect(await ask()).toBe('up and running')
    await listeners.set([])
    await expect(ask()).rejects.toThrow()
  })

  test('only the hosts that were chosen are opened', async () => {
    const { listeners } = await listenersOf({ hosts: [`::ffff:${host}`] })
    await listeners.set([host, '203.0.113.9'])
    expect(listeners.open()).toHaveLength(1)
    expect([...listeners.failed()]).toEqual([])
    const none = await listenersOf({ hosts: [] })
    await none.listeners.set([host])
    expect(none.listeners.open()).toEqual([])
  })

  test('sets at the same time end with the last one', async () => {
    const { listeners } = await listenersOf()
    await Promise.all([listeners.set([host]), listeners.set([]), listeners.set([host]), listeners.set([host])])
    expect(listeners.open()).toHaveLength(1)
    await Promise.all([listeners.set([host]), listeners.set([])])
    expect(listeners.open()).toEqual([])
  })

  test('a taken port is told, and taken over when it is free', async () => {
    const { listeners, port } = await listenersOf()
    const other = createServer()
    other.listen(port, host)
    await once(other, 'listening')
    await listeners.set([host])
    expect(listeners.failed().get(host)).toBe('EADDRINUSE')
    other.close()
    await until(
      async () => listeners.open(),
      (open) => open.length === 1,
    )
  })

  test('an answer that never ends does not keep it from stopping', async () => {
    const { listeners, port } = await listenersOf({ handler: (_request, response) => response.write('and so on') })
    await listeners.set([host])
    const socket = connect({ host, port })
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
    await once(socket, 'data')
    const ended = once(socket, 'close')
    await listeners.stop()
    await ended
    await listeners.set([host])
    expect(listeners.open()).toEqual([])
  })

  test('the limits of every other listener hold here', async () => {
    const { listeners, port } = await listenersOf()
    await listeners.set([host])
    const socket = connect({ host, port })
    socket.write(`GET / HTTP/1.1\r\nhost: x\r\nlong: ${'x'.repeat(17 * 1024)}\r\n\r\n`)
    const [data] = await once(socket, 'data')
    expect(String(data)).toContain(' 431 ')
  })
})
