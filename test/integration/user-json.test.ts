import { mkdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { shortFingerprint } from '../../src/trust/acquaintances.ts'
import { BROWSER, HTMX, hashOf, idOf, type Scope, startScope } from './user-scope.ts'

const REPORT = Buffer.from('the report')
const NOTES = Buffer.from('some notes')
const BEN = { id: idOf('Ben'), name: 'Ben’s desktop', address: '127.0.0.1:5001' }
const CHLOE = { id: idOf('Chloé'), name: 'Chloé', address: '127.0.0.1:5002' }

const put = async (scope: Scope, name: string, bytes: Buffer | string, modified?: Date): Promise<void> => {
  await mkdir(join(scope.home, name, '..'), { recursive: true })
  await writeFile(join(scope.home, name), bytes)
  if (modified) await utimes(join(scope.home, name), modified, modified)
}

describe('for a program', () => {
  test('GET / says what this node is', async () => {
    const scope = await startScope()
    scope.meet({ ...BEN, files: [{ name: 'report.pdf', bytes: REPORT }] })
    scope.meet({ ...CHLOE, alive: false })
    expect((await scope.ask('/')).json()).toEqual({
      name: 'Ana’s laptop',
      id: idOf('Ana’s laptop'),
      port: scope.port,
      address: `127.0.0.1:${scope.port}`,
      version: '0.0.0',
      refusals: {},
      home: scope.home,
      fingerprint: shortFingerprint(idOf('Ana’s laptop')),
      copies: [],
      nodes: { alive: 1, away: 1 },
      files: 1,
    })
  })

  test('GET /myfiles lists the folder, the latest first, in pages and by words', async () => {
    const scope = await startScope()
    await put(scope, 'old.txt', 'old', new Date('2026-01-02T03:04:05Z'))
    await put(scope, 'album/01.flac', 'music', new Date('2026-02-02T03:04:05Z'))
    await put(scope, '__proto__', 'proto', new Date('2026-03-02T03:04:05Z'))
    await put(scope, 'new.txt', 'new', new Date('2026-04-02T03:04:05Z'))
    await scope.published.publish('old.txt')
    const all = (await scope.ask('/myfiles')).json<{ total: number; files: { name: string }[] }>()
    expect(all.total).toBe(4)
    expect(all.files.map(({ name }) => name)).toEqual(['new.txt', '__proto__', 'album/01.flac', 'old.txt'])
    expect(all.files[0]).toEqual({
      name: 'new.txt',
      size: 3,
      modified: '2026-04-02T03:04:05.000Z',
      state: 'private',
      published: false,
    })
    const hash = hashOf(Buffer.from('old'))
    expect(all.files[3]).toMatchObject({ state: 'published', published: true, hash, root: hash })
    expect((await scope.ask('/myfiles?q=TXT')).json()).toMatchObject({
      total: 2,
      files: [{ name: 'new.txt' }, { name: 'old.txt' }],
    })
    expect((await scope.ask('/myfiles?size=1&page=2')).json()).toMatchObject({
      total: 4,
      files: [{ name: '__proto__' }],
    })
    expect((await scope.ask('/myfiles?show=published')).json()).toMatchObject({
      total: 1,
      files: [{ name: 'old.txt' }],
    })
    expect((await scope.ask('/myfiles?page=99')).json()).toMatchObject({ total: 4, files: [] })
  })

  test('publish, see it, take it out', async () => {
    const scope = await startScope()
    await put(scope, 'report.pdf', REPORT)
    await put(scope, 'album/copy of report.pdf', REPORT)
    scope.meet({ ...BEN, files: [{ name: 'r.pdf', bytes: REPORT }] })
    scope.meet({ ...CHLOE, files: [{ name: 'r.pdf', bytes: REPORT }], alive: false })
    const hash = hashOf(REPORT)
    const file = { name: 'report.pdf', size: REPORT.length, hash, root: hash }
    expect((await scope.ask('/myfiles/report.pdf/upload', { method: 'POST' })).json()).toEqual({
      ...file,
      alreadyOn: ['127.0.0.1:5001'],
      alsoHere: [],
    })
    expect((await scope.ask('/myfiles/album%2Fcopy%20of%20report.pdf/upload')).json()).toMatchObject({
      name: 'album/copy of report.pdf',
      alsoHere: ['report.pdf'],
    })
    expect((await scope.ask('/myfiles/uploaded')).json()).toEqual({
      files: [file, { ...file, name: 'album/copy of report.pdf' }],
    })
    expect((await scope.ask('/myfiles/report.pdf/clear', { method: 'POST' })).json()).toEqual({
      cleared: ['report.pdf'],
    })
    expect((await scope.ask('/myfiles/report.pdf/clear', { method: 'POST' })).json()).toEqual({ cleared: [] })
    expect((await scope.ask('/uploaded/clear')).json()).toEqual({ cleared: ['album/copy of report.pdf'] })
    expect((await scope.ask('/myfiles/uploaded')).json()).toEqual({ files: [] })
  })

  test('publish does not wait when it is asked not to', async () => {
    const scope = await startScope()
    await put(scope, 'large.bin', Buffer.alloc(64_000_000))
    const answer = await scope.ask('/myfiles/large.bin/upload', {
      method: 'POST',
      headers: { prefer: 'respond-async' },
    })
    expect([answer.status, answer.json()]).toEqual([202, { name: 'large.bin', state: 'preparing' }])
    expect((await scope.ask('/myfiles')).json()).toMatchObject({ files: [{ state: 'preparing', published: false }] })
    expect((await scope.published.publish('large.bin')).size).toBe(64_000_000)
  })

  test('GET /nodes lists the others with what they have', async () => {
    const scope = await startScope()
    const files = Array.from({ length: 120 }, (_, at) => ({
      name: `file ${at}.txt`,
      bytes: Buffer.from(`content ${at}`),
      publishedMs: at,
    }))
    scope.meet({ ...BEN, files })
    scope.meet({ ...CHLOE, alive: false })
    const { nodes } = (await scope.ask('/nodes')).json<{ nodes: { name: string; files: { name: string }[] }[] }>()
    expect(nodes).toHaveLength(2)
    expect(nodes[0]).toMatchObject({
      address: '127.0.0.1:5001',
      addresses: ['127.0.0.1:5001'],
      id: BEN.id,
      name: BEN.name,
      alive: true,
      count: 120,
    })
    expect(nodes[0]).toMatchObject({
      lastSeen: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      size: expect.any(Number),
    })
    expect(nodes[0]?.files).toHaveLength(100)
    expect(nodes[0]?.files[0]).toEqual({
      name: 'file 119.txt',
      size: 11,
      hash: hashOf(Buffer.from('content 119')),
      root: hashOf(Buffer.from('content 119')),
    })
    expect(nodes[1]).toMatchObject({ name: 'Chloé', alive: false, count: 0, size: 0, files: [] })
    const one = (await scope.ask(`/nodes/${BEN.id}?page=3&size=50`)).json<{
      count: number
      files: { name: string }[]
    }>()
    expect([one.count, one.files.length, one.files[0]?.name]).toEqual([120, 20, 'file 19.txt'])
    expect((await scope.ask(`/nodes/${'0'.repeat(64)}`)).json()).toMatchObject({ error: { code: 'PM_UNKNOWN_PEER' } })
    expect((await scope.ask('/nodes/ben')).status).toBe(400)
  })

  test('GET /getfile/available is the catalogue, searched, sorted, in pages', async () => {
    const scope = await startScope()
    await put(scope, 'my report.pdf', REPORT)
    scope.meet({
      ...BEN,
      files: [
        { name: 'report.pdf', bytes: REPORT, publishedMs: 2_000 },
        { name: 'song.flac', bytes: Buffer.alloc(100), publishedMs: 3_000 },
      ],
    })
    scope.meet({
      ...CHLOE,
      files: [
        { name: 'report.pdf', bytes: REPORT, publishedMs: 1_000 },
        { name: 'notes.txt', bytes: NOTES, publishedMs: 9_000 },
      ],
      alive: false,
    })
    await scope.published.publish('my report.pdf')
    const names = async (query: string) =>
      (await scope.ask(`/getfile/available${query}`))
        .json<{ files: { names: string[] }[] }>()
        .files.map((file) => file.names[0])
    expect(await names('')).toEqual(['report.pdf', 'notes.txt', 'song.flac'])
    expect(await names('?sort=size')).toEqual(['song.flac', 'notes.txt', 'report.pdf'])
    expect(await names('?sort=name')).toEqual(['notes.txt', 'report.pdf', 'song.flac'])
    expect(await names('?sort=holders')).toEqual(['report.pdf', 'notes.txt', 'song.flac'])
    expect(await names('?kind=music')).toEqual(['song.flac'])
    expect(await names('?q=REPORT')).toEqual(['report.pdf'])
    expect(await names('?size=1&page=2')).toEqual(['notes.txt'])
    expect(await names('?q=&kind=&sort=')).toHaveLength(3)
    const { total, files } = (await scope.ask('/getfile/available?q=report')).json<{
      total: number
      files: unknown[]
    }>()
    expect(total).toBe(1)
    expect(files[0]).toEqual({
      root: hashOf(REPORT),
      hash: hashOf(REPORT),
      size: REPORT.length,
      names: ['report.pdf', 'my report.pdf'],
      holders: [
        { address: '127.0.0.1:5001', id: BEN.id, name: 'Ben’s desktop', alive: true },
        { address: '127.0.0.1:5002', id: CHLOE.id, name: 'Chloé', alive: false },
      ],
      mine: true,
    })
  })

  test.each([
    ['/?page=0', 400],
    ['/?page=one', 400],
    ['/?kind=nothing', 400],
    ['/getfile/available?size=1001', 400],
    ['/myfiles?show=everything', 400],
    ['/getfile/abc', 400],
    [`/getfile/${'a'.repeat(63)}g`, 400],
    ['/nowhere', 404],
    ['/myfiles/none.txt/upload', 404],
    ['/myfiles/..%2f..%2fetc%2fpasswd/upload', 400],
    ['/myfiles/a%00b/upload', 400],
    ['/myfiles/.portmesh%2Fstate.db/upload', 400],
    [`/myfiles/${'x'.repeat(300)}/upload`, 400],
    [`/getfile/${'a'.repeat(64)}`, 404],
  ])('%s: %d, as JSON that does not repeat what was sent', async (path, status) => {
    const scope = await startScope()
    const answer = await scope.ask(path)
    expect(answer.status).toBe(status)
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8')
    expect(answer.json()).toEqual({ error: { code: expect.stringMatching(/^PM_/), message: expect.any(String) } })
    expect(answer.text).not.toMatch(/passwd|xxxx|everything|nowhere|one"/)
  })
})

describe('negotiation', () => {
  test.each([
    ['*/*', 'application/json; charset=utf-8'],
    ['application/json', 'application/json; charset=utf-8'],
    ['', 'application/json; charset=utf-8'],
    ['text/html', 'text/html; charset=utf-8'],
    [BROWSER.accept, 'text/html; charset=utf-8'],
    ['application/json, text/html;q=0', 'application/json; charset=utf-8'],
  ])('Accept: %s gets %s', async (accept, type) => {
    const scope = await startScope()
    for (const path of ['/', '/myfiles', '/nodes', '/nowhere']) {
      expect([path, (await scope.ask(path, { headers: { accept } })).headers['content-type']]).toEqual([path, type])
    }
  })

  test('htmx gets the parts that change, everything else whole pages', async () => {
    const scope = await startScope()
    for (const path of ['/', '/myfiles', '/nodes']) {
      const part = await scope.ask(path, { headers: HTMX })
      expect(part.text).toMatch(/^<hx-partial /)
      expect(part.text).not.toContain('<html')
      const full = await scope.ask(path, { headers: { ...HTMX, 'hx-request-type': 'full' } })
      expect(full.text).toMatch(/^<!doctype html>/)
    }
  })

  test('the address bar follows: typing replaces, a choice pushes, what is there already stays', async () => {
    const scope = await startScope()
    const at = { ...HTMX, 'hx-current-url': `${scope.url}/` }
    const typed = await scope.ask('/?q=report&kind=&sort=', { headers: { ...at, 'hx-source': 'form#find' } })
    expect(typed.headers['hx-replace-url']).toBe('/?q=report')
    expect(typed.text).toContain('/events?view=')
    const chosen = await scope.ask('/?kind=video', { headers: { ...at, 'hx-source': 'a' } })
    expect(chosen.headers['hx-push-url']).toBe('/?kind=video')
    const same = await scope.ask('/', { headers: { ...at, 'hx-source': 'a' } })
    expect([same.headers['hx-push-url'], same.headers['hx-replace-url']]).toEqual([undefined, undefined])
    expect(same.text).not.toContain('/events')
  })

  test('a browser is led from lists of JSON to the page that shows the same', async () => {
    const scope = await startScope()
    scope.meet(BEN)
    const led = async (path: string) => {
      const { status, headers } = await scope.ask(path, { headers: { ...BROWSER, 'sec-fetch-site': 'none' } })
      return [status, headers.location]
    }
    expect(await led('/getfile/available?q=a%20b&sort=name')).toEqual([303, '/?q=a+b&sort=name'])
    expect(await led('/myfiles/uploaded')).toEqual([303, '/myfiles?show=published'])
  })
})
