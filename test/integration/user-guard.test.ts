import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Ask, BROWSER, HTMX, startScope } from './user-scope.ts'

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

const withFile = async () => {
  const scope = await startScope()
  await writeFile(join(scope.home, 'report.pdf'), 'report')
  return scope
}

describe('the Host of a request (DNS rebinding)', () => {
  test.each([
    'evil.example',
    'evil.example:5000',
    '127.0.0.1',
    '127.0.0.1:1',
    'localhost:1',
    '[::1]:5000',
    '127.0.0.1.:5000',
  ])('is refused with 421 and nothing else when it is %s', async (host) => {
    const scope = await startScope()
    for (const path of ['/', '/myfiles', '/assets/style.css', '/nowhere', '/getfile/available', '/events']) {
      const answer = await scope.ask(path, { headers: { host } })
      expect([path, answer.status, answer.text]).toEqual([path, 421, ''])
    }
  })

  test('is one of the two names of this node', async () => {
    const scope = await startScope()
    for (const name of ['127.0.0.1', 'localhost']) {
      expect((await scope.ask('/', { headers: { host: `${name}:${scope.port}` } })).status).toBe(200)
    }
  })
})

describe('another site', () => {
  const foreign = { 'sec-fetch-site': 'cross-site' }
  test.each<[string, number, Ask]>([
    ['/', 200, { headers: { ...BROWSER, ...foreign } }],
    ['/nodes', 200, { headers: { ...BROWSER, ...foreign } }],
    ['/help', 200, { headers: { ...BROWSER, ...foreign } }],
    ['/transfers', 200, { headers: { ...BROWSER, ...foreign } }],
    [`/transfers/${'a'.repeat(16)}`, 403, { headers: { ...BROWSER, ...foreign } }],
    ['/transfers', 403, { headers: { ...BROWSER, ...foreign }, method: 'POST' }],
    [`/nodes/${'a'.repeat(64)}`, 403, { headers: { ...BROWSER, ...foreign } }],
    ['/?q=x', 200, { headers: { ...BROWSER, 'sec-fetch-site': 'same-site' } }],
    ['/', 403, { headers: { ...foreign, 'sec-fetch-mode': 'no-cors' } }],
    ['/', 403, { headers: { ...foreign, 'sec-fetch-mode': 'cors' } }],
    ['/', 403, { headers: { ...BROWSER, ...foreign, 'sec-fetch-dest': 'iframe' } }],
    ['/', 403, { headers: { ...BROWSER, ...foreign }, method: 'POST' }],
    ['/myfiles', 403, { headers: { ...BROWSER, ...foreign } }],
    ['/myfiles', 403, { headers: { ...BROWSER, 'sec-fetch-site': 'same-site' } }],
    ['/getfile/available', 403, { headers: { ...BROWSER, ...foreign } }],
    ['/assets/style.css', 403, { headers: { ...foreign, 'sec-fetch-mode': 'no-cors' } }],
    ['/events', 403, { headers: { ...foreign, 'sec-fetch-mode': 'cors' } }],
    ['/nowhere', 403, { headers: { ...BROWSER, ...foreign } }],
    [`/getfile/${'a'.repeat(64)}`, 403, { headers: { ...BROWSER, ...foreign } }],
  ])('asking for %s gets %d', async (path, status, options) => {
    const scope = await startScope()
    expect((await scope.ask(path, options)).status).toBe(status)
  })
})

describe('a change of state', () => {
  const publish = '/myfiles/report.pdf/upload'
  test.each<[string, number, (own: string) => Ask]>([
    ['a program posts', 200, () => ({ method: 'POST' })],
    ['a program gets', 200, () => ({})],
    [
      'our page posts',
      200,
      (own) => ({ method: 'POST', headers: { 'sec-fetch-site': 'same-origin', origin: own, referer: `${own}/` } }),
    ],
    [
      'our form posts',
      303,
      (own) => ({ method: 'POST', headers: { ...BROWSER, 'sec-fetch-site': 'same-origin', origin: own } }),
    ],
    ['another site posts', 403, () => ({ method: 'POST', headers: { 'sec-fetch-site': 'cross-site' } })],
    ['another port posts', 403, () => ({ method: 'POST', headers: { 'sec-fetch-site': 'same-site' } })],
    ['a typed address posts', 403, () => ({ method: 'POST', headers: { 'sec-fetch-site': 'none' } })],
    ['a foreign Origin posts', 403, () => ({ method: 'POST', headers: { origin: 'http://evil.example' } })],
    ['another port of ours posts', 403, () => ({ method: 'POST', headers: { origin: 'http://127.0.0.1:1' } })],
    [
      'the Origin null posts',
      403,
      () => ({ method: 'POST', headers: { origin: 'null', 'sec-fetch-site': 'same-origin' } }),
    ],
    ['a foreign Referer posts', 403, () => ({ method: 'POST', headers: { referer: 'http://evil.example/' } })],
    [
      'an image gets',
      403,
      () => ({
        headers: {
          accept: 'image/*',
          'sec-fetch-site': 'same-origin',
          'sec-fetch-mode': 'no-cors',
          'sec-fetch-dest': 'image',
        },
      }),
    ],
    ['a script of ours gets', 403, () => ({ headers: { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' } })],
    ['a foreign image without metadata gets', 403, () => ({ headers: { referer: 'http://evil.example/' } })],
    ['a link of another site gets', 403, () => ({ headers: { ...BROWSER, 'sec-fetch-site': 'cross-site' } })],
    ['a prefetch gets', 403, () => ({ headers: { ...BROWSER, 'sec-fetch-site': 'none', 'sec-purpose': 'prefetch' } })],
    ['a prefetch posts', 403, () => ({ method: 'POST', headers: { 'sec-purpose': 'prefetch' } })],
  ])('%s: %d', async (_who, status, options) => {
    const scope = await withFile()
    const answer = await scope.ask(publish, options(scope.url))
    expect(answer.status).toBe(status)
    expect(scope.published.entries()).toHaveLength(status === 403 ? 0 : 1)
  })

  test.each([
    ['typed', { 'sec-fetch-site': 'none' }],
    ['followed on our page', { 'sec-fetch-site': 'same-origin' }],
    ['opened by a browser too old for metadata', {}],
  ])('an address that is %s asks first', async (_how, headers) => {
    const scope = await withFile()
    await scope.published.publish('report.pdf')
    for (const path of ['/myfiles/report.pdf/upload', '/myfiles/report.pdf/clear', '/uploaded/clear']) {
      const mode = Object.keys(headers).length > 0 ? BROWSER : { accept: BROWSER.accept }
      const answer = await scope.ask(path, { headers: { ...mode, ...headers } })
      expect(answer.status).toBe(200)
      expect(answer.text).toContain(`<form action="${path}" method="post">`)
      expect(scope.published.stateOf('report.pdf').state).toBe('published')
    }
  })

  test('a HEAD changes nothing', async () => {
    const scope = await withFile()
    await scope.published.publish('report.pdf')
    for (const path of ['/uploaded/clear', '/myfiles/report.pdf/clear', '/']) {
      expect((await scope.ask(path, { method: 'HEAD' })).status).toBe(404)
    }
    expect(scope.published.files().size).toBe(1)
  })

  test.each([
    ['text/plain', 415],
    ['application/x-www-form-urlencoded', 200],
    ['application/json', 200],
    ['application/xml', 415],
    ['multipart/form-data; boundary=x', 415],
    ['application/json ; charset=utf-8', 200],
    ['text/plain; application/json', 415],
  ])('a body that is %s: %d', async (type, status) => {
    const scope = await withFile()
    const body = type.includes('json') ? '{}' : ''
    const answer = await scope.ask('/myfiles/report.pdf/upload', {
      method: 'POST',
      headers: { 'content-type': type },
      body: body || 'a=b',
    })
    expect(answer.status).toBe(status)
    expect(scope.published.files().size).toBe(status === 200 ? 1 : 0)
  })
})

describe('every answer', () => {
  test.each<[string, Ask]>([
    ['/', {}],
    ['/', { headers: BROWSER }],
    ['/', { headers: HTMX }],
    ['/nodes', { headers: BROWSER }],
    ['/nowhere', { headers: BROWSER }],
    ['/nowhere', {}],
    ['/myfiles/none/upload', { method: 'POST' }],
    ['/?page=none', {}],
    ['/myfiles', { method: 'POST', headers: { origin: 'http://evil.example' } }],
    ['/', { headers: { host: 'evil.example' } }],
  ])('of %s has the headers that keep it safe', async (path, options) => {
    const scope = await startScope()
    const { headers } = await scope.ask(path, options)
    expect(headers).toMatchObject({
      'content-security-policy': CSP,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'x-frame-options': 'DENY',
      vary: 'Accept, HX-Request-Type',
      'cache-control': 'no-store',
    })
  })

  test('assets are kept by their etag, and only ours and two of htmx are there', async () => {
    const scope = await startScope()
    for (const path of [
      'style.css',
      'page.js',
      'icons.svg',
      'mark.svg',
      'htmx/htmx.min.js',
      'htmx/ext/hx-sse.min.js',
    ]) {
      const first = await scope.ask(`/assets/${path}`)
      expect([path, first.status, first.headers['cache-control']]).toEqual([path, 200, 'no-cache'])
      expect(first.headers['content-security-policy']).toBe(CSP)
      const again = await scope.ask(`/assets/${path}`, { headers: { 'if-none-match': first.headers.etag ?? '' } })
      expect([path, again.status]).toEqual([path, 304])
    }
    for (const path of [
      'htmx/htmx.js',
      'htmx/ext/hx-ws.js',
      '../page.eta',
      '%2e%2e/page.eta',
      '..%2fpage.eta',
      'none.css',
      '',
    ]) {
      const answer = await scope.ask(`/assets/${path}`)
      expect([path, answer.status >= 400]).toEqual([path, true])
    }
  })
})
