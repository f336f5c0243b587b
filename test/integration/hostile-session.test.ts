import { expect, test } from 'vitest'
import { toB64u } from '../../src/bytes.ts'
import { seal } from '../../src/crypto/stream.ts'
import { sealRequest } from '../../src/session/sealed.ts'
import { startRoom } from '../helpers/room.ts'
import { openSession, type PlainAnswer, type SealedReply, strangerIdentity } from '../helpers/stranger.ts'

const NO_SESSION = { status: 401, code: 'PM_NO_SESSION', sealed: false }

const told = (answer: PlainAnswer) => ({
  status: answer.status,
  code: answer.code,
  sealed: answer.headers['portmesh-sealed'] !== undefined,
})

const sealedCode = async (answer: SealedReply) => {
  expect(answer.sealed).toBe(true)
  return [answer.status, JSON.parse(await answer.text()).error?.code]
}

test('a counter is good for one request', async () => {
  const session = await openSession((await startRoom()).url)
  expect((await session.ask('GET', '/table', { n: 1 })).status).toBe(200)
  expect(told(await session.ask('GET', '/table', { n: 1 }))).toEqual(NO_SESSION)
  expect((await session.ask('GET', '/table', { n: 2_000 })).status).toBe(200)
  expect(told(await session.ask('GET', '/table', { n: 2_000 - 1024 }))).toEqual(NO_SESSION)
  expect((await session.ask('GET', '/table', { n: 2_000 - 1023 })).status).toBe(200)
  expect(told(await session.ask('GET', '/table', { n: 2_000 - 1023 }))).toEqual(NO_SESSION)
  expect((await session.ask('GET', '/table', { n: 4_294_967_295 })).status).toBe(200)
  for (const n of [0, 2_000, 4_294_967_296, 9_999_999_999]) {
    expect(told(await session.ask('GET', '/table', { n })), String(n)).toEqual(NO_SESSION)
  }
})

test('a counter is not used up by a request that proves nothing', async () => {
  const session = await openSession((await startRoom()).url)
  const { auth } = session.prepare('GET', '/table', 7)
  const forged = auth.replace(/mac=./, (mac) => `${mac.slice(0, -1)}${mac.endsWith('A') ? 'B' : 'A'}`)
  expect(told(await session.ask('GET', '/table', { n: 7, auth: forged }))).toEqual(NO_SESSION)
  expect((await session.ask('GET', '/table', { n: 7 })).status).toBe(200)
})

test('a proof holds for one method, one target and one session', async () => {
  const { url } = await startRoom()
  const [session, other] = [await openSession(url), await openSession(url)]
  for (const sentTarget of [
    '/table?since=0',
    '/table?',
    '/table/',
    '/%74able',
    '//table',
    '/alive/../table',
    '/table?files=',
  ])
    expect(told(await session.ask('GET', '/table', { sentTarget })), sentTarget).toEqual(NO_SESSION)
  expect(told(await session.ask('POST', '/update', { sentMethod: 'PUT', plaintext: '{}' }))).toEqual(NO_SESSION)
  expect(told(await session.ask('GET', '/update', { sentMethod: 'POST', body: new Uint8Array(33) }))).toEqual(
    NO_SESSION,
  )
  const { auth } = session.prepare('GET', '/table', 50)
  const moved = auth.replace(/sid=[\w-]+/, `sid=${toB64u(other.sid)}`)
  expect(told(await session.ask('GET', '/table', { auth: moved }))).toEqual(NO_SESSION)
  expect((await session.ask('GET', '/table', { n: 50 })).status).toBe(200)
})

test('a header that does not have the one form belongs to no session', async () => {
  const session = await openSession((await startRoom()).url)
  const forms: ((auth: string) => string | readonly string[])[] = [
    () => '',
    () => 'v=1',
    (auth) => auth.replace('v=1', 'v=2'),
    (auth) => auth.replace('n=', 'n=0'),
    (auth) => auth.replace('n=', 'n=+'),
    (auth) => auth.replace(/n=(\d+)/, 'n=$1.0'),
    (auth) => auth.replace(/n=(\d+)/, 'n=$1e0'),
    (auth) => auth.replaceAll('; ', ';'),
    (auth) => `${auth};`,
    (auth) => `${auth}=`,
    (auth) => `${auth}, ${auth}`,
    (auth) => [auth, auth],
    (auth) => auth.toUpperCase(),
    (auth) => auth.replace(/mac=.*/, `mac=${'A'.repeat(43)}`),
    (auth) => auth.replace(/mac=.*/, 'mac='),
    () => 'x'.repeat(8_000),
  ]
  for (const [index, form] of forms.entries()) {
    const { auth } = session.prepare('GET', '/table', 1)
    expect(told(await session.ask('GET', '/table', { n: 1, auth: form(auth) })), `form ${index}`).toEqual(NO_SESSION)
  }
  expect((await session.ask('GET', '/table', { n: 1 })).status).toBe(200)
})

test('a session ends after an hour, and after ten idle minutes', async () => {
  let now = 0
  const { url } = await startRoom({ clock: () => now })
  const idle = await openSession(url)
  now += 599_999
  expect((await idle.ask('GET', '/table')).status).toBe(200)
  now += 600_000
  expect(told(await idle.ask('GET', '/table'))).toEqual(NO_SESSION)
  const long = await openSession(url)
  for (let minute = 0; minute < 59; minute += 9) {
    expect((await long.ask('GET', '/table')).status).toBe(200)
    now += 9 * 60_000
  }
  expect(told(await long.ask('GET', '/table'))).toEqual(NO_SESSION)
})

test('a peer has four sessions, and takes nothing from others', async () => {
  const { url, sessions } = await startRoom()
  const good = await openSession(url)
  const first = await openSession(url)
  const identity = strangerIdentity()
  const many = []
  for (let i = 0; i < 6; i++) many.push(await openSession(url, identity))
  expect(sessions.size).toBe(6)
  expect(told(await (many[0] ?? first).ask('GET', '/table'))).toEqual(NO_SESSION)
  expect((await (many[5] ?? first).ask('GET', '/table')).status).toBe(200)
  expect((await good.ask('GET', '/table')).status).toBe(200)
})

test('a body that does not open is answered sealed, and acts on nothing', async () => {
  const heard: unknown[] = []
  const { url } = await startRoom({ peer: { onUpdate: (...news) => void heard.push(news) } })
  const session = await openSession(url)
  const update = JSON.stringify({ kind: 'leaving', port: 1 })
  const { exchange } = session.prepare('POST', '/update', 900)
  const elsewhere = sealRequest({ ...exchange, target: '/table' }, Buffer.from(update))
  const { keys, sid, n, method, target } = exchange
  const context = { key: keys.i2r.enc, kind: 'req', sid, n, method, target } as const
  const whole = sealRequest(exchange, Buffer.from(update))
  const bodies = [
    elsewhere,
    whole.subarray(0, -1),
    whole.subarray(0, 17),
    Buffer.concat([whole, whole.subarray(17)]),
    Buffer.from(update),
    new Uint8Array(1),
    seal({ ...context, frameLog2: 20 }, Buffer.from(update)),
    seal({ ...context, key: keys.r2i.enc, frameLog2: 16 }, Buffer.from(update)),
  ]
  for (const [index, body] of bodies.entries()) {
    const answer = await session.ask('POST', '/update', { n: 901 + index, body })
    expect(await sealedCode(answer), `body ${index}`).toEqual([400, 'PM_BAD_STREAM'])
  }
  for (const type of ['application/json', 'text/plain', 'multipart/form-data; boundary=x'])
    expect(
      (await sealedCode(await session.ask('POST', '/update', { headers: { 'content-type': type } })))[0],
    ).toBeGreaterThanOrEqual(400)
  expect(heard).toEqual([])
})

test('news that says something else is a bad request', async () => {
  const heard: unknown[] = []
  const { url } = await startRoom({ peer: { onUpdate: (_id, _host, update) => void heard.push(update) } })
  const session = await openSession(url)
  const plaintexts = [
    '',
    '{',
    'null',
    '[]',
    '{}',
    '{"kind":"other","port":1}',
    '{"kind":"changed"}',
    '{"kind":"changed","port":0}',
  ]
  plaintexts.push(
    '{"kind":"changed","port":65536}',
    '{"kind":"changed","port":1.5}',
    '{"kind":["changed"],"port":1}',
    '['.repeat(100_000),
  )
  for (const plaintext of plaintexts)
    expect(await sealedCode(await session.ask('POST', '/update', { plaintext })), plaintext.slice(0, 40)).toEqual([
      400,
      'PM_BAD_REQUEST',
    ])
  expect(heard).toEqual([])
  for (const plaintext of [
    '{"kind":"changed","port":7,"__proto__":{"port":9}}',
    '{"port":1,"kind":"changed","port":7}',
  ])
    await session.ask('POST', '/update', { plaintext })
  for (const update of heard) expect(update).toMatchObject({ kind: 'changed', port: 7 })
  expect({}).not.toHaveProperty('port')
})

test('a request of more than 1 MiB is refused, sealed, and the node goes on', async () => {
  const { url } = await startRoom()
  const session = await openSession(url)
  const fits = JSON.stringify({ kind: 'changed', port: 1, more: 'x'.repeat(1_000_000) })
  expect((await session.ask('POST', '/update', { plaintext: fits })).status).toBe(200)
  for (const bytes of [1024 * 1024 + 1, 1024 * 1024 + 60_000, 3_000_000]) {
    const answer = await session.ask('POST', '/update', { plaintext: 'x'.repeat(bytes) }).catch(() => undefined)
    // A connection may break while far too much is still being sent; what is said then is said sealed.
    if (answer) expect(await sealedCode(answer)).toEqual([413, 'PM_TOO_LARGE'])
    else expect(bytes).toBe(3_000_000)
  }
  expect((await session.ask('GET', '/table')).status).toBe(200)
})
