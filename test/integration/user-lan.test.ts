import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { LanAnswer } from '../../src/api/lan.ts'
import { typed } from '../../src/network-side.ts'
import { tempDir } from '../helpers/process.ts'
import { type Scope, startScope } from './user-scope.ts'

const JSON_TYPE = { 'content-type': 'application/json' }
const HTML = { accept: 'text/html' }

const post = (body: unknown) => ({ method: 'POST', headers: JSON_TYPE, body: JSON.stringify(body) }) as const

/** A scope whose folder has these files. */
const scopeWith = async (files: Readonly<Record<string, string>>): Promise<Scope> => {
  const home = await tempDir()
  for (const [name, text] of Object.entries(files)) await writeFile(join(home, name), text)
  return await startScope({ home })
}

test('a program joins and leaves the network, and says how far each file is seen', async () => {
  const scope = await scopeWith({ 'a.txt': 'a', 'b.txt': 'b' })
  for (const name of ['a.txt', 'b.txt']) await scope.ask(`/myfiles/${name}/upload`, { method: 'POST' })
  const lan = async () => (await scope.ask('/lan')).json<LanAnswer>()
  expect(await lan()).toMatchObject({ on: false, addresses: [], files: { computer: 2, network: 0 } })
  expect((await scope.ask('/lan', post({ on: true }))).json()).toMatchObject({ on: true, files: { network: 0 } })
  expect((await lan()).addresses).toEqual([`192.0.2.7:${scope.port}`])
  expect((await scope.ask('/myfiles/a.txt/reach', post({ reach: 'network' }))).json()).toEqual({ changed: ['a.txt'] })
  expect((await scope.ask('/myfiles/a.txt/reach', post({ reach: 'network' }))).json()).toEqual({ changed: [] })
  expect(await lan()).toMatchObject({ files: { computer: 1, network: 1 } })
  expect((await scope.ask('/uploaded/reach', post({ reach: 'network' }))).json()).toEqual({ changed: ['b.txt'] })
  expect(
    (await scope.ask('/uploaded/reach', post({ reach: 'computer' }))).json<{ changed: string[] }>().changed,
  ).toHaveLength(2)
  expect((await scope.ask('/lan', post({ on: true, show: 'all' }))).json()).toMatchObject({ files: { network: 2 } })
  expect((await scope.ask('/lan', post({ on: false }))).json()).toMatchObject({ on: false, files: { network: 2 } })
})

test('what does not fit is refused with a code, and nothing changes', async () => {
  const scope = await scopeWith({ 'a.txt': 'a' })
  const refused = async (path: string, body: unknown) => {
    const answer = await scope.ask(path, post(body))
    return [answer.status, answer.json<{ error: { code: string } }>().error.code]
  }
  expect(await refused('/lan', { on: 'maybe' })).toEqual([400, 'PM_BAD_REQUEST'])
  expect(await refused('/myfiles/a.txt/reach', { reach: 'world' })).toEqual([400, 'PM_BAD_REQUEST'])
  expect(await refused('/myfiles/a.txt/reach', { reach: 'network' })).toEqual([404, 'PM_NOT_PUBLISHED'])
  expect(await refused('/nodes', { address: 'no address at all' })).toEqual([400, 'PM_BAD_ADDRESS'])
  expect(await refused('/nodes', { address: `192.0.2.7:${scope.port}` })).toEqual([400, 'PM_BAD_ADDRESS'])
  const foreign = await scope.ask('/lan', {
    ...post({ on: true }),
    headers: { ...JSON_TYPE, origin: 'http://evil.example' },
  })
  expect(foreign.status).toBe(403)
  expect((await scope.ask('/lan')).json()).toMatchObject({ on: false, typed: [] })
})

test('an address that was typed is kept until it is taken out', async () => {
  const scope = await startScope()
  expect((await scope.ask('/nodes', post({ address: 'http://10.0.0.5:5001/' }))).json()).toEqual({
    address: '10.0.0.5:5001',
    found: false,
  })
  expect((await scope.ask('/lan')).json()).toMatchObject({ typed: ['10.0.0.5:5001'] })
  await scope.ask('/nodes/remove', post({ address: '10.0.0.5:5001' }))
  expect((await scope.ask('/lan')).json()).toMatchObject({ typed: [] })
})

test.each([
  ['192.168.1.20', '192.168.1.20:5000'],
  [' 192.168.1.20:5001 ', '192.168.1.20:5001'],
  ['https://Ben-PC.local:5001/nodes', 'ben-pc.local:5001'],
  ['fd00::1', '[fd00::1]:5000'],
  ['[fd00::1]:5001', '[fd00::1]:5001'],
  ['fd00:0:0::0001', '[fd00::1]:5000'],
  ['', undefined],
  ['1.2.3.4:99999', undefined],
  ['1.2.3.400', undefined],
  ['ben pc', undefined],
])('a person writes %j', (text, address) => {
  expect(typed(text, 5000)).toBe(address)
})

test('the page asks once what becomes of files from before, and says who sees them', async () => {
  const scope = await scopeWith({ 'plan <b>.pdf': 'a' })
  await scope.ask('/myfiles/plan%20%3Cb%3E.pdf/upload', { method: 'POST' })
  const page = async (path: string) => (await scope.ask(path, { headers: HTML })).text
  expect(await page('/lan')).toContain('Join, and show them')
  expect(await page('/lan')).toContain('plan &lt;b&gt;')
  expect(await page('/')).toContain('Only this computer sees what you publish')
  await scope.ask('/lan', post({ on: true }))
  expect(await page('/')).toContain('1 file is on this computer only')
  expect(await page('/myfiles')).toContain('on this computer only')
  await scope.ask('/lan', post({ on: true, show: 'none' }))
  expect(await page('/')).not.toContain('on this computer only')
  expect(await page('/lan')).toContain('Show them to this network')
  await scope.ask('/uploaded/reach', post({ reach: 'network' }))
  expect(await page('/myfiles')).toContain('on this network')
  const back = await scope.ask('/lan', {
    method: 'POST',
    headers: { ...HTML, 'content-type': 'application/x-www-form-urlencoded' },
    body: 'on=0',
  })
  expect([back.status, back.headers.location]).toEqual([303, '/lan'])
})

test('an address or a limit that cannot be read is answered in words, on the page that asked', async () => {
  const scope = await startScope()
  const said = async (path: string, body: string): Promise<string> => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded', accept: 'text/html', origin: scope.url }
    return (await scope.ask(path, { method: 'POST', headers, body })).text
  }
  expect(await said('/nodes', 'address=192.168.1')).toContain('That is not the address of another computer')
  expect(await said('/settings', 'up=2')).toContain('That limit cannot be understood')
})

test('the page that looks for the reason takes an address, and comes back', async () => {
  const scope = await startScope()
  expect((await scope.ask('/doctor', { headers: { accept: 'text/html' } })).text).toContain('name="address"')
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    accept: 'text/html',
    origin: scope.url,
    referer: `${scope.url}/doctor`,
  }
  const answer = await scope.ask('/nodes', { method: 'POST', headers, body: 'address=192.0.2.9' })
  expect([answer.status, answer.headers.location]).toEqual([303, '/doctor'])
})
