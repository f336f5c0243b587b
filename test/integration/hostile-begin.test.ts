/** First messages of strangers: what is malformed, too large, too old, too many. */
import { expect, test } from 'vitest'
import { toB64u } from '../../src/bytes.ts'
import { PRIME } from '../../src/crypto/dh.ts'
import { startRoom } from '../helpers/room.ts'
import {
  getKey,
  halfHandshake,
  openSession,
  type PlainAnswer,
  plain,
  postJson,
  sendBegin,
  sendConfirm,
} from '../helpers/stranger.ts'

const REFUSED = { status: 403, code: 'PM_REFUSED' }
const MALFORMED = { status: 400, code: 'PM_BAD_HANDSHAKE' }

const told = ({ status, code }: PlainAnswer) => ({ status, code })

test('a message with a further field is malformed', async () => {
  const { url, sessions } = await startRoom()
  const { begin, confirm } = await halfHandshake(url)
  expect(told(await sendBegin(url, JSON.stringify({ ...begin.message, extra: '' })))).toEqual(MALFORMED)
  expect(told(await sendConfirm(url, confirm.sid, JSON.stringify({ ...confirm.message, extra: '' })))).toEqual(
    MALFORMED,
  )
  expect(sessions.size).toBe(0)
})

test('values outside the group are refused before they are raised to anything', async () => {
  const { url } = await startRoom()
  const { begin } = await halfHandshake(url)
  const integer = (value: bigint, length = 384) =>
    toB64u(Buffer.from(value.toString(16).padStart(length * 2, '0'), 'hex'))
  for (const x of [0n, 1n, PRIME - 2n, PRIME - 1n, PRIME].map((value) => integer(value)))
    expect(told(await sendBegin(url, { ...begin.message, x }))).toEqual(MALFORMED)
  for (const length of [383, 385])
    expect(told(await sendBegin(url, { ...begin.message, x: integer(4n, length) }))).toEqual(MALFORMED)
})

test('a key is accepted until it is two minutes old, a begun handshake for ten seconds', async () => {
  let now = 1_000_000
  const { url, sessions } = await startRoom({ clock: () => now })
  const { begin } = await halfHandshake(url)
  now += 119_000
  expect((await sendBegin(url, begin.message)).status).toBe(200)
  now += 1_000
  expect(told(await sendBegin(url, begin.message))).toEqual({ status: 409, code: 'PM_STALE_KEY' })
  const late = await halfHandshake(url)
  now += 10_001
  expect(told(await sendConfirm(url, late.confirm.sid, late.confirm.message))).toEqual(REFUSED)
  expect(sessions.size).toBe(0)
  await openSession(url)
  expect(sessions.size).toBe(1)
})

test('a key is the same for everybody within its minute, and another one afterwards', async () => {
  let now = 0
  const { url } = await startRoom({ clock: () => now })
  const first = await getKey(url)
  expect(await getKey(url)).toEqual(first)
  now += 60_000
  expect((await getKey(url)).kid).not.toBe(first.kid)
})

test('a full table of begun handshakes forgets the oldest, never the newcomer', async () => {
  let now = 0
  const { url, sessions } = await startRoom({ clock: () => now })
  const oldest = await halfHandshake(url)
  const kept = await halfHandshake(url)
  for (let i = 0; i < 255; i++) {
    now += 32
    if ((await sendBegin(url, kept.begin.message)).status !== 200) throw new Error('refused')
  }
  expect(told(await sendConfirm(url, oldest.confirm.sid, oldest.confirm.message))).toEqual(REFUSED)
  await openSession(url)
  expect(sessions.size).toBe(1)
})

test('a source begins 64 handshakes at once and 32 a second, however often it knocks in between', async () => {
  let now = 0
  const { url } = await startRoom({ clock: () => now })
  const { begin } = await halfHandshake(url)
  const knock = async () => (await sendBegin(url, begin.message)).status
  const statuses: number[] = []
  for (let i = 0; i < 64; i++) statuses.push(await knock())
  expect(statuses).toEqual([...Array(63).fill(200), 429])
  const refused = await sendBegin(url, begin.message)
  expect([refused.code, refused.headers['retry-after']]).toEqual(['PM_BUSY', '1'])
  let begun = 0
  for (; now < 1_000; now += 10) if ((await knock()) === 200) begun += 1
  expect(begun).toBeGreaterThanOrEqual(30)
  expect(begun).toBeLessThanOrEqual(32)
})

test('bodies that are no handshake are refused alike, and echo nothing', async () => {
  const { url, sessions } = await startRoom()
  const { begin } = await halfHandshake(url)
  const text = JSON.stringify(begin.message)
  const bodies = [
    '',
    '{',
    'null',
    '[]',
    '[[]]',
    '"text"',
    '1',
    '[['.repeat(2_000),
    `${text}x`,
    '\ufeff{}',
    '{"v":',
    '\0',
  ]
  for (const body of bodies) expect(told(await postJson(url, '/session', body)), body.slice(0, 20)).toEqual(MALFORMED)
  const proto = text.replace('{', '{"__proto__":{"v":"portmesh/1"},')
  const built = text.replace('{', '{"constructor":{"prototype":{"v":1}},')
  for (const body of [proto, built]) expect(told(await postJson(url, '/session', body))).toEqual(MALFORMED)
  // The last of two fields with one name counts, for both ends; what it says is in every hash.
  expect(told(await postJson(url, '/session', text.replace('}', ',"v":"portmesh/2"}')))).toEqual({
    status: 400,
    code: 'PM_UNSUPPORTED_VERSION',
  })
  for (const type of [
    'text/plain',
    'application/octet-stream',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'x',
    '',
  ])
    expect(
      told(await plain(url, '/session', { method: 'POST', body: text, headers: { 'content-type': type } })),
      type,
    ).toEqual(MALFORMED)
  expect(told(await plain(url, '/session', { method: 'POST', body: text }))).toEqual(MALFORMED)
  const large = text.replace('{', `{"w":"${'<b>secret</b>'.repeat(700)}",`)
  const refused = await postJson(url, '/session', large)
  expect(told(refused)).toEqual({ status: 413, code: 'PM_TOO_LARGE' })
  expect(refused.bytes.toString()).not.toContain('secret')
  expect(sessions.size).toBe(0)
})

test('another version or group is told so before anything else of the message is looked at', async () => {
  const { url } = await startRoom()
  for (const message of [
    { v: 'portmesh/2', group: 'modp15' },
    { v: 'portmesh/1', group: 'modp2', x: 7 },
  ])
    expect(told(await postJson(url, '/session', message))).toEqual({ status: 400, code: 'PM_UNSUPPORTED_VERSION' })
})
