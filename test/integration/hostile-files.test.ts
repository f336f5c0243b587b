/** Peers that lie about the content of a file they send, or never come to its end. */
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { fetchWhole, type Source } from '../../src/transfer/whole.ts'
import { until } from '../helpers/api.ts'
import { type Room, startRoom } from '../helpers/room.ts'
import { failureOf } from '../helpers/stranger.ts'
import { type Stranger, startStranger, type Turn } from '../helpers/stranger-server.ts'

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** A content as its row describes it, fetched from strangers. */
const fetch = async (
  room: Room,
  strangers: readonly Stranger[],
  content: Buffer,
  signal = AbortSignal.timeout(20_000),
) => {
  const sources = strangers.map(({ address, id }): Source => ({ address, id, fileName: 'a.bin' }))
  const wanted = { size: content.length, hash: hashOf(content), sources, signal }
  const { body } = await fetchWhole(wanted, ({ address, id, fileName }, end) =>
    room.client.file(address, id, fileName, end),
  )
  const parts: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const part of body) {
      parts.push(part)
      bytes += part.length
    }
    return { code: undefined, bytes, whole: Buffer.concat(parts) }
  } catch (error) {
    return { code: await failureOf(Promise.reject(error)), bytes, whole: undefined }
  }
}

test('another content, a longer one or a shorter one never becomes a whole file', async () => {
  const content = Buffer.alloc(2 * 2 ** 20 + 77, 'true')
  const lies: Record<string, Buffer> = {
    'a byte changed': Buffer.from(content).fill(0, 5, 6),
    'the last byte changed': Buffer.from(content).fill(0, content.length - 1),
    'a byte more': Buffer.concat([content, Buffer.alloc(1)]),
    'twice as much': Buffer.concat([content, content]),
    'a byte less': content.subarray(1),
    'half of it': content.subarray(0, content.length / 2),
    nothing: Buffer.alloc(0),
  }
  const room = await startRoom()
  const stranger = await startStranger()
  for (const [what, sent] of Object.entries(lies)) {
    stranger.publish('a.bin', sent)
    const { code, bytes } = await fetch(room, [stranger], content)
    expect(code, what).toBe('PM_PEER_MISBEHAVED')
    expect(bytes, what).toBeLessThan(content.length)
  }
  stranger.publish('a.bin', content)
  expect((await fetch(room, [stranger], content)).whole?.equals(content)).toBe(true)
  expect(stranger.count('getkey')).toBe(1)
})

test('a content without end is left as soon as it is longer than its row says', async () => {
  const stranger = await startStranger()
  const room = await startRoom()
  let sent = 0
  stranger.does.set('file', ({ response, sealed }) => {
    const body = Buffer.from(sealed(200, Buffer.alloc(64 * 2 ** 20), { frameLog2: 20 }).body)
    response.writeHead(200, { 'portmesh-sealed': 'v=1' })
    const next = () => {
      while (sent < body.length && !response.destroyed) {
        const more = response.write(body.subarray(sent, sent + 2 ** 18))
        sent += 2 ** 18
        if (!more) return void response.once('drain', next)
      }
    }
    next()
  })
  expect((await fetch(room, [stranger], Buffer.alloc(100_000))).code).toBe('PM_PEER_MISBEHAVED')
  await sleep(100)
  expect(sent).toBeLessThan(32 * 2 ** 20)
})

test('a holder that hangs, breaks off or drips is given up; a reader that takes its time is not', async () => {
  const content = Buffer.alloc(3 * 2 ** 20, 'slow')
  const stop = ({ response, honest }: Turn, then: (turn: Turn['response']) => void) => {
    const { headers, body } = honest()
    response.writeHead(200, { ...headers, 'content-length': Buffer.byteLength(body) })
    response.write(Buffer.from(body).subarray(0, 1_500_000), () => then(response))
  }
  const forms: Record<string, (turn: Turn) => void> = {
    'hangs midway': (turn) => stop(turn, () => {}),
    'breaks off midway': (turn) => stop(turn, (response) => response.socket?.resetAndDestroy()),
    'ends midway': (turn) => stop(turn, (response) => response.socket?.end()),
    'drips midway': (turn) =>
      stop(turn, (response) => {
        const timer = setInterval(() => response.write('x'), 20)
        response.once('close', () => clearInterval(timer))
      }),
  }
  const results = Object.entries(forms).map(async ([what, form]) => {
    const stranger = await startStranger()
    const room = await startRoom({ patience: { slowMs: 600 } })
    stranger.publish('a.bin', content)
    stranger.does.set('file', form)
    const began = performance.now()
    expect((await fetch(room, [stranger], content)).code, what).toBe('PM_PEER_UNREACHABLE')
    expect(performance.now() - began, what).toBeLessThan(6_000)
  })
  await Promise.all(results)
  const stranger = await startStranger()
  const room = await startRoom({ patience: { slowMs: 300 } })
  stranger.publish('a.bin', content)
  let bytes = 0
  for await (const part of await room.client.file(
    stranger.address,
    stranger.id,
    'a.bin',
    AbortSignal.timeout(20_000),
  )) {
    bytes += part.length
    await sleep(400)
  }
  expect(bytes).toBe(content.length)
})

test('another node at the address of a holder is not asked for its files', async () => {
  const stranger = await startStranger()
  stranger.publish('a.bin', 'a')
  const room = await startRoom()
  const asked = room.client.file(stranger.address, '0'.repeat(64), 'a.bin', AbortSignal.timeout(5_000))
  expect(await failureOf(asked)).toBe('PM_PEER_UNREACHABLE')
  expect(stranger.count('file')).toBe(0)
})

test('the next holder is asked when one refuses, whatever it says', async () => {
  const content = Buffer.from('the content')
  const room = await startRoom({ patience: { callMs: 500, headMs: 500 } })
  const forms: ((turn: Turn) => void)[] = [
    ({ send, sealed }) => send(sealed(404, '{"error":{"code":"PM_NOT_PUBLISHED","message":""}}')),
    ({ send }) => send({ status: 200, body: 'plain' }),
    ({ send }) => send({ status: 302, headers: { location: 'http://127.0.0.1:1/' } }),
    ({ request }) => request.socket.destroy(),
    () => {},
    ({ response }) => response.writeHead(404, { 'portmesh-sealed': 'v=1' }).flushHeaders(),
  ]
  const liars = await Promise.all(forms.map(() => startStranger()))
  for (const [index, liar] of liars.entries()) liar.does.set('file', forms[index] ?? (() => {}))
  const good = await startStranger()
  good.publish('a.bin', content)
  expect((await fetch(room, [...liars, good], content)).whole?.toString()).toBe('the content')
})

test('a download that is broken off ends its connection to the holder', async () => {
  const stranger = await startStranger()
  const room = await startRoom()
  const content = Buffer.alloc(40 * 2 ** 20)
  stranger.publish('a.bin', content)
  let open = 0
  stranger.does.set('file', ({ send, honest, response }) => {
    open += 1
    response.once('close', () => {
      open -= 1
    })
    send(honest())
  })
  for (const end of ['early', 'aborted'] as const) {
    const abort = new AbortController()
    const body = await room.client.file(stranger.address, stranger.id, 'a.bin', abort.signal)
    if (end === 'aborted') abort.abort()
    else for await (const _part of body) break
    await until(
      async () => open,
      (count) => count === 0,
      3_000,
    )
  }
})
