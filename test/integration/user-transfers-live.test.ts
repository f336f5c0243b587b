import { setTimeout as sleep } from 'node:timers/promises'
import { request } from 'undici'
import { describe, expect, onTestFinished, test } from 'vitest'
import { until } from '../helpers/api.ts'
import { HTMX, type Scope, startScope } from './user-scope.ts'
import { BEN, begin, click, FILM, hold, is, look, page, partOf, ROW, withFilm } from './user-transfers-tools.ts'

const listen = async (scope: Scope, path: string, headers: Record<string, string>) => {
  const { body } = await request(scope.url + path, { headers, bodyTimeout: 0 })
  const chunks: { readonly text: string; readonly atMs: number }[] = []
  onTestFinished(() => void body.on('error', () => {}).destroy())
  void (async () => {
    for await (const chunk of body) chunks.push({ text: String(chunk), atMs: performance.now() })
  })().catch(() => {})
  return { chunks, text: () => chunks.map(({ text }) => text).join('') }
}

describe('what goes on', () => {
  test('is kept over a restart: paused stays paused with what it has, and goes on', async () => {
    const first = await withFilm()
    hold(first)
    const { id } = await begin(first)
    await until(
      () => look(first, id),
      ({ done }) => done > 0,
    )
    await click(first, `/transfers/${id}/pause`)
    const { done } = await look(first, id)
    await first.stop()
    const scope = await startScope({ home: first.home })
    expect(await look(scope, id)).toMatchObject({ state: 'paused', done })
    expect(partOf(await page(scope, '/transfers'), `t-${id}`)).toContain('<bdi>Ben’s desktop</bdi>')
    scope.meet({ ...BEN, files: [{ name: 'film.mp4', bytes: FILM }] })
    await click(scope, `/transfers/${id}/resume`)
    await is(scope, id, 'done')
  })

  test('is told to pages that are open: rows at most twice a second, the end as a notice', async () => {
    const scope = await withFilm()
    scope.contents.before = async ({ signal }) => await sleep(400, undefined, { signal }).catch(() => {})
    const { chunks, text } = await listen(scope, '/events?view=transfers', HTMX)
    const files = await listen(scope, '/events?view=myfiles', HTMX)
    const { id } = await begin(scope)
    await is(scope, id, 'done')
    await until(
      async () => text(),
      (all) =>
        all.includes('Complete and checked') && all.includes('<bdi>film.mp4</bdi> is here. 1 MB from 1 computer.'),
    )
    const rows = chunks.filter((chunk) => chunk.text.includes(`id="t-${id}"`) && / of 1 MB</.test(chunk.text))
    expect(rows.length).toBeGreaterThan(1)
    const gaps = rows.slice(1).map(({ atMs }, at) => atMs - (rows[at]?.atMs ?? 0))
    expect(Math.min(...gaps)).toBeGreaterThan(400)
    // Another page hears of the beginning and of the end only.
    await until(
      async () => files.text(),
      (all) => all.includes('is here.'),
    )
    expect(files.text()).not.toContain('seconds left')
    expect(files.text().match(/id="moving"/g)?.length ?? 0).toBeLessThan(5)
  })

  test('is told to the home page, row and card and strip, and to programs by its name', async () => {
    const scope = await withFilm()
    const held = hold(scope)
    const home = await listen(scope, '/events?view=home', HTMX)
    const program = await listen(scope, '/events', {})
    const { id } = await begin(scope)
    await until(
      async () => home.text(),
      (all) => new RegExp(`hx-target="#${ROW}"[\\s\\S]*\\d+ %, `).test(all) && all.includes(`id="tm-${id}"`),
    )
    expect(home.text()).toMatch(/<aside class="phone" id="now" aria-label="Now moving">/)
    held.go()
    await until(
      async () => home.text(),
      (all) => all.includes('Here already') && all.includes('1 done today'),
    )
    const [, last = ''] = await until(
      async () => [...program.text().matchAll(/event: transfers\ndata: (.*)\n/g)].at(-1) ?? [],
      ([, data = '']) => data.includes('"done"'),
    )
    expect(JSON.parse(last)).toEqual((await scope.ask('/transfers')).json())
  })

  test('is said on every page when it stops, with the reason', async () => {
    const scope = await withFilm()
    hold(scope)
    const files = await listen(scope, '/events?view=myfiles', HTMX)
    const { id } = await begin(scope)
    await is(scope, id, 'running')
    await until(
      async () => files.text(),
      (all) => all.includes('id="moving">1'),
    )
    await click(scope, `/transfers/${id}/pause`)
    scope.transfers.get(id).save({ state: 'failed', error: 'PM_CANNOT_WRITE' })
    await until(
      async () => files.text(),
      (all) => all.includes('<bdi>film.mp4</bdi>: Stopped: your folder cannot be written.'),
    )
    expect(files.text()).toContain('<div class="toast bad" role="alert">')
  })

  test('and was over before the node began is no news', async () => {
    const first = await withFilm()
    const { id } = await begin(first)
    await is(first, id, 'done')
    await first.stop()
    const scope = await startScope({ home: first.home })
    const files = await listen(scope, '/events?view=myfiles', HTMX)
    scope.news.tell('transfers')
    await sleep(600)
    expect(files.text()).not.toContain('is here.')
  })
})
