/** What the pages say of who is who, and how a person answers. */
import { describe, expect, test } from 'vitest'
import { shortFingerprint } from '../../src/trust/acquaintances.ts'
import { BROWSER, HTMX, idOf, type Scope, startScope } from './user-scope.ts'

const BEN = { id: idOf('ben'), name: 'Ben’s desktop', address: '127.0.0.1:5001' }
const CHLOE = { id: idOf('chloe'), name: 'Chloé', address: '127.0.0.1:5002' }
const EVE = { id: idOf('eve'), name: 'Library PC', address: '127.0.0.1:5003' }
const FILE = { name: 'report.pdf', bytes: Buffer.from('report') }

const page = async (scope: Scope, path: string): Promise<string> => (await scope.ask(path, { headers: BROWSER })).text

const post = async (scope: Scope, path: string, body = '', headers: Record<string, string> = BROWSER) =>
  await scope.ask(path, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded', origin: scope.url },
    body,
  })

/** As a text without markup. */
const textOf = (html: string): string => html.replace(/<[^>]*>/g, '').replace(/\s+/g, ' ')

const copied = (scope: Scope): void => {
  const proof = { id: BEN.id, version: 1 }
  const { doubles } = scope.who
  doubles.proved({ ...proof, address: '127.0.0.1:5009', epoch: 1, sig: 'a', askedAt: 1, answeredAt: 2 })
  doubles.proved({ ...proof, address: BEN.address, epoch: 2, sig: 'b', askedAt: 3, answeredAt: 4 })
  doubles.proved({ ...proof, address: '127.0.0.1:5009', epoch: 1, sig: 'a', askedAt: 5, answeredAt: 6 })
}

describe('a name of the person', () => {
  test('stands on every page in the place of its own, which JSON keeps', async () => {
    const scope = await startScope()
    scope.meet({ ...BEN, files: [FILE] })
    expect((await post(scope, `/nodes/${BEN.id}/name`, 'name=Studio')).status).toBe(303)
    for (const path of ['/', '/nodes', `/nodes/${BEN.id}`]) {
      const html = await page(scope, path)
      expect([path, html.includes('Studio')]).toEqual([path, true])
      if (path !== `/nodes/${BEN.id}`) expect([path, html.includes('Ben’s desktop')]).toEqual([path, false])
    }
    const { nodes } = (await scope.ask('/nodes')).json<{ nodes: { name: string; petname: string }[] }>()
    expect(nodes).toMatchObject([{ name: 'Ben’s desktop', petname: 'Studio' }])
  })

  test('is text and nothing else', async () => {
    const scope = await startScope()
    scope.meet(BEN)
    await post(scope, `/nodes/${BEN.id}/name`, `name=${encodeURIComponent('"><img src=x onerror=alert(1)>')}`)
    for (const path of ['/nodes', `/nodes/${BEN.id}`]) expect(await page(scope, path)).not.toContain('<img')
  })

  test('changes the page that is there, and says so', async () => {
    const scope = await startScope()
    scope.meet(BEN)
    const { text } = await post(scope, `/nodes/${BEN.id}/name`, 'name=Studio', HTMX)
    for (const target of ['#node', '#notes', '#known', '#about', `#n-${BEN.id.slice(0, 12)}`, '#toasts'])
      expect(text).toContain(`hx-target="${target}"`)
    expect(textOf(text)).toContain('You call it Studio from now on.')
  })

  test('stays in the list when its computer has left the table, so that it can be taken away', async () => {
    const scope = await startScope()
    scope.meet(BEN)
    scope.meet(CHLOE)
    await post(scope, `/nodes/${BEN.id}/name`, 'name=Studio')
    for (const { id } of [BEN, CHLOE]) scope.table.forget(id)
    const html = textOf(await page(scope, '/nodes'))
    expect(html).toContain('Studio')
    expect(html).toContain('Not in the table any more')
    expect(html).not.toContain('Chloé')
    expect(await page(scope, `/nodes/${BEN.id}`)).toContain('value="Studio"')
    expect((await post(scope, `/nodes/${BEN.id}/forget`)).headers.location).toBe('/nodes')
    expect((await scope.ask(`/nodes/${BEN.id}`)).status).toBe(404)
  })
})

describe('a block', () => {
  test('that ends leads to a page that is there, although nothing is known of it until it answers', async () => {
    const scope = await startScope()
    scope.meet({ ...BEN, files: [FILE] })
    const headers = { ...BROWSER, referer: `${scope.url}/nodes/${BEN.id}` }
    await post(scope, `/nodes/${BEN.id}/block`, '', headers)
    const { location } = (await post(scope, `/nodes/${BEN.id}/unblock`, '', headers)).headers
    expect((await scope.ask(String(location).replace(/#.*/, ''), { headers: BROWSER })).status).toBe(200)
  })

  test('ends every session, takes its files out of the catalogue, and is told apart from being away', async () => {
    const scope = await startScope()
    scope.meet({ ...BEN, files: [FILE, { name: 'both.txt', bytes: Buffer.from('both') }] })
    scope.meet({ ...CHLOE, files: [{ name: 'both.txt', bytes: Buffer.from('both') }] })
    expect((await post(scope, `/nodes/${BEN.id}/block`)).headers.location).toBe(`/nodes/${BEN.id}`)
    expect(scope.cutOff).toEqual([BEN.id])
    expect(
      scope.catalogue.search({}).entries.map(({ names, holders }) => [names, holders.map(({ id }) => id)]),
    ).toEqual([[['both.txt'], [CHLOE.id]]])
    const html = await page(scope, `/nodes/${BEN.id}`)
    expect(html).toContain('<span class="no">Blocked</span>')
    expect(html).toContain(`action="/nodes/${BEN.id}/unblock"`)
    expect(html).not.toContain('/forget')
    expect(textOf(await page(scope, '/nodes'))).toContain('Blocked, gets nothing of yours')
    expect((await scope.ask(`/nodes/${BEN.id}/forget`, { method: 'POST' })).status).toBe(409)
  })

  test('offers the way back with its toast', async () => {
    const scope = await startScope()
    scope.meet(BEN)
    const { text } = await post(scope, `/nodes/${BEN.id}/block`, '', HTMX)
    expect(text).toContain('aria-label="Undo: unblock Ben’s desktop"')
  })
})

describe('a warning', () => {
  test('names the one it looks like, the day it was met and both keys, and says whether something was given', async () => {
    const scope = await startScope()
    scope.meet(BEN)
    await post(scope, `/nodes/${BEN.id}/name`, 'name=Library+PC')
    scope.meet(EVE)
    const alarm = 'It uses the same name with another key. Someone may be pretending.'
    for (const path of ['/', `/nodes/${EVE.id}`]) {
      const html = await page(scope, path)
      expect(html).toContain('<div class="note bad" role="alert">')
      expect(textOf(html)).toMatch(/This is not the Library PC you met at \d+:\d\d/)
      expect(textOf(html)).toContain(`${alarm} Nothing was sent to it.`)
      for (const id of [BEN.id, EVE.id]) expect(html).toContain(shortFingerprint(id))
    }
    scope.who.acquaintances.gave(EVE.id)
    expect(textOf(await page(scope, '/'))).toContain(`${alarm} It has fetched something that you publish.`)
    expect(await page(scope, `/nodes/${BEN.id}`)).not.toContain(
      'role="alert"><svg class="i" aria-hidden="true"><use href="/assets/icons.svg#alert"/></svg><div><b>This',
    )
  })

  test('is no alarm where two only call themselves the same', async () => {
    const scope = await startScope()
    scope.meet({ ...BEN, name: 'ana on tower' })
    scope.meet({ ...EVE, name: 'Ana on tower' })
    const [later] = [BEN.id, EVE.id].filter((id) => scope.who.acquaintances.warningOf(id))
    const html = await page(scope, `/nodes/${later}`)
    expect(textOf(html)).toContain('Give one of them a name of yours to tell them apart.')
    expect(html).not.toContain('note bad')
    expect(await page(scope, '/')).not.toContain('note bad')
  })

  test('tells of a key on two computers, where they are and what to do', async () => {
    const scope = await startScope()
    scope.meet(BEN)
    expect(await page(scope, '/')).not.toContain('the same key')
    copied(scope)
    for (const path of ['/', `/nodes/${BEN.id}`]) {
      const text = textOf(await page(scope, path))
      expect(text).toContain('Two computers have the same key')
      expect(text).toContain('One answers at 127.0.0.1:5001, the other at 127.0.0.1:5009.')
      expect(text).toContain('delete .portmesh/identity.json')
    }
    expect(textOf(await page(scope, '/nodes'))).toContain('Two computers have its key')
    expect((await scope.ask(`/nodes/${BEN.id}`)).json()).toMatchObject({ copies: [BEN.address, '127.0.0.1:5009'] })
  })

  test('tells of somebody who says that he is this computer', async () => {
    const scope = await startScope()
    scope.who.doubles.said('127.0.0.1:5004', { id: idOf('Ana’s laptop'), epoch: 7 })
    expect(textOf(await page(scope, '/'))).toContain('Another node says that it is this computer')
    expect((await scope.ask('/')).json()).toMatchObject({ copies: ['127.0.0.1:5004'] })
  })
})

test('a node, its list and this computer show the same kind of fingerprint', async () => {
  const scope = await startScope()
  scope.meet(BEN)
  const own = shortFingerprint(idOf('Ana’s laptop'))
  const list = await page(scope, '/nodes')
  for (const fingerprint of [own, shortFingerprint(BEN.id)]) expect(list).toContain(`<code>${fingerprint}</code>`)
  expect(await page(scope, '/myfiles')).toContain(`<code>${own}</code>`)
})

test('nobody is named, blocked or forgotten by another site, nor by an address that is only opened', async () => {
  const scope = await startScope()
  scope.meet(BEN)
  for (const what of ['name', 'block', 'unblock', 'forget', 'trust-again']) {
    const path = `/nodes/${BEN.id}/${what}`
    expect((await scope.ask(path, { headers: BROWSER })).status).toBe(404)
    const foreign = await scope.ask(path, { method: 'POST', headers: { origin: 'http://evil.example' } })
    expect([what, foreign.status]).toEqual([what, 403])
  }
  expect(scope.who.acquaintances.get(BEN.id)).toMatchObject({ petname: undefined, blockedMs: undefined })
})
