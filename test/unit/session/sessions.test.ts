import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { InSessions, type Opened, OutSession } from '../../../src/session/sessions.ts'

const bytes = (length: number): Uint8Array => new Uint8Array(randomBytes(length))
const opened = (peerId = 'ana'): Opened => {
  const direction = () => ({ enc: bytes(32), auth: bytes(32) })
  return { peerId, sid: bytes(16), keys: { i2r: direction(), r2i: direction() } }
}

const pair = (clock = () => 0) => {
  const shared = opened()
  const sessions = new InSessions(clock)
  sessions.open(shared)
  return { out: new OutSession(shared, clock), sessions }
}

test('a request of the session is authenticated once, and never again', () => {
  const { out, sessions } = pair()
  const { header } = out.next('GET', '/table')
  expect(sessions.authenticate(header, 'GET', '/table')).toMatchObject({ peerId: 'ana', n: 1 })
  expect(sessions.authenticate(header, 'GET', '/table')).toBeUndefined()
})

test('a mac holds for one method and one raw target only', () => {
  const { out, sessions } = pair()
  const { header } = out.next('GET', '/myfiles/a%2Fb')
  expect(sessions.authenticate(header, 'POST', '/myfiles/a%2Fb')).toBeUndefined()
  expect(sessions.authenticate(header, 'GET', '/myfiles/a/b')).toBeUndefined()
  expect(sessions.authenticate(header, 'GET', '/myfiles/a%2fb')).toBeUndefined()
  expect(sessions.authenticate(header, 'GET', '/myfiles/a%2Fb')).toBeDefined()
})

test('a wrong mac does not use up its counter', () => {
  const { out, sessions } = pair()
  const { header } = out.next('GET', '/table')
  const forged = `${header.slice(0, -2)}AA`
  expect(sessions.authenticate(forged, 'GET', '/table')).toBeUndefined()
  expect(sessions.authenticate(header, 'GET', '/table')).toBeDefined()
})

test('requests may overtake each other by a thousand, not by more', () => {
  const { out, sessions } = pair()
  const headers = Array.from({ length: 1_026 }, () => out.next('GET', '/x').header)
  const accepted = (n: number): boolean => sessions.authenticate(headers[n - 1], 'GET', '/x') !== undefined
  expect(accepted(1_025)).toBe(true)
  expect(accepted(2)).toBe(true)
  expect(accepted(2)).toBe(false)
  expect(accepted(1)).toBe(false)
  expect(accepted(1_026)).toBe(true)
})

test('refuses every other spelling of the header', () => {
  const { out, sessions } = pair()
  const { header } = out.next('GET', '/x')
  const wrong = [
    undefined,
    '',
    ` ${header}`,
    `${header} `,
    header.replace('v=1', 'v=2'),
    header.replace('; n=1;', '; n=01;'),
    header.replace('; n=1;', '; n=0;'),
    header.replace('; n=1;', '; n=99999999999;'),
    `${header}, ${header}`,
    [header],
  ]
  for (const one of wrong) expect(sessions.authenticate(one, 'GET', '/x')).toBeUndefined()
  expect(sessions.authenticate(header, 'GET', '/x')).toBeDefined()
})

test('a session ends an hour after its start, and after ten idle minutes', () => {
  let now = 0
  const { out, sessions } = pair(() => now)
  const ask = (): boolean => sessions.authenticate(out.next('GET', '/x').header, 'GET', '/x') !== undefined
  for (; now < 59 * 60_000; now += 9 * 60_000) expect(ask()).toBe(true)
  now = 60 * 60_000
  expect(ask()).toBe(false)
  expect(out.usable).toBe(false)
  const idle = pair(() => now)
  now += 10 * 60_000
  expect(idle.out.usable).toBe(false)
  expect(idle.sessions.authenticate(idle.out.next('GET', '/x').header, 'GET', '/x')).toBeUndefined()
})

test('at three quarters of its life a session is worn, and still usable', () => {
  let now = 0
  const { out } = pair(() => now)
  expect(out.worn).toBe(false)
  for (; now < 46 * 60_000; now += 60_000) out.next('GET', '/x')
  expect(out).toMatchObject({ worn: true, usable: true })
})

test('a peer has at most four sessions, a node at most 1,024; the longest unused go', () => {
  const sessions = new InSessions(() => 0)
  const own = Array.from({ length: 5 }, () => opened('ben'))
  for (const one of own) sessions.open(one)
  expect(sessions.size).toBe(4)
  const [first, second] = own.map((one) => new OutSession(one, () => 0))
  expect(sessions.authenticate(first?.next('GET', '/x').header, 'GET', '/x')).toBeUndefined()
  expect(sessions.authenticate(second?.next('GET', '/x').header, 'GET', '/x')).toBeDefined()
  for (let at = 0; at < 1_100; at++) sessions.open(opened(`peer ${at}`))
  expect(sessions.size).toBe(1_024)
})
