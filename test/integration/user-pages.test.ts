import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { BROWSER, HTMX, idOf, type Scope, startScope } from './user-scope.ts'

const BEN = { id: idOf('Ben'), name: 'Ben’s desktop', address: '127.0.0.1:5001' }
const CHLOE = { id: idOf('Chloé'), name: 'Chloé', address: '127.0.0.1:5002' }
const NASTY = '<img src=x onerror=alert(1)>"\'<hx-partial hx-target=body>.html'

const page = async (scope: Scope, path: string): Promise<string> => (await scope.ask(path, { headers: BROWSER })).text
const file = (name: string, publishedMs = Date.now()) => ({ name, bytes: Buffer.from(name), publishedMs })
const ids = (html: string, prefix: string): string[] =>
  [...html.matchAll(new RegExp(`<li id="(${prefix}[^"]*)"`, 'g'))].map(([, id = '']) => id)

describe('foreign text', () => {
  test('is text, whoever it is from and wherever it stands', async () => {
    const scope = await startScope({ name: NASTY })
    await writeFile(join(scope.home, NASTY.replaceAll('/', '')), 'mine')
    await scope.published.publish(NASTY.replaceAll('/', ''))
    scope.meet({ ...BEN, name: NASTY, files: [file(NASTY), { ...file('x'), name: `also ${NASTY}` }] })
    scope.meet({ ...CHLOE, name: NASTY, files: [file(`away ${NASTY}`)], alive: false })
    const asked = encodeURIComponent(NASTY)
    for (const path of [
      '/',
      `/?q=${asked}`,
      '/myfiles',
      `/myfiles?q=${asked}`,
      '/nodes',
      '/help',
      `/nodes/${BEN.id}`,
      `/nodes/${BEN.id}?q=${asked}`,
      `/nodes/${CHLOE.id}`,
      `/myfiles/${asked}/upload`,
      `/myfiles/${asked}/clear`,
      '/<img>',
    ]) {
      for (const headers of [BROWSER, HTMX]) {
        const { text } = await scope.ask(path, { headers })
        expect([path, /<img|<hx-partial hx-target=body/.exec(text)?.[0]]).toEqual([path, undefined])
      }
    }
    expect(await page(scope, '/')).toContain(
      '<bdi>&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&lt;hx-partial hx-target=body&gt;</bdi><span dir="ltr">.html</span>',
    )
  })

  test('does not break its line and shows its real extension', async () => {
    const scope = await startScope()
    scope.meet({ ...BEN, files: [file('in\u202evoice\nfdp.exe')] })
    expect(await page(scope, '/')).toContain('<bdi>in\ufffdvoice\ufffdfdp</bdi><span dir="ltr">.exe</span>')
  })
})

describe('a row of the list', () => {
  test('says who has it and offers what can be done', async () => {
    const scope = await startScope()
    await writeFile(join(scope.home, 'mine.ods'), 'mine')
    await scope.published.publish('mine.ods')
    const away = new Date()
    scope.meet({
      ...BEN,
      files: [
        file('film.mp4', Date.now() - 240_000),
        file('setup.exe'),
        { ...file('x'), name: 'same.pdf', publishedMs: 5 },
      ],
    })
    scope.meet({
      ...CHLOE,
      files: [file('geology.zip'), { ...file('y'), name: 'same.pdf', publishedMs: 4 }],
      alive: false,
    })
    const html = await page(scope, '/')
    const row = (name: string): string =>
      html.split('<li id="row-').find((part) => part.includes(`<bdi>${name}</bdi>`)) ?? ''
    expect(row('film')).toContain('Video, published 4 minutes ago')
    expect(row('film')).toMatch(
      /<form action="\/transfers" method="post"[^>]*><input type="hidden" name="root" value="[0-9a-f]{64}">/,
    )
    expect(row('film')).toContain('<button class="btn do" aria-label="Fetch film.mp4">')
    expect(row('film')).toContain('<span class="sr">on Ben’s desktop</span>')
    expect(row('setup')).toContain('A program. Open it only if you trust <bdi>Ben’s desktop</bdi>.')
    expect(row('geology')).toContain(`<bdi>Chloé</bdi> has it, away since ${away.getHours()}:`)
    expect(row('geology')).toContain('aria-label="When back: fetch geology.zip when Chloé is back"')
    expect(row('mine')).toContain('Yours</span>')
    expect(row('mine')).toContain('action="/myfiles/mine.ods/clear"')
  })

  test('tells one of two files with one name', async () => {
    const scope = await startScope()
    scope.meet({ ...BEN, files: [{ ...file('a'), name: 'Minutes.pdf', publishedMs: 2 }] })
    scope.meet({ ...CHLOE, files: [{ ...file('b'), name: 'minutes.pdf', publishedMs: 1 }] })
    const html = await page(scope, '/')
    expect(html.match(/Another file with the same name, from <bdi>Chloé<\/bdi>/g)).toHaveLength(1)
    expect(html).not.toContain('same name, from <bdi>Ben')
  })
})

describe('a long list', () => {
  test('is cut into pages of fifty that keep their question', async () => {
    const scope = await startScope()
    scope.meet({ ...BEN, files: Array.from({ length: 120 }, (_, at) => file(`song ${at}.flac`, 1_000 + at)) })
    const first = await page(scope, '/?q=song&kind=music')
    expect(ids(first, 'row-')).toHaveLength(50)
    expect(first).toContain('1 to 50 of 120')
    expect(first).toContain('href="/?q=song&amp;kind=music&amp;page=2"')
    const last = await page(scope, '/?q=song&kind=music&page=3')
    expect(ids(last, 'row-')).toHaveLength(20)
    expect(last).toContain('101 to 120 of 120')
    expect(last).not.toContain('page=4')
    expect(await page(scope, '/?page=99')).toContain('page=3')
  })

  test('of a hundred thousand files answers a search quickly', { timeout: 30_000 }, async () => {
    const scope = await startScope()
    const bytes = Buffer.from('x')
    const files = Array.from({ length: 100_000 }, (_, at) => {
      const hash = at.toString(16).padStart(64, '0')
      return { name: `report number ${at}.pdf`, bytes, hash, root: hash, publishedMs: at }
    })
    scope.meet({ ...BEN, files })
    await page(scope, '/')
    await page(scope, '/?q=nothing')
    const begin = performance.now()
    const html = await page(scope, '/?q=number%2077777')
    expect(ids(html, 'row-')).toHaveLength(1)
    expect(performance.now() - begin).toBeLessThan(1_000)
  })
})

describe('nothing', () => {
  test('shared yet is a welcome, with the files that wait', async () => {
    const scope = await startScope()
    await writeFile(join(scope.home, 'Welcome to portmesh.txt'), 'sample')
    const html = await page(scope, '/')
    expect(html).toContain('Nothing is shared here yet')
    expect(html).toContain('A sample, to try it out')
    expect(html).toContain('Looking for other computers')
    expect(html).not.toContain('Search')
  })

  test('found says what was sought', async () => {
    const scope = await startScope()
    scope.meet({ ...BEN, files: [file('budget.ods')] })
    const html = await page(scope, '/?q=budgte')
    expect(html).toContain('Nothing fits “<bdi>budgte</bdi>”')
    expect(html).toContain('1 file is here now')
    expect(await page(scope, '/myfiles')).toContain('Your folder is empty')
  })
})

describe('what is not built yet', () => {
  test('is not on the pages, and every link leads somewhere', async () => {
    const scope = await startScope()
    await writeFile(join(scope.home, 'mine.ods'), 'mine')
    scope.meet({ ...BEN, files: [file('film.mp4')] })
    const seen = new Set<string>()
    for (const path of [
      '/',
      '/myfiles',
      '/transfers',
      '/nodes',
      `/nodes/${BEN.id}`,
      '/help',
      '/myfiles/mine.ods/upload',
      '/nowhere',
    ]) {
      const html = await page(scope, path)
      expect(html).not.toMatch(/notif|href="#"/i)
      for (const [, href = ''] of html.matchAll(/(?:href|src)="(\/[^"]*)"/g))
        seen.add(href.replaceAll('&amp;', '&').replace(/#.*/, ''))
    }
    for (const href of seen) {
      if (href.startsWith('/getfile/')) continue
      expect([
        href,
        (await scope.ask(href, { headers: { ...BROWSER, 'sec-fetch-site': 'same-origin' } })).status,
      ]).toEqual([href, 200])
    }
    expect(seen.size).toBeGreaterThan(15)
  })
})

describe('an error', () => {
  test('for a person is a page that says what happened and where to go', async () => {
    const scope = await startScope()
    const answer = await scope.ask(`/getfile/${'0'.repeat(64)}`, { headers: BROWSER })
    expect(answer.status).toBe(404)
    expect(answer.text).toContain('<h1 id="ask-h">That file is no longer shared</h1>')
    expect(answer.text).toContain('Nothing was saved.')
    expect(answer.text).toContain('PM_UNKNOWN_CONTENT, 404')
    expect(answer.text.match(/class="btn go"/g)).toHaveLength(1)
  })

  test('for a page that is there is a notice in it', async () => {
    const scope = await startScope()
    const answer = await scope.ask('/myfiles/none.txt/upload', { method: 'POST', headers: HTMX })
    expect(answer.status).toBe(404)
    expect(answer.text).toMatch(
      /^<hx-partial hx-target="#toasts" hx-swap="beforeend"><div class="toast bad" role="alert">/,
    )
    expect(answer.text).toContain('There is no such file in your folder')
  })
})

describe('publishing from a page', () => {
  test('changes its rows in place, with the way back', async () => {
    const scope = await startScope()
    await writeFile(join(scope.home, 'plan.pdf'), 'plan')
    await scope.published.publish('plan.pdf')
    const cleared = await scope.ask('/myfiles/plan.pdf/clear', { method: 'POST', headers: HTMX })
    expect(cleared.text).toContain('<bdi>plan.pdf</bdi> is off the mesh. The file stays in your folder.')
    expect(cleared.text).toMatch(
      /hx-target="#my-\w+"[\s\S]*hx-target="#mine-\w+"[\s\S]*hx-target="#row-[0-9a-f]{12}"[\s\S]*hx-target="#toasts"/,
    )
    expect(cleared.text).toContain('aria-label="Undo: publish plan.pdf again"')
    const again = await scope.ask('/myfiles/plan.pdf/upload', { method: 'POST', headers: HTMX })
    expect(again.text).toContain('aria-label="Unpublish plan.pdf"')
    expect(again.text).not.toContain('#toasts')
  })

  test('without JavaScript leads back to the row, wherever the form stood', async () => {
    const scope = await startScope()
    await writeFile(join(scope.home, 'plan.pdf'), 'plan')
    const post = async (referer: string) =>
      (
        await scope.ask('/myfiles/plan.pdf/upload', {
          method: 'POST',
          headers: { ...BROWSER, 'sec-fetch-site': 'same-origin', origin: scope.url, referer: scope.url + referer },
        })
      ).headers.location
    const key = ids(await page(scope, '/myfiles'), 'my-')[0]?.slice(3)
    expect(await post('/myfiles?page=1&q=plan')).toBe(`/myfiles?page=1&q=plan#my-${key}`)
    expect(await post('/?kind=document')).toBe(`/?kind=document#mine-${key}`)
    expect(await post('/myfiles/plan.pdf/upload')).toBe(`/myfiles#my-${key}`)
  })
})
