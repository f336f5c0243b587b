import { readdir, readlink, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { LIMITS } from '../../src/routes/peer/limits.ts'
import { until } from '../helpers/api.ts'
import { type Room, type RoomOptions, startRoom } from '../helpers/room.ts'
import { type AskingStranger, openSession } from '../helpers/stranger.ts'

/** A node with a published file of some size, and a stranger that has a session with it. */
const serving = async (bytes: number, options: RoomOptions = {}) => {
  const room = await startRoom(options)
  await writeFile(join(room.home, 'big.bin'), Buffer.alloc(bytes))
  await room.published.publish('big.bin')
  return { room, session: await openSession(room.url) }
}

/** Ask for a file, and read it as one likes; nothing is read until then. */
const askFor = async (room: Room, session: AskingStranger, target = '/myfiles/big.bin'): Promise<Socket> => {
  const socket = connect({ host: '127.0.0.1', port: room.port })
  socket.on('error', () => {})
  await new Promise((resolve) => socket.once('connect', resolve))
  socket.pause()
  socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\nPortmesh-Auth: ${session.prepare('GET', target).auth}\r\n\r\n`)
  return socket
}

/** How often a file is open in this process. */
const openOf = async (room: Room, name: string): Promise<number> => {
  const links = (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ''))
  return (await Promise.all(links)).filter((link) => link === join(room.home, name)).length
}

test('whoever asks for a file and goes before it is open leaves no descriptor behind', async () => {
  const { room, session } = await serving(3_000_000)
  for (let i = 0; i < 60; i++) {
    const socket = await askFor(room, session)
    if (i % 3 > 0) await sleep(i % 5)
    socket.resetAndDestroy()
  }
  await until(
    () => openOf(room, 'big.bin'),
    (count) => count === 0,
    5_000,
  )
  expect((await session.ask('GET', '/table')).status).toBe(200)
})

test('whoever does not read what it asked for is cut off, and one that reads is not', async () => {
  const limits = { ...LIMITS, slowMs: 1_200 }
  const { room, session } = await serving(40 * 2 ** 20, { peer: { limits } })
  const deaf = await Promise.all([1, 2, 3].map(() => askFor(room, session)))
  // This one reads on, 5 MiB a second.
  const steady = await askFor(room, session)
  let read = 0
  const pump = setInterval(() => {
    for (let got = 0; got < 2 ** 18; ) {
      const part: Buffer | null = steady.read()
      if (!part) break
      got += part.length
      read += part.length
    }
  }, 50)
  await until(
    () => openOf(room, 'big.bin'),
    (count) => count === 1,
    10_000,
  )
  await sleep(1_500)
  const before = read
  await sleep(500)
  clearInterval(pump)
  expect(read).toBeGreaterThan(before)
  for (const socket of [...deaf, steady]) socket.destroy()
  await until(
    () => openOf(room, 'big.bin'),
    (count) => count === 0,
    5_000,
  )
})

test('a peer has eight files at once, all together sixty-four, and one more is told to wait', async () => {
  const limits = { ...LIMITS, files: 10 }
  const { room, session } = await serving(20 * 2 ** 20, { peer: { limits } })
  const sockets = await Promise.all(Array.from({ length: 8 }, () => askFor(room, session)))
  await until(
    () => openOf(room, 'big.bin'),
    (count) => count === 8,
    5_000,
  )
  const refused = await session.ask('GET', '/myfiles/big.bin')
  expect([refused.status, JSON.parse(await refused.text()).error.code]).toEqual([429, 'PM_BUSY'])
  const other = await openSession(room.url)
  for (let i = 0; i < 2; i++) sockets.push(await askFor(room, other))
  await until(
    () => openOf(room, 'big.bin'),
    (count) => count === 10,
    5_000,
  )
  expect((await other.ask('GET', '/myfiles/big.bin')).status).toBe(429)
  for (const socket of sockets) socket.destroy()
  await until(
    () => openOf(room, 'big.bin'),
    (count) => count === 0,
    5_000,
  )
  expect((await session.ask('GET', '/myfiles/big.bin')).status).toBe(200)
})

test('a body that hardly comes ends with its connection, on every route of the mesh', async () => {
  const room = await startRoom({ peer: { limits: { ...LIMITS, slowMs: 300 } } })
  const session = await openSession(room.url)
  const { auth } = session.prepare('POST', '/update')
  const heads = [
    'POST /session HTTP/1.1\r\nContent-Type: application/json\r\n',
    `POST /session/${'A'.repeat(22)} HTTP/1.1\r\nContent-Type: application/json\r\n`,
    'POST /update HTTP/1.1\r\nContent-Type: application/octet-stream\r\n',
    `POST /update HTTP/1.1\r\nContent-Type: application/octet-stream\r\nPortmesh-Auth: ${auth}\r\n`,
    'GET /alive HTTP/1.1\r\n',
    'GET /table HTTP/1.1\r\n',
  ]
  const ended = heads.map(async (head) => {
    const socket = connect({ host: '127.0.0.1', port: room.port })
    const closed = new Promise<boolean>((resolve) => socket.once('close', () => resolve(true)))
    socket.on('error', () => {})
    socket.resume()
    socket.write(`${head}Host: x\r\nContent-Length: 4000\r\n\r\n`)
    const drip = setInterval(() => socket.write('{'), 50)
    const result = await Promise.race([closed, sleep(4_000).then(() => false)])
    clearInterval(drip)
    socket.destroy()
    return result
  })
  expect(await Promise.all(ended)).toEqual(heads.map(() => true))
})

test('whoever asks again and again whether we are there, and never reads, is cut off', async () => {
  const room = await startRoom({ peer: { limits: { ...LIMITS, slowMs: 300 } } })
  const socket = connect({ host: '127.0.0.1', port: room.port })
  socket.on('error', () => {})
  socket.pause()
  const closed = new Promise<boolean>((resolve) => socket.once('close', () => resolve(true)))
  // Answers of some 15 MB: more than systems keep for a connection. Writing goes on, for only a writer hears of the end.
  socket.write('GET /alive HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(50_000))
  const more = setInterval(() => socket.write('GET /alive HTTP/1.1\r\nHost: x\r\n\r\n'), 50)
  // Half of a question that is never read on would end it, too, after 10 s.
  expect(await Promise.race([closed, sleep(6_000).then(() => false)])).toBe(true)
  clearInterval(more)
  socket.destroy()
}, 30_000)
