/** Floods of everything at once, again and again: what a node takes for one of them it gives back, and the next costs no more. */
import { writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { toB64u } from '../../src/bytes.ts'
import { publish } from '../helpers/api.ts'
import { LONG } from '../helpers/faults.ts'
import { hostileRequest } from '../helpers/hostile-requests.ts'
import { PATIENT, Random } from '../helpers/random.ts'
import { halfHandshake, openSession, postJson } from '../helpers/stranger.ts'
import { descriptors, memoryMb, send } from '../helpers/wire.ts'
import { isWell, startVictim, type Victim } from './fuzz-victim.ts'

/** Equal ones: those that make room for what a storm needs, and those that have to do with that. */
const STORMS = LONG ? { first: 4, last: 8 } : { first: 1, last: 1 }
/** How much of everything. */
const FORCE = LONG ? 4 : 1
/** What is collected late, and what the system's allocator keeps in pieces, differs so much between two equal storms. */
const SLACK_MB = LONG ? 40 : 80
const SETTLE_MS = 1_000

/** The allocator of the system gives back at once what is freed: what is left is what the program keeps. */
const GIVES_BACK = { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '131072', MALLOC_MMAP_THRESHOLD_: '131072' }

const openSocket = (port: number, head = ''): Socket => {
  const socket = connect({ host: '127.0.0.1', port })
  socket.on('error', () => {})
  socket.resume()
  if (head !== '') socket.write(head, 'latin1')
  return socket
}

const handshakes = async ({ node }: Victim): Promise<void> => {
  const { begin } = await halfHandshake(node.url)
  const knocks = (count: number) =>
    Array.from({ length: count }, () =>
      postJson(node.url, '/session', { ...begin.message, c: toB64u(new Uint8Array(32)) }),
    )
  for (let flood = 0; flood < FORCE; flood++) await Promise.all(knocks(100))
  // One address is let in 32 times a second, after that.
  await sleep(300)
  await Promise.all(Array.from({ length: 3 }, () => openSession(node.url)))
}

const bodies = async ({ node }: Victim): Promise<void> => {
  const session = await openSession(node.url)
  const plaintext = new Uint8Array(1_000_000)
  for (let sent = 0; sent < 5 * FORCE; sent++) await session.ask('POST', '/update', { plaintext })
  const many = (head: string, bytes: number) =>
    send({
      port: node.port,
      pieces: [Buffer.from(`${head}\r\n\r\n`, 'latin1'), Buffer.alloc(bytes, 'a')],
      silenceMs: 300,
    })
  const host = `Host: 127.0.0.1:${node.port}`
  const json = `POST /session HTTP/1.1\r\n${host}\r\nContent-Type: application/json\r\nContent-Length: 5000000`
  const form = `POST /uploaded HTTP/1.1\r\n${host}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 4000000`
  const upload = `POST /myfiles HTTP/1.1\r\n${host}\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 9000000`
  const part = '--b\r\nContent-Disposition: form-data; name="f"; filename="never.bin"\r\n\r\n'
  await Promise.all(Array.from({ length: 8 * FORCE }, (_, at) => many(at % 2 ? json : form, 3_900_000)))
  await Promise.all(Array.from({ length: 6 * FORCE }, () => many(`${upload}\r\n\r\n${part}`, 2_000_000)))
}

const connections = async ({ node, known }: Victim): Promise<void> => {
  const heads = [
    '',
    'GET /alive HTTP/1.1\r\nHo',
    `GET /events?view=home HTTP/1.1\r\nHost: 127.0.0.1:${node.port}\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: 127.0.0.1:${node.port}\r\nAccept: text/html\r\n\r\n`,
    `GET /getfile/${known.hashes[0]} HTTP/1.1\r\nHost: 127.0.0.1:${node.port}\r\n\r\n`,
  ]
  const sockets = Array.from({ length: 250 }, (_, at) => openSocket(node.port, heads[at % heads.length]))
  await sleep(300)
  for (const socket of sockets) socket.resetAndDestroy()
}

const downloads = async ({ node }: Victim): Promise<void> => {
  const session = await openSession(node.url)
  for (let asked = 0; asked < 24; asked++) {
    const { auth } = session.prepare('GET', '/myfiles/big.bin')
    const socket = openSocket(node.port, `GET /myfiles/big.bin HTTP/1.1\r\nHost: x\r\nPortmesh-Auth: ${auth}\r\n\r\n`)
    setTimeout(() => socket.resetAndDestroy(), 30)
    if (asked % 6 === 5) await sleep(60)
  }
}

const nonsense = async ({ node, known }: Victim): Promise<void> => {
  const random = new Random(1)
  await Promise.all(
    Array.from({ length: 120 }, () =>
      send({ port: node.port, pieces: [hostileRequest(random, known).bytes], silenceMs: 200 }),
    ),
  )
}

/** What honest nodes and people ask all day, in great numbers: the least that is kept of a request would show. */
const questions = async ({ node, known }: Victim): Promise<void> => {
  const targets = [
    '/alive',
    '/getkey',
    '/',
    '/nodes',
    '/myfiles?q=a',
    '/getfile/available',
    '/nothing',
    `/getfile/${known.hashes[0]}`,
  ]
  const asked = targets.map((target) => `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1:${node.port}\r\n\r\n`).join('')
  const pieces = [Buffer.from(asked.repeat(6 * FORCE))]
  await Promise.all(Array.from({ length: 8 }, () => send({ port: node.port, pieces, silenceMs: 200 })))
}

const storm = async (victim: Victim): Promise<void> => {
  for (const flood of [handshakes, bodies, connections, downloads, questions, nonsense]) await flood(victim)
}

/** The least it comes to within a moment: nobody collects garbage before it is in the way. */
const settled = async ({ node }: Victim): Promise<number> => {
  const until = performance.now() + SETTLE_MS
  for (let least = Number.POSITIVE_INFINITY; ; ) {
    least = Math.min(least, await memoryMb(node))
    if (performance.now() > until) return Math.round(least)
    await sleep(100)
  }
}

test('memory and descriptors come back after each of several equal storms', PATIENT, async () => {
  const victim = await startVictim(GIVES_BACK)
  await writeFile(join(victim.node.home, 'big.bin'), Buffer.alloc(6_000_000))
  await publish(victim.node.url, 'big.bin')
  const after = async (storms: number): Promise<number[]> => {
    const all: number[] = []
    for (let at = 0; at < storms; at++) {
      await storm(victim)
      all.push(await settled(victim))
    }
    return all
  }
  const first = await after(STORMS.first)
  const before = await descriptors(victim.node)
  const last = await after(STORMS.last)
  const least = Math.min(...last.slice(last.length / 2))
  expect(least, `${first} MiB after the first storms, then ${last}`).toBeLessThan(Math.max(...first) + SLACK_MB)
  await isWell(victim, before)
})
