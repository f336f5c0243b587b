import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { request } from 'undici'
import { describe, expect, test } from 'vitest'
import type { TransferAnswer } from '../../src/api/transfer.ts'
import { until } from '../helpers/api.ts'
import { BROWSER, type Scope, startScope } from './user-scope.ts'

import {
  BEN,
  begin,
  CHLOE,
  click,
  desktop,
  FILM,
  fetched,
  hold,
  is,
  look,
  page,
  partOf,
  post,
  ROOT,
  ROW,
  withFilm,
} from './user-transfers-tools.ts'

describe('a program', () => {
  test('fetches by root or by hash, and asks for the same again without fetching it again', async () => {
    const scope = await withFilm()
    const first = await scope.ask('/transfers', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ root: ROOT.toUpperCase() }),
    })
    expect([first.status, first.json()]).toMatchObject([202, { name: 'film.mp4', root: ROOT, size: FILM.length }])
    const { id, hash } = first.json<TransferAnswer>()
    const done = await is(scope, id, 'done')
    expect(done).toMatchObject({
      file: 'film.mp4',
      done: FILM.length,
      eta: null,
      rate: 0,
      holders: [{ id: BEN.id, name: BEN.name, address: BEN.address, bytes: FILM.length, rate: 0 }],
      dropped: [],
    })
    expect((await readFile(join(scope.home, 'film.mp4'))).equals(FILM)).toBe(true)
    const again = await post(scope, '/transfers', `hash=${hash}`)
    expect([again.status, again.json()]).toMatchObject([200, { id, state: 'done' }])
    expect((await scope.ask('/transfers')).json()).toMatchObject({ transfers: [{ id }] })
  })

  test.each([
    ['nothing', '', 400, 'PM_BAD_REQUEST'],
    ['something else', `root=${ROOT}&where=/etc/passwd`, 400, 'PM_BAD_REQUEST'],
    ['what is no hash', 'root=../../etc', 400, 'PM_BAD_REQUEST'],
    ['what nobody shares', `root=${'0'.repeat(64)}`, 404, 'PM_UNKNOWN_CONTENT'],
    ['a root with a hash of something else', `root=${ROOT}&hash=${'0'.repeat(64)}`, 404, 'PM_UNKNOWN_CONTENT'],
  ])('that asks for %s gets an error', async (_what, body, status, code) => {
    const scope = await withFilm()
    const answer = await post(scope, '/transfers', body)
    expect([answer.status, answer.json()]).toMatchObject([status, { error: { code } }])
    expect(scope.transfers.all()).toEqual([])
  })

  test('that asks by a hash which several contents claim is told their roots', async () => {
    const scope = await withFilm()
    const hash = (await begin(scope)).hash
    const lie = 'f'.repeat(64)
    scope.meet({ ...CHLOE, files: [{ name: 'lie.bin', bytes: Buffer.from('lie'), hash, root: lie }] })
    const answer = await post(scope, '/transfers', `hash=${hash}`)
    expect([answer.status, answer.json()]).toMatchObject([409, { error: { code: 'PM_AMBIGUOUS_HASH' } }])
    expect(answer.text).toContain(ROOT)
    expect(answer.text).toContain(lie)
    expect((await post(scope, '/transfers', `hash=${hash}&root=${ROOT}`)).status).toBe(200)
    expect((await click(scope, '/transfers', `hash=${hash}`)).text).toContain('Several files claim this address')
  })

  test('pauses, goes on and gives up; what it asks for at the wrong time changes nothing', async () => {
    const scope = await withFilm()
    const held = hold(scope)
    const { id } = await begin(scope)
    await until(
      () => look(scope, id),
      ({ done }) => done > 0,
    )
    expect((await post(scope, `/transfers/${id}/open`)).json()).toMatchObject({ error: { code: 'PM_NOT_NOW' } })
    expect((await post(scope, `/transfers/${id}/pause`)).json()).toMatchObject({ id, state: 'paused', rate: 0 })
    const { done } = await look(scope, id)
    expect(done).toBeGreaterThan(0)
    expect((await post(scope, `/transfers/${id}/resume`)).json()).toMatchObject({ id })
    await is(scope, id, 'running')
    held.go()
    await is(scope, id, 'done')
    for (const action of ['pause', 'resume', 'retry', 'cancel']) {
      const answer = await post(scope, `/transfers/${id}/${action}`)
      expect([action, answer.status, answer.json()]).toMatchObject([action, 409, { error: { code: 'PM_NOT_NOW' } }])
    }
    expect(await look(scope, id)).toMatchObject({ state: 'done' })
  })

  test('that asks for a transfer that is not there gets 404, and for what is no address 404 or 400', async () => {
    const scope = await withFilm()
    const none = '0'.repeat(16)
    for (const action of ['pause', 'resume', 'retry', 'cancel', 'open']) {
      const answer = await post(scope, `/transfers/${none}/${action}`)
      expect([answer.status, answer.json()]).toMatchObject([404, { error: { code: 'PM_UNKNOWN_TRANSFER' } }])
      expect((await post(scope, `/transfers/..%2f..%2fetc/${action}`)).status).toBe(400)
      expect((await scope.ask(`/transfers/${none}/${action}`)).status).toBe(404)
    }
    expect((await scope.ask(`/transfers/${none}`)).json()).toMatchObject({ error: { code: 'PM_UNKNOWN_TRANSFER' } })
    const words = await scope.ask(`/transfers/${none}`, { headers: BROWSER })
    expect([words.status, words.text.includes('There is no such transfer')]).toEqual([404, true])
  })

  test('is told when it is cancelled that nothing is left of it', async () => {
    const scope = await withFilm()
    hold(scope)
    const { id } = await begin(scope)
    await until(
      () => look(scope, id),
      ({ done }) => done > 0,
    )
    expect(await readdir(scope.place.folder)).toEqual([`${id}.part`])
    expect((await post(scope, `/transfers/${id}/cancel`)).json()).toMatchObject({ state: 'cancelled', done: 0 })
    expect(await readdir(scope.place.folder)).toEqual([])
    for (const action of ['pause', 'cancel'])
      expect((await post(scope, `/transfers/${id}/${action}`)).json()).toMatchObject({ error: { code: 'PM_NOT_NOW' } })
  })
})

describe('a form without JavaScript', () => {
  const own = (scope: Scope, path: string) => ({
    ...BROWSER,
    'sec-fetch-site': 'same-origin',
    origin: scope.url,
    referer: scope.url + path,
  })

  test.each([
    ['/?kind=video&page=1', `/?kind=video&page=1#${ROW}`],
    [`/nodes/${BEN.id}`, `/nodes/${BEN.id}#${ROW}`],
    ['/somewhere', 'transfers'],
    ['/transfers', 'transfers'],
  ])('of %s leads back to its row', async (referer, location) => {
    const scope = await withFilm()
    const answer = await post(scope, '/transfers', `root=${ROOT}`, own(scope, referer))
    const [transfer] = scope.transfers.all()
    expect([answer.status, answer.headers.location]).toEqual([
      303,
      location === 'transfers' ? `/transfers#t-${transfer?.record.id}` : location,
    ])
    const paused = await post(scope, `/transfers/${transfer?.record.id}/cancel`, '', own(scope, referer))
    expect(paused.headers.location ?? '409').toMatch(/#(row|t)-|409/)
  })

  test('does the whole of it, and the page of transfers looks again by itself', async () => {
    const scope = await withFilm()
    const held = hold(scope)
    const home = await page(scope, '/')
    const [, fields = ''] = /<form action="\/transfers" method="post"[^>]*>(.*?)<button/.exec(home) ?? []
    const body = new URLSearchParams(
      [...fields.matchAll(/name="(\w+)" value="([^"]*)"/g)].map(([, key = '', value = '']): [string, string] => [
        key,
        value,
      ]),
    )
    expect([...body.keys()]).toEqual(['root', 'hash', 'name'])
    await post(scope, '/transfers', body.toString(), own(scope, '/'))
    const [transfer] = scope.transfers.all()
    await until(async () => transfer?.done ?? 0, Boolean)
    const html = await page(scope, '/transfers')
    expect(html).toContain('<noscript><meta http-equiv="refresh" content="5"></noscript>')
    const row = partOf(html, `t-${transfer?.record.id}`)
    expect(row).toContain(`<form action="/transfers/${transfer?.record.id}/pause" method="post"`)
    expect(row).toMatch(/<progress class="sr" max="100" value="\d+" aria-label="film.mp4">/)
    // What would delete something asks first, also without a script.
    expect(row).toMatch(/<button [^>]*popovertarget="(ask-\w+)"[\s\S]*id="\1" popover/)
    held.go()
  })
})

describe('a finished file', () => {
  test('is opened by this computer’s own program, which gets its path and nothing else', async () => {
    const { opened, options } = desktop()
    const { scope, id } = await fetched({ handOver: options }, '-o; rm film.mp4')
    const answer = await click(scope, `/transfers/${id}/open`)
    expect([answer.status, answer.text.includes('Opening <bdi>')]).toEqual([200, true])
    const { file = '' } = await look(scope, id)
    expect(opened).toEqual([['xdg-open', join(scope.home, file)]])
    expect((await post(scope, `/transfers/${id}/open`)).json()).toMatchObject({ id })
    expect(opened).toHaveLength(2)
  })

  test.each(['exe', 'sh', 'desktop', 'APP', 'msi', 'html.js', '.exe', 'settingContent-ms'])(
    'that is a program (.%s) is never started',
    async (ending) => {
      const { opened, options } = desktop()
      const { scope, id } = await fetched({ handOver: options }, `invoice.${ending}`)
      const answer = await post(scope, `/transfers/${id}/open`)
      expect([answer.status, answer.json()]).toMatchObject([409, { error: { code: 'PM_IS_PROGRAM' } }])
      expect((await click(scope, `/transfers/${id}/open`)).text).toContain('Programs are not started from here')
      expect(opened).toEqual([])
      expect(await page(scope, '/transfers')).not.toContain('/open"')
    },
  )

  test('is not opened where there is no desktop, nor when it is gone', async () => {
    const headless = await fetched()
    const answer = await post(headless.scope, `/transfers/${headless.id}/open`)
    expect([answer.status, answer.json()]).toMatchObject([409, { error: { code: 'PM_NO_DESKTOP' } }])
    const { opened, options } = desktop()
    const { scope, id } = await fetched({ handOver: options })
    await rm(join(scope.home, 'film.mp4'))
    const gone = await post(scope, `/transfers/${id}/open`)
    expect([gone.status, gone.json()]).toMatchObject([404, { error: { code: 'PM_NO_SUCH_FILE' } }])
    expect(opened).toEqual([])
  })

  test('is saved from the disk, without anybody else, also after a restart', async () => {
    const { scope } = await fetched()
    scope.table.forget(BEN.id)
    await scope.stop()
    const again = await startScope({ home: scope.home })
    for (const each of [again]) {
      const head = await each.ask(`/getfile/${ROOT}`, { method: 'HEAD' })
      expect([head.status, head.headers['content-length']]).toEqual([200, String(FILM.length)])
      expect(head.headers['content-disposition']).toContain('film.mp4')
      const { body } = await request(`${each.url}/getfile/${ROOT}`)
      expect(Buffer.from(await body.arrayBuffer()).equals(FILM)).toBe(true)
    }
    expect(await page(again, '/transfers')).toContain('Complete and checked')
    await writeFile(join(again.home, 'film.mp4'), Buffer.alloc(FILM.length))
    expect((await again.ask(`/getfile/${ROOT}`)).json()).toMatchObject({ error: { code: 'PM_UNKNOWN_CONTENT' } })
  })
})
