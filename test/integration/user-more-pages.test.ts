import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { shortFingerprint } from '../../src/trust/acquaintances.ts'
import { until } from '../helpers/api.ts'
import { BROWSER, HTMX, idOf, type Scope, startScope } from './user-scope.ts'

const BEN = { id: idOf('Ben'), name: 'Ben’s desktop', address: '127.0.0.1:5001' }
const CHLOE = { id: idOf('Chloé'), name: 'Chloé', address: '127.0.0.1:5002' }

const page = async (scope: Scope, path: string): Promise<string> => (await scope.ask(path, { headers: BROWSER })).text
const file = (name: string, publishedMs = Date.now()) => ({ name, bytes: Buffer.from(name), publishedMs })
const ids = (html: string, prefix: string): string[] =>
  [...html.matchAll(new RegExp(`<li id="(${prefix}[^"]*)"`, 'g'))].map(([, id = '']) => id)

describe('My files with twenty thousand of them', () => {
  test('is one page, comes at once, and finds any of them', { timeout: 120_000 }, async () => {
    const scope = await startScope()
    for (let folder = 0; folder < 20; folder += 1) {
      const path = join(scope.home, `folder ${folder}`)
      await mkdir(path)
      const numbers = Array.from({ length: 1_000 }, (_, at) => at)
      await Promise.all(numbers.map((at) => writeFile(join(path, `report ${at}.pdf`), 'x')))
    }
    const timed = async (path: string): Promise<{ html: string; ms: number }> => {
      const begin = performance.now()
      const html = await page(scope, path)
      return { html, ms: performance.now() - begin }
    }
    await page(scope, '/myfiles')
    for (const round of ['the walk is fresh', 'it is old']) {
      const first = await timed('/myfiles')
      expect(ids(first.html, 'my-')).toHaveLength(50)
      expect(first.html).toContain('1 to 50 of 20,000')
      const found = await timed('/myfiles?q=report+777+19')
      expect(ids(found.html, 'my-')).toHaveLength(1)
      const last = await timed('/myfiles?page=400')
      expect(ids(last.html, 'my-')).toHaveLength(50)
      expect([round, Math.max(first.ms, found.ms, last.ms) < 300]).toEqual([round, true])
      expect(first.html.length).toBeLessThan(60_000)
      if (round === 'the walk is fresh') await sleep(3_000)
    }
    // What was found too late for a page is told to those that are open.
    await writeFile(join(scope.home, 'new.pdf'), 'new')
    await until(
      () => page(scope, '/myfiles'),
      (html) => html.includes('20,001') && html.includes('<bdi>new</bdi>'),
    )
  })
})

describe('a node', () => {
  test('has a page with its name, where it is, its fingerprint and its files', async () => {
    const scope = await startScope()
    scope.meet({ ...BEN, files: [file('old.pdf', 1_000), file('film.mp4')] })
    scope.meet({ ...CHLOE, files: [{ ...file('film.mp4'), name: 'copy.mp4' }] })
    const html = await page(scope, `/nodes/${BEN.id}`)
    expect(html).toContain('<h1><bdi>Ben’s desktop</bdi></h1>')
    expect(html).toContain('<span class="ok">Here now</span>')
    expect(html).toContain(`<code>${shortFingerprint(BEN.id)}</code>`)
    expect(html).toContain('<code>127.0.0.1:5001</code>')
    expect(html).toContain('href="http://127.0.0.1:5001/"')
    expect(ids(html, 'row-')).toHaveLength(2)
    expect(html.indexOf('<bdi>film')).toBeLessThan(html.indexOf('<bdi>old'))
    expect(html).toContain('name="name" value="film.mp4"><button class="btn do" aria-label="Fetch film.mp4">')
    expect(html).toContain('also called <bdi>copy.mp4</bdi>')
    expect(await page(scope, '/nodes')).toContain(
      `<a class="name" href="/nodes/${BEN.id}"><bdi>Ben’s desktop</bdi></a>`,
    )
  })

  test('that is away says since when, and its files come from who else has them', async () => {
    const scope = await startScope()
    scope.meet({ ...BEN, files: [file('only.pdf'), file('both.pdf')], alive: false })
    scope.meet({ ...CHLOE, files: [file('both.pdf')] })
    const html = await page(scope, `/nodes/${BEN.id}`)
    expect(html).toMatch(/Away since \d+:\d\d/)
    expect(html).not.toContain('Visit')
    expect(html.match(/aria-label="Fetch both.pdf"/g)).toHaveLength(1)
    expect(html).not.toContain('Fetch only.pdf')
    expect(html).toContain('aria-label="When back: fetch only.pdf when Ben’s desktop is back"')
  })

  test('with many files shows them in pages, and finds one by its name', async () => {
    const scope = await startScope()
    scope.meet({ ...BEN, files: Array.from({ length: 120 }, (_, at) => file(`song ${at}.flac`, 1_000 + at)) })
    expect(await page(scope, `/nodes/${BEN.id}`)).toContain('1 to 50 of 120')
    expect(ids(await page(scope, `/nodes/${BEN.id}?page=3`), 'row-')).toHaveLength(20)
    const found = await page(scope, `/nodes/${BEN.id}?q=SONG+77`)
    expect(ids(found, 'row-')).toHaveLength(1)
    const json = await scope.ask(`/nodes/${BEN.id}?q=song+77`)
    expect(json.json()).toMatchObject({ count: 120, files: [{ name: 'song 77.flac' }] })
    const part = await scope.ask(`/nodes/${BEN.id}?q=song+7`, { headers: HTMX })
    expect(part.headers['hx-push-url']).toBe(`/nodes/${BEN.id}?q=song+7`)
    expect(part.text).toContain('hx-target="#shared"')
    expect(await page(scope, `/nodes/${BEN.id}?q=none`)).toContain('Nothing fits “<bdi>none</bdi>”')
  })

  test('shows what it shares twice as two rows, and what changes of it', async () => {
    const scope = await startScope()
    scope.meet({ ...BEN, files: [file('one.pdf'), { ...file('one.pdf'), name: 'two.pdf' }] })
    expect(new Set(ids(await page(scope, `/nodes/${BEN.id}`), 'row-')).size).toBe(2)
    scope.meet({ ...BEN, files: [file('three.pdf')] })
    const html = await page(scope, `/nodes/${BEN.id}`)
    expect([html.includes('three'), html.includes('two')]).toEqual([true, false])
  })

  test('that nobody knows is an error in words, and this computer is My files', async () => {
    const scope = await startScope()
    const answer = await scope.ask(`/nodes/${'0'.repeat(64)}`, { headers: BROWSER })
    expect([answer.status, answer.text.includes('No computer of the mesh has that address')]).toEqual([404, true])
    const own = await scope.ask(`/nodes/${idOf('Ana’s laptop')}`, { headers: BROWSER })
    expect([own.status, own.headers.location]).toEqual([303, '/myfiles'])
  })
})

describe('help', () => {
  test('has a line for every address there is, and for none that is not', async () => {
    const scope = await startScope()
    const { routes } = (await scope.ask('/help')).json<{ routes: { method: string; path: string; what: string }[] }>()
    const listed = routes.map(({ method, path }) => `${method} ${path}`)
    const there = scope.routes.filter(
      (route) => !route.startsWith('HEAD ') && !/ \/assets\//.test(route) && !/^GET .*\/(upload|clear)$/.test(route),
    )
    expect(listed.toSorted()).toEqual(there.toSorted())
    const html = await page(scope, '/help')
    for (const { method, path, what } of routes) {
      expect(html).toContain(`<code>${method} ${path}</code>`)
      expect(what).not.toBe('')
    }
  })

  test('draws the pages, each a link that leads there', async () => {
    const scope = await startScope()
    const { pages } = (await scope.ask('/help')).json<{ pages: { path: string; title: string }[] }>()
    expect(pages.map(({ path }) => path)).toEqual([
      '/',
      '/myfiles',
      '/transfers',
      '/transfers/:id',
      '/nodes',
      '/nodes/:id',
      '/lan',
      '/help',
    ])
    for (const { title } of pages) expect(await page(scope, '/help')).toContain(`>${title}</text>`)
    expect(await page(scope, '/help')).not.toContain(`href="/nodes/`)
    scope.meet(BEN)
    expect(await page(scope, '/help')).toContain(`href="/nodes/${BEN.id}"><rect`)
  })
})
