import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startScope } from './user-scope.ts'

const JSON_BODY = { 'content-type': 'application/json' }
const FORM = { 'content-type': 'application/x-www-form-urlencoded', accept: 'text/html' }

const settingsOf = async (home: string): Promise<unknown> =>
  JSON.parse(await readFile(join(home, '.portmesh', 'settings.json'), 'utf8'))

const codeOf = ({ text }: { readonly text: string }): unknown => JSON.parse(text).error.code

test('limits are changed while the node runs, one by one, and kept', async () => {
  const scope = await startScope()
  expect((await scope.ask('/settings')).json()).toEqual({ up: 0, down: 0, upPeer: 0, downPeer: 0 })
  const set = async (body: object) =>
    await scope.ask('/settings', { method: 'POST', headers: JSON_BODY, body: JSON.stringify(body) })
  expect((await set({ up: '500k', downPeer: 70_000 })).json()).toEqual({
    up: 500_000,
    down: 0,
    upPeer: 0,
    downPeer: 70_000,
  })
  expect((await set({ down: '2M', downPeer: 0 })).json()).toEqual({ up: 500_000, down: 2e6, upPeer: 0, downPeer: 0 })
  expect(await settingsOf(scope.home)).toEqual({ up: 500_000, down: 2e6 })
  for (const body of [{ up: '1' }, { up: -1 }, { up: 'much' }, { up: 1e300 }]) {
    const answer = await set(body)
    expect([answer.status, codeOf(answer)], JSON.stringify(body)).toEqual([400, 'PM_BAD_LIMIT'])
  }
  const unknown = await set({ other: 1 })
  expect([unknown.status, codeOf(unknown)]).toEqual([400, 'PM_BAD_REQUEST'])
  expect((await scope.ask('/settings')).json()).toMatchObject({ up: 500_000, down: 2e6 })
})

test('the page of transfers shows what is set, and its form changes that', async () => {
  const scope = await startScope()
  const page = async (): Promise<string> => (await scope.ask('/transfers', { headers: { accept: 'text/html' } })).text
  expect(await page()).not.toContain('At most')
  const headers = { ...FORM, referer: `${scope.url}/transfers` }
  const answer = await scope.ask('/settings', { method: 'POST', headers, body: 'up=1.5M&down=' })
  expect([answer.status, answer.headers.location]).toEqual([303, '/transfers'])
  expect(await page()).toContain('At most 1.5 MB/s to other computers.')
  expect(await page()).toContain('name="up" value="1.5M"')
  await scope.ask('/settings', { method: 'POST', headers, body: 'up=&down=60k' })
  expect(await page()).toContain('At most 60 kB/s to you.')
})

test('what cannot be kept is not changed either', async () => {
  const scope = await startScope()
  await mkdir(join(scope.home, '.portmesh'), { recursive: true })
  await writeFile(join(scope.home, '.portmesh', 'settings.json'), '{"name":')
  const answer = await scope.ask('/settings', { method: 'POST', headers: JSON_BODY, body: '{"up":"1M"}' })
  expect([answer.status, codeOf(answer)]).toEqual([409, 'PM_NOT_NOW'])
  expect((await scope.ask('/settings')).json()).toMatchObject({ up: 0 })
})

test('another site changes nothing', async () => {
  const scope = await startScope()
  const headers = { ...FORM, origin: 'http://evil.example', 'sec-fetch-site': 'cross-site' }
  expect((await scope.ask('/settings', { method: 'POST', headers, body: 'up=1M' })).status).toBe(403)
  expect((await scope.ask('/settings')).json()).toMatchObject({ up: 0 })
})
