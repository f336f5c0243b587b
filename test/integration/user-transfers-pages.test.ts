import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { FileChanged } from '../../src/errors.ts'
import { until } from '../helpers/api.ts'
import { rootOf } from '../helpers/contents.ts'
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
  targetsOf,
  withFilm,
} from './user-transfers-tools.ts'

describe('a row of the list', () => {
  test('shows what its own click did, and a bar of who gave what', async () => {
    const scope = await withFilm()
    hold(scope)
    const answer = await click(scope, '/transfers', `root=${ROOT}`)
    const [transfer] = scope.transfers.all()
    const id = transfer?.record.id ?? ''
    expect(answer.status).toBe(200)
    expect(targetsOf(answer.text)).toEqual([`#${ROW}`, `#t-${id}`, '#transfers', '#now', '#moving'])
    expect(partOf(answer.text, ROW)).toContain(`action="/transfers/${id}/pause"`)
    expect(answer.text).toContain('id="moving">1<span class="sr"> moving</span>')
    await until(async () => transfer?.done ?? 0, Boolean)
    const row = partOf(await page(scope, '/'), ROW)
    expect(row).toMatch(
      /<svg class="weave" viewBox="0 0 8 10"[^>]*><rect class="h\d" x="0" width="\d" height="10"\/><\/svg>/,
    )
    expect(row).toMatch(/\d+ %, [\d.]+ [kM]B\/s, \d+ seconds? left/)
    expect(row).toContain('aria-label="Pause film.mp4"')
    const paused = partOf((await click(scope, `/transfers/${id}/pause`)).text, ROW)
    expect(paused).toMatch(/Paused at \d+ %/)
    expect(paused).toContain('class="weave still"')
    expect(paused).toContain('aria-label="Resume film.mp4"')
  })

  test('offers to open what is here, or to save a copy of a program, and where nothing can be opened', async () => {
    const { options } = desktop()
    const opens = await fetched({ handOver: options })
    expect(partOf(await page(opens.scope, '/'), ROW)).toMatch(
      /check"\/><\/svg>Here already<\/span>[\s\S]*action="\/transfers\/\w+\/open"[\s\S]*aria-label="Open film.mp4"/,
    )
    const program = await fetched({ handOver: options }, 'setup.exe')
    const headless = await fetched()
    for (const { scope } of [program, headless]) {
      const row = partOf(await page(scope, '/'), ROW)
      expect(row).toContain(
        `<form action="/getfile/${ROOT}" method="get"><button class="btn " aria-label="Save a copy of `,
      )
      expect(row).not.toContain('/open')
    }
  })

  test('of what is not in the folder any more, or not as it came, can be fetched again', async () => {
    const { scope, id } = await fetched()
    await writeFile(join(scope.home, 'film.mp4'), 'edited')
    await until(
      async () => partOf(await page(scope, '/'), ROW),
      (row) => row.includes('aria-label="Fetch film.mp4"'),
    )
    expect(await page(scope, '/transfers')).toContain('Changed since it arrived')
    await rm(join(scope.home, 'film.mp4'))
    await until(
      () => page(scope, '/transfers'),
      (html) => html.includes('Not in your folder any more') && html.includes('Fetch again: film.mp4'),
    )
    const again = await begin(scope)
    expect(again.id).not.toBe(id)
    await is(scope, again.id, 'done')
    expect((await readFile(join(scope.home, 'film.mp4'))).equals(FILM)).toBe(true)
  })

  test('whose holders are away waits for them when it is asked to, can be undone, and begins by itself', async () => {
    const scope = await withFilm()
    scope.table.gone(BEN.address)
    expect(partOf(await page(scope, '/'), ROW)).toContain(
      'aria-label="When back: fetch film.mp4 when Ben’s desktop is back"',
    )
    const waits = partOf((await click(scope, '/transfers', `root=${ROOT}`)).text, ROW)
    expect(waits).toContain('Waiting for <bdi>Ben’s desktop</bdi>')
    const [, cancel = ''] = /action="(\/transfers\/\w+\/cancel)"/.exec(waits) ?? []
    const undone = await click(scope, cancel)
    expect(partOf(undone.text, ROW)).toContain('When back')
    expect(undone.text).toContain('<bdi>film.mp4</bdi> is not fetched any more.')
    const undo = await click(scope, cancel.replace('cancel', 'resume'))
    expect(partOf(undo.text, ROW)).toContain('Waiting for')
    scope.table.answered(BEN.address)
    await until(
      async () => scope.transfers.all()[0]?.state,
      (state) => state === 'done',
    )
  })

  test('of a node’s page keeps the name that it has there, also of the file that comes', async () => {
    const scope = await withFilm()
    scope.meet({ ...CHLOE, files: [{ name: 'her name.mp4', bytes: FILM }] })
    const html = await page(scope, `/nodes/${CHLOE.id}`)
    expect(html).toContain('name="name" value="her name.mp4"')
    const at = { 'hx-current-url': `${scope.url}/nodes/${CHLOE.id}` }
    const { text } = await click(scope, '/transfers', `root=${ROOT}&name=her+name.mp4`, at)
    expect(partOf(text, ROW)).toContain('<bdi>her name</bdi>')
    await until(
      async () => scope.transfers.all()[0]?.record.finalName,
      (name) => name === 'her name.mp4',
    )
    expect((await post(scope, '/transfers', `root=${ROOT}&name=..%2f..%2fevil`)).json()).toMatchObject({
      name: 'her name.mp4',
    })
  })
})

describe('the page of transfers', () => {
  test('has a link on every page, and says what there is to do before the first one', async () => {
    const scope = await withFilm()
    for (const path of ['/', '/myfiles', '/transfers', '/nodes', '/help', '/nowhere'])
      expect(await page(scope, path)).toContain('<a href="/transfers"')
    expect(await page(scope, '/transfers')).toContain('Press Fetch beside a file on the mesh.')
  })

  test('has groups, and each transfer who gave how much', async () => {
    const scope = await withFilm()
    const held = hold(scope, 6)
    const small = Buffer.from('small')
    scope.meet({
      ...CHLOE,
      files: [
        { name: 'same film.mp4', bytes: FILM },
        { name: 'small.txt', bytes: small },
      ],
    })
    const { id: done } = await begin(scope, rootOf(small))
    const { id } = await begin(scope)
    await is(scope, done, 'done')
    await until(
      () => look(scope, id),
      (now) => now.done >= 2 * 131_072,
    )
    const html = await page(scope, '/transfers')
    expect(html).toMatch(/<h2 id="moving-h"[\s\S]*id="t-[\s\S]*<h2 id="today-h"[\s\S]*id="t-/)
    expect(html).not.toContain('Not moving')
    expect(html).toContain('<p id="counts">1 moving, 1 done today</p>')
    expect(partOf(html, `t-${id}`)).toMatch(/<b>|strong"><span>\d+ %<\/span>/)
    expect(partOf(html, `t-${id}`)).toMatch(/<span class="share h\d"><i><\/i><span><bdi>(Ben’s desktop|Chloé)<\/bdi> /)
    expect(partOf(html, `t-${done}`)).toMatch(
      /Complete and checked[\s\S]*5 bytes at \d+:\d\d[\s\S]*<bdi>Chloé<\/bdi> 5 bytes/,
    )
    expect(html).toContain('Rate over the last minute')
    await click(scope, `/transfers/${id}/pause`)
    expect(await page(scope, '/transfers')).toMatch(/Nothing is moving now[\s\S]*Not moving[\s\S]*Paused/)
    const one = await page(scope, `/transfers/${id}`)
    expect(one).toContain('Who sends it')
    expect(one).toContain(`<code>${ROOT}</code>`)
    held.go()
  })

  test('shows names as text', async () => {
    const nasty = '<img src=x onerror=alert(1)>"\'\u202e.html'
    const scope = await withFilm({}, nasty)
    scope.meet({ ...BEN, name: nasty, files: [{ name: nasty, bytes: FILM }] })
    hold(scope, 1)
    const { text } = await click(scope, '/transfers', `root=${ROOT}`)
    const id = scope.transfers.all()[0]?.record.id ?? ''
    await until(
      () => look(scope, id),
      ({ done }) => done > 0,
    )
    const pages = [text, await page(scope, '/'), await page(scope, '/transfers'), await page(scope, `/transfers/${id}`)]
    scope.table.gone(BEN.address)
    await click(scope, `/transfers/${id}/pause`)
    await click(scope, `/transfers/${id}/resume`)
    await is(scope, id, 'waiting')
    const cancelled = await click(scope, `/transfers/${id}/cancel`)
    for (const html of [...pages, await page(scope, '/transfers'), cancelled.text]) {
      expect(html).not.toContain('<img')
      // Hidden fields say the name as it is.
      expect(html.replace(/<input type="hidden"[^>]*>/g, '')).not.toContain('\u202e')
    }
    expect(cancelled.text).toContain('&lt;img src=x onerror=alert(1)&gt;')
  })

  test('says for whom it waits, and what is here', async () => {
    const scope = await withFilm()
    scope.meet({ ...CHLOE, files: [{ name: 'film.mp4', bytes: FILM }] })
    hold(scope)
    const { id } = await begin(scope)
    await until(
      () => look(scope, id),
      ({ done }) => done > 0,
    )
    for (const { address } of [BEN, CHLOE]) scope.table.gone(address)
    await click(scope, `/transfers/${id}/pause`)
    await click(scope, `/transfers/${id}/resume`)
    await is(scope, id, 'waiting')
    const row = partOf(await page(scope, '/transfers'), `t-${id}`)
    expect(row).toMatch(
      /Waiting for <bdi>(Ben’s desktop<\/bdi> or <bdi>Chloé|Chloé<\/bdi> or <bdi>Ben’s desktop)<\/bdi>/,
    )
    expect(row).toMatch(/\d+ % is here and safe. It goes on by itself when one of them is back./)
    for (const { id: peer } of [BEN, CHLOE]) scope.table.forget(peer)
    expect(partOf(await page(scope, '/transfers'), `t-${id}`)).toContain('Nobody shares it any more')
  })

  test('names a holder that lied, and one whose copy was changed', async () => {
    const scope = await withFilm()
    scope.meet({ ...CHLOE, files: [{ name: 'film.mp4', bytes: FILM }] })
    scope.contents.liars.add(CHLOE.id)
    const { promise: later, resolve } = Promise.withResolvers<void>()
    let given = 0
    scope.contents.before = async ({ peer }) => {
      if (peer === BEN.id && ++given > 2) {
        await later
        throw new FileChanged()
      }
    }
    const { id } = await begin(scope)
    await until(
      () => look(scope, id),
      ({ done, dropped }) => done > 0 && dropped.length === 1,
    )
    resolve()
    const { dropped } = await until(
      () => look(scope, id),
      (now) => now.dropped.length === 2 && now.state === 'waiting',
    )
    expect(dropped.map(({ code }) => code).toSorted()).toEqual(['PM_FILE_CHANGED', 'PM_WRONG_PIECE'])
    for (const { id: peer } of [BEN, CHLOE]) scope.table.forget(peer)
    const row = partOf(await page(scope, '/transfers'), `t-${id}`)
    expect(row).toMatch(/Stopped at \d+ %. <bdi>Ben’s desktop<\/bdi>’s copy was changed, so the rest would not fit./)
    expect(row).toContain('If another computer has the old file, it continues by itself.')
    expect(row).toContain('Try again')
    await click(scope, `/transfers/${id}/pause`)
    expect(partOf(await page(scope, '/transfers'), `t-${id}`)).toContain(
      '<bdi>Chloé</bdi> sent something wrong. Nothing of it was kept, and it is not asked again.',
    )
  })

  test.each([
    ['PM_DISK_FULL', 'paused', 'Stopped: the disk is full. 600 MB more are needed.', 'Make some room, then try again.'],
    ['PM_CANNOT_WRITE', 'failed', 'Stopped: your folder cannot be written.', 'does not let portmesh write into it'],
    ['PM_WRONG_HASH', 'failed', 'Stopped: what came is not the file that was promised.', 'nothing was kept'],
    [
      'PM_PEER_MISBEHAVED',
      'failed',
      'Stopped: a computer sent something else than this file.',
      'Nothing wrong was saved',
    ],
    ['PM_FILE_CHANGED', 'failed', 'Stopped: something else changed what had arrived.', 'checked once more'],
    ['PM_INTERNAL', 'failed', 'Stopped: something went wrong inside portmesh.', 'The log in your folder says more.'],
  ] as const)('says of %s what it means and what to do', async (error, state, cause, next) => {
    const scope = await withFilm()
    hold(scope, 0)
    const { id } = await begin(scope)
    await click(scope, `/transfers/${id}/pause`)
    const transfer = scope.transfers.get(id)
    transfer.missingBytes = error === 'PM_DISK_FULL' ? 600_000_000 : undefined
    transfer.save({ state, error })
    const row = partOf(await page(scope, '/transfers'), `t-${id}`)
    expect(row).toContain(cause)
    expect(row).toContain(next)
    expect(row).toContain('aria-label="Try again: film.mp4"')
    expect(partOf(await page(scope, '/'), ROW)).toContain(cause)
    expect(await look(scope, id)).toMatchObject({ error: { code: error, message: cause } })
    hold(scope, 99)
    await click(scope, `/transfers/${id}/retry`)
    await is(scope, id, 'done')
  })

  test('lets a cancelled one stand until it is loaded again, with the way back', async () => {
    const scope = await withFilm()
    hold(scope)
    const { id } = await begin(scope)
    await until(
      () => look(scope, id),
      ({ done }) => done > 0,
    )
    const { text } = await click(scope, `/transfers/${id}/cancel`)
    expect(text).toContain('<bdi>film.mp4</bdi> is cancelled. What had arrived was deleted.')
    expect(text).toContain('aria-label="Undo: fetch film.mp4 again"')
    expect(partOf(text, `t-${id}`)).toContain('Fetch again: film.mp4')
    expect(partOf(text, ROW)).toContain('aria-label="Fetch film.mp4"')
    expect(await page(scope, '/transfers')).not.toContain(`id="t-${id}"`)
    expect((await click(scope, `/transfers/${id}/resume`)).text).toContain('Pause film.mp4')
  })
})
