import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { type Doorkeeper, isLoopback, limitConnections, sourceOf } from '../../src/connections.ts'
import { ask, until } from '../helpers/api.ts'
import { startNode } from '../helpers/process.ts'

/** Whoever comes from 127.0.0.1 is the person here; other addresses of the loopback network are strangers. */
const OWN = { isOwnAddress: (host: string): boolean => host === '127.0.0.1' }

const serve = async (door: Doorkeeper): Promise<{ port: number; server: Server }> => {
  const server = createServer((request, response) => {
    if (request.url !== '/hangs') response.end('here')
  })
  limitConnections(server, door)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  const bound = server.address()
  return { port: typeof bound === 'object' && bound ? bound.port : 0, server }
}

/** Connections from an address; those that are still open after a moment. */
const hold = async (port: number, count: number, localAddress: string, words = ''): Promise<Socket[]> => {
  const sockets = Array.from({ length: count }, () => connect({ host: '127.0.0.1', port, localAddress }))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
  })
  await Promise.all(
    sockets.map(async (socket) => {
      socket.on('error', () => {})
      await once(socket, 'connect')
      socket.resume()
      if (words !== '') socket.write(words)
    }),
  )
  await sleep(100)
  return sockets.filter(({ closed, destroyed, readyState }) => !closed && !destroyed && readyState === 'open')
}

const answer = async (port: number): Promise<string> =>
  await fetch(`http://127.0.0.1:${port}/`).then((response) => response.text())

test('a stranger has as many connections as it may have, and another one its own', async () => {
  const refused: string[] = []
  const limits = { all: 100, ofSource: 8 }
  const { port } = await serve({ ...OWN, limits, onRefused: (reason) => refused.push(reason) })
  const first = await hold(port, 20, '127.0.0.2')
  expect(first).toHaveLength(8)
  expect(refused).toEqual(Array.from({ length: 12 }, () => 'source'))
  expect(await hold(port, 5, '127.0.0.3')).toHaveLength(5)
  // The person has no such limit.
  expect(await hold(port, 30, '127.0.0.1')).toHaveLength(30)
  for (const socket of first) socket.destroy()
  await sleep(100)
  expect(await hold(port, 20, '127.0.0.2')).toHaveLength(8)
})

test('where all places are taken by strangers who wait, the person gets in, and one of them goes', async () => {
  const { port } = await serve({ ...OWN, limits: { all: 12, ofSource: 4 } })
  const strangers = (await Promise.all([2, 3, 4].map((host) => hold(port, 4, `127.0.0.${host}`)))).flat()
  expect(strangers).toHaveLength(12)
  expect(await answer(port)).toBe('here')
  await until(
    async () => strangers.filter(({ destroyed }) => destroyed).length,
    (gone) => gone === 1,
  )
})

test('whoever is being answered does not make room for others', async () => {
  const { port } = await serve({ ...OWN, limits: { all: 4, ofSource: 4 } })
  const asking = await hold(port, 4, '127.0.0.2', 'GET /hangs HTTP/1.1\r\nHost: x\r\n\r\n')
  expect(await hold(port, 2, '127.0.0.3')).toHaveLength(0)
  expect(asking.filter(({ destroyed }) => destroyed)).toHaveLength(0)
})

test('a real node answers its person while 600 silent connections are held and renewed', async () => {
  const node = await startNode()
  const held = await Promise.all(Array.from({ length: 6 }, () => hold(node.port, 100, '127.0.0.1')))
  expect(held.flat().length).toBeLessThanOrEqual(600)
  for (let visit = 0; visit < 5; visit++) {
    await hold(node.port, 50, '127.0.0.1')
    const { refusals } = await ask<{ refusals: Record<string, number> }>(node.url, '/')
    expect(refusals.connection_all).toBeGreaterThan(0)
  }
})

test('one stranger is one address, of IPv6 one network of 64 bits', () => {
  expect(sourceOf('192.168.1.20')).toBe('192.168.1.20')
  expect(sourceOf('::ffff:192.168.1.20')).toBe('192.168.1.20')
  const network = '2001:db8:0:12::/64'
  for (const host of [
    '2001:db8:0:12::1',
    '2001:DB8:0:12:ffff:1:2:3',
    '2001:db8::12:0:0:0:9',
    '2001:db8:0:12:1::1.2.3.4',
  ])
    expect(sourceOf(host)).toBe(network)
  expect(sourceOf('2001:db8:0:13::1')).not.toBe(network)
  expect(sourceOf('fe80::1%eth0')).toBe(sourceOf('fe80::2'))
  expect(sourceOf('::1')).toBe('0:0:0:0::/64')
})

test('this computer is the whole loopback network, in every spelling', () => {
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', '[::1]', '::ffff:127.0.0.1', 'localhost'])
    expect(isLoopback(host), host).toBe(true)
  for (const host of ['128.0.0.1', '10.0.0.1', '::2', '::ffff:10.0.0.1', 'example.org', ''])
    expect(isLoopback(host), host).toBe(false)
})
