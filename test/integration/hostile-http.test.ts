/** Requests that no honest client sends, in a session and outside of one: routes, methods, parameters, headers, and what is not HTTP at all. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startRoom } from '../helpers/room.ts'
import { openSession, type PlainAnswer, plain, type SealedReply, spill } from '../helpers/stranger.ts'

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

test('unknown routes and methods say nothing to strangers, and are sealed in a session', async () => {
  const { url } = await startRoom()
  const session = await openSession(url)
  const paths = [
    '/',
    '/nothing',
    '/table/x',
    '/TABLE',
    '/content',
    '/content/00/x',
    '/myfiles',
    '/myfiles/a/b',
    '/getfile/1/a',
    '/nodes',
    '/%00',
    `/${'a'.repeat(9_000)}`,
  ]
  for (const path of paths) {
    expect(told(await plain(url, path)), path).toEqual(NO_SESSION)
    expect(told(await plain(url, path, { method: 'DELETE' })), path).toEqual(NO_SESSION)
    expect(await sealedCode(await session.ask('GET', path)), path).toEqual([404, 'PM_NOT_FOUND'])
    expect(await sealedCode(await session.ask('POST', `${path}/x`, { plaintext: '{}' })), path).toEqual([
      404,
      'PM_NOT_FOUND',
    ])
  }
  for (const method of ['OPTIONS', 'TRACE', 'PUT', 'DELETE', 'PATCH', 'PROPFIND', 'SEARCH'])
    for (const path of ['/table', '/alive', '/getkey', '/myfiles/a']) {
      expect(told(await plain(url, path, { method })), method).toEqual(NO_SESSION)
      expect(await sealedCode(await session.ask(method, path)), method).toEqual([404, 'PM_NOT_FOUND'])
    }
  for (const path of ['/table', '/alive', '/getkey', '/myfiles/a'])
    expect((await plain(url, path, { method: 'HEAD' })).status).toBe(401)
})

test('parameters that do not fit are a bad request, sealed', async () => {
  const { url } = await startRoom()
  const session = await openSession(url)
  const targets = [
    '/table?since=-1',
    '/table?since=x',
    '/table?since=1e400',
    '/table?since=01',
    '/table?since=1.0',
    '/table?since=',
    '/table?files=1',
    '/table?other=1',
    '/table?since=1&since=2',
  ]
  targets.push(
    '/table?epoch=9007199254740993',
    '/myfiles/..',
    '/myfiles/..%2F..%2Fetc%2Fpasswd',
    '/myfiles/a%00b',
    '/myfiles/%E0%A4%A',
  )
  targets.push(`/myfiles/${'%41'.repeat(1_001)}`, '/myfiles/.portmesh%2Fstate.db', '/myfiles/a%2F%2Fb')
  for (const target of targets)
    expect(await sealedCode(await session.ask('GET', target)), target).toEqual([400, 'PM_BAD_REQUEST'])
  for (const target of [
    '/myfiles/__proto__',
    '/myfiles/constructor',
    '/myfiles/a%5C..%5Cb',
    `/myfiles/${'%01'.repeat(255)}`,
  ])
    expect(await sealedCode(await session.ask('GET', target)), target).toEqual([404, 'PM_NOT_PUBLISHED'])
})

test('no header changes an answer', async () => {
  const room = await startRoom()
  await writeFile(join(room.home, 'a.txt'), 'the whole of it')
  await room.published.publish('a.txt')
  const session = await openSession(room.url)
  const headers = {
    range: 'bytes=0-1',
    'if-none-match': '*',
    'if-modified-since': new Date(0).toUTCString(),
    'accept-encoding': 'gzip, br',
    accept: 'text/html',
    upgrade: 'websocket',
    'x-forwarded-for': '10.0.0.1',
    'x-http-method-override': 'DELETE',
    host: 'evil.example',
  }
  const answer = await session.ask('GET', '/myfiles/a.txt', { headers })
  expect([answer.status, await answer.text()]).toEqual([200, 'the whole of it'])
  for (const one of ['if-none-match', 'range', 'host'] as const) {
    const alive = await plain(room.url, '/alive', { headers: { [one]: headers[one] } })
    expect([alive.status, alive.bytes.toString()]).toEqual([200, 'up and running'])
  }
})

test('what is not HTTP, or no request a node knows, ends its own connection only', async () => {
  const { url } = await startRoom()
  const head = 'Host: x\r\n\r\n'
  const bytes = [
    '\0\0\0\r\n\r\n',
    `GET * HTTP/1.1\r\n${head}`,
    `OPTIONS * HTTP/1.1\r\n${head}`,
    `CONNECT a:1 HTTP/1.1\r\n${head}`,
    `GET ? HTTP/1.1\r\n${head}`,
    `GET /% HTTP/1.1\r\n${head}`,
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    `GET /alive HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n${head}`,
    `POST /session HTTP/1.1\r\nContent-Length: -1\r\n${head}`,
    `POST /session HTTP/1.1\r\nContent-Length: 5, 6\r\n${head}`,
    `POST /session HTTP/1.1\r\nExpect: weird\r\nContent-Length: 2\r\n${head}{}`,
    `GET /alive HTTP/1.1\r\nA: ${'a'.repeat(70_000)}\r\n${head}`,
    `GET /alive HTTP/1.1\r\n${'A: b\r\n'.repeat(5_000)}${head}`,
    `GET /alive HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n${head}`,
    'a'.repeat(100_000),
  ]
  const answers = await Promise.all(bytes.map((text) => spill(url, text, 500)))
  for (const answer of answers) expect(answer).not.toMatch(/^HTTP\/1.1 (101|5\d\d)/)
  expect((await plain(url, '/alive')).bytes.toString()).toBe('up and running')
})
