/** Headers, names and words as nobody sends them: to the guard, to what chooses the form of an answer, to what is written back. */
import { validateHeaderValue } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { expect, test } from 'vitest'
import { contentDisposition } from '../../../../src/routes/user/disposition.ts'
import { lettersOf } from '../../../../src/routes/user/faces.ts'
import { admit } from '../../../../src/routes/user/guard.ts'
import {
  currentPage,
  historyHeader,
  isNavigation,
  prefersNotToWait,
  wantsFragment,
  wantsHtml,
  wayBack,
} from '../../../../src/routes/user/negotiate.ts'
import { sharedBy } from '../../../../src/routes/user/shared.ts'
import { filesThatFit } from '../../../../src/routes/user/views/my-files.ts'
import { pager } from '../../../../src/routes/user/views/pager.ts'
import { fileAddress, keyOf } from '../../../../src/routes/user/views/parts.ts'
import { address } from '../../../../src/routes/user/views/shell.ts'
import { count, nameParts, pointInTime, shown, since, sizeWords, timeLeft } from '../../../../src/routes/user/words.ts'
import { attempt, fuzz, PATIENT, type Random } from '../../../helpers/random.ts'

const SELF = { id: 'a'.repeat(64), name: 'Ana', port: 5000, address: '127.0.0.1:5000', home: '/home', version: '0' }
const OWN = 'http://127.0.0.1:5000'
const UNSEEN = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u

const HEADERS: Readonly<Record<string, readonly string[]>> = {
  host: [
    '127.0.0.1:5000',
    'localhost:5000',
    '127.0.0.1',
    'LOCALHOST:5000',
    '[::1]:5000',
    '127.0.0.1:5000.',
    'evil.example',
  ],
  origin: [OWN, 'null', 'http://localhost:5000', 'http://127.0.0.1:5001', 'http://evil.example'],
  referer: [
    `${OWN}/`,
    `${OWN}/myfiles?q=a`,
    `${OWN}/nodes/${'a'.repeat(64)}`,
    'http://evil.example/',
    `${OWN}@evil.example/`,
    'data:,x',
  ],
  'sec-fetch-site': ['same-origin', 'none', 'same-site', 'cross-site'],
  'sec-fetch-mode': ['navigate', 'cors', 'no-cors'],
  'sec-fetch-dest': ['document', 'image', 'iframe'],
  'sec-purpose': ['prefetch'],
  accept: ['text/html', '*/*', 'text/html;q=0', 'text/html ; q=0.5, x/y', 'application/json', 'TEXT/HTML'],
  prefer: ['respond-async', 'wait=1, respond-async'],
  'hx-request-type': ['partial', 'full'],
  'hx-current-url': [`${OWN}/nodes?page=2`, '/', 'about:blank'],
  'hx-source': ['form#find', 'a'],
}

const headersOf = (random: Random): Record<string, string> =>
  Object.fromEntries(
    Object.entries(HEADERS).flatMap(([name, values]) => {
      if (random.chance(name === 'host' ? 0.05 : 0.6)) return []
      // Node hands over one character a byte.
      const odd = () => Buffer.from(random.mutatedText(random.pick(values)), 'latin1').toString('latin1')
      const long = () => random.pick([' ', ',', ';q=', 'text/html;', '\t']).repeat(random.int(8_000))
      return [[name, random.chance(0.7) ? random.pick(values) : random.chance(0.9) ? odd() : odd() + long()]]
    }),
  )

const requestOf = (random: Random, headers = headersOf(random)): FastifyRequest => {
  const url = random.pick(['/', '/nodes', '/myfiles', '/help?x', '//nodes', '/nodes/', random.text(50)])
  const method = random.pick(['GET', 'POST', 'HEAD', 'PUT', 'DELETE'])
  const changes = url.startsWith('/myfiles') && random.chance(0.5)
  return { headers, url, method, routeOptions: { config: { changes } } } as unknown as FastifyRequest
}

test('the guard lets nobody change anything but our own pages and programs, under our own name', PATIENT, async () => {
  await fuzz({ rounds: 1_500 }, (random) => {
    const request = requestOf(random)
    const { headers, method, url } = request
    const told: number[] = []
    const code = (status: number) => {
      told.push(status)
      return reply
    }
    const reply = { headers: () => reply, code, send: () => reply }
    const passed = attempt(() => admit(SELF, request, reply as unknown as FastifyReply))
    const ownHost = headers.host === '127.0.0.1:5000' || headers.host === 'localhost:5000'
    expect('value' in passed && !passed.value, String(headers.host)).toBe(!ownHost)
    expect(told).toEqual(ownHost ? [] : [421])
    if ('code' in passed) expect(passed.code).toBe('PM_FOREIGN_ORIGIN')
    else if (ownHost) {
      const own = `http://${headers.host}`
      const site = headers['sec-fetch-site']
      const changes = request.routeOptions.config.changes || !['GET', 'HEAD'].includes(method)
      if (site !== undefined && site !== 'same-origin' && site !== 'none')
        expect(!changes && ['/', '/nodes', '/transfers', '/help'].includes(String(url).split('?')[0] ?? '')).toBe(true)
      if (!changes) return
      expect([undefined, own]).toContain(headers.origin)
      expect([undefined, own]).toContain(headers.referer === undefined ? undefined : URL.parse(headers.referer)?.origin)
      expect(headers['sec-purpose']).toBeUndefined()
      if (method !== 'GET') expect([undefined, 'same-origin']).toContain(site)
    }
  })
})

test('whatever headers say, the form of an answer is chosen, and soon', PATIENT, async () => {
  await fuzz({ rounds: 800, limitMs: 1_000 }, (random) => {
    const request = requestOf(random)
    for (const choose of [wantsHtml, wantsFragment, isNavigation, prefersNotToWait])
      expect([true, false]).toContain(choose(request))
    const back = wayBack(request, '/myfiles')
    expect(back).toMatch(/^\/(?!\/)[\x21-\x7e]*$/)
    validateHeaderValue('location', back)
    expect(typeof (currentPage(request) ?? '')).toBe('string')
    const [name, value] = historyHeader(request, address('/nodes', { q: random.text() }))
    validateHeaderValue(name, value)
  })
})

test('a download has a name that is one, in ASCII, whatever its owner calls it', PATIENT, async () => {
  await fuzz({ rounds: 1_500 }, (random) => {
    const header = contentDisposition(random.text(1_000))
    validateHeaderValue('content-disposition', header)
    const [, plain = '', extended = ''] =
      /^attachment; filename="([\x20-\x7e]+)"; filename\*=UTF-8''([A-Za-z0-9!#$&+.^_`|~%-]+)$/.exec(header) ?? []
    expect(plain, header).toMatch(/^[^"\\%/]+$/)
    const name = decodeURIComponent(extended)
    expect(name, header).toMatch(/^[^/\\]+$/)
    expect(UNSEEN.test(name) || name.trim() !== name || name === '', header).toBe(false)
  })
})

test('words and addresses of pages are made of anything', PATIENT, async () => {
  await fuzz({ rounds: 1_000 }, (random) => {
    const name = random.text(300)
    const { stem, extension } = nameParts(name)
    expect(stem + extension).toBe(shown(name))
    expect(UNSEEN.test(shown(name))).toBe(false)
    expect(keyOf(name)).toMatch(/^[0-9a-z]+$/)
    expect(lettersOf(name).length).toBeGreaterThan(0)
    for (const link of [fileAddress(name, 'clear'), address('/', { q: name, page: random.int(9) })])
      expect(link).toMatch(/^\/[\x21-\x7e]*$/)
    const size = Math.abs(Math.trunc(random.number())) || 0
    for (const text of [
      sizeWords(size),
      count(size),
      since(size, Date.now()),
      pointInTime(size, Date.now()),
      timeLeft(size),
    ])
      expect(text.length, String(size)).toBeGreaterThan(0)
  })
})

test('lists are searched and paged by anything', PATIENT, async () => {
  await fuzz({ rounds: 500 }, (random) => {
    const names = random.list(30, () => random.text(40))
    const file = { size: 1, hash: '', root: '', publishedMs: 1 }
    const files = new Map(names.map((name) => [name, { name, ...file }]))
    const q = random.chance(0.5) ? random.text(1_000) : (names[0] ?? '').slice(0, random.int(9))
    for (const { name } of sharedBy({ files, filesDigest: '' }, q)) expect(names).toContain(name)
    const listed = names.map((name) => ({ name, state: random.pick(['private', 'published', 'changed'] as const) }))
    const listing = {
      files: listed.map((each) => ({ ...each, size: 1, modifiedMs: 1, publishable: true })),
      complete: true,
    }
    for (const { name } of filesThatFit(listing, { q, show: random.pick(['', 'published', 'private']) }))
      expect(names).toContain(name)
    const [page, size, total] = [1 + random.int(1_000_000), 1 + random.int(1_000), random.int(200_000)]
    const shownPages = pager({ page, size, total }, (other) => String(other))
    for (const other of [shownPages?.previous, shownPages?.next]) {
      if (other === undefined) continue
      expect((Number(other) - 1) * size, 'it leads to something').toBeLessThan(Math.max(total, 1))
      expect(Number(other)).toBeGreaterThan(0)
    }
  })
})
