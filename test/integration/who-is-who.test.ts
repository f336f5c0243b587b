/** Names, marks and warnings, by what a program asks of a real node. */
import { randomBytes } from 'node:crypto'
import { cp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { knownBy, knows, say } from '../helpers/acquainted.ts'
import { ask, catalogueOf, until } from '../helpers/api.ts'
import { shared, startHolder } from '../helpers/holder-server.ts'
import { freePorts, portsFile, startNode, tempDir } from '../helpers/process.ts'
import { startStranger } from '../helpers/stranger-server.ts'

const PIECE = 128 * 1024

test('a name that was given, a lie and the first meeting outlive a restart; they can be taken back', async () => {
  const content = shared(randomBytes(4 * PIECE))
  const liar = await startHolder(content, { name: 'Emeka' })
  liar.does.set('pieces', ({ send, pieces, run }) => send(pieces(run, { content: randomBytes(content.size) })))
  const ports = [...(await freePorts(1)), liar.address]
  const home = await tempDir()
  const first = await startNode({ ports, home })
  const { firstMet, fingerprint } = await knows(first.url, liar.id)
  expect(Math.abs(Date.now() - Date.parse(firstMet))).toBeLessThan(60_000)
  expect(fingerprint).toMatch(/^([0-9a-f]{4} ){3}[0-9a-f]{4}$/)
  expect(await say(first.url, liar.id, 'name', { name: ' Library  PC ' })).toMatchObject({ status: 200 })
  const [entry] = (await catalogueOf(first.url)).files
  expect(entry?.holders[0]).toMatchObject({ name: 'Emeka', petname: 'Library PC' })

  const body = new URLSearchParams({ root: content.root })
  const { id } = (await (await fetch(`${first.url}transfers`, { method: 'POST', body })).json()) as { id: string }
  const { lied } = await knows(first.url, liar.id, (node) => node.lied !== null)
  expect(lied?.code).toBe('PM_WRONG_PIECE')
  expect(await ask(first.url, `/transfers/${id}`)).toMatchObject({
    dropped: [{ id: liar.id, name: 'Emeka', petname: 'Library PC', code: 'PM_WRONG_PIECE' }],
  })
  await first.kill()

  const node = await startNode({ ports, home })
  const again = await knows(node.url, liar.id, ({ alive }) => alive)
  expect(again).toMatchObject({ name: 'Emeka', petname: 'Library PC', firstMet, lied })
  expect(await say(node.url, liar.id, 'trust-again')).toMatchObject({ status: 200 })
  expect(await say(node.url, liar.id, 'name', { name: '' })).toMatchObject({ status: 200 })
  expect(await knownBy(node.url, liar.id)).toMatchObject({ petname: null, lied: null })
})

test('a download that a holder spoils marks it as well', async () => {
  const content = shared(randomBytes(4 * PIECE))
  const liar = await startHolder(content, { name: 'Emeka' })
  liar.does.set('pieces', ({ send, pieces, run }) => send(pieces(run, { content: randomBytes(content.size) })))
  const node = await startNode({ ports: [...(await freePorts(1)), liar.address] })
  await knows(node.url, liar.id)
  expect((await fetch(`${node.url}getfile/${content.root}`)).status).toBe(502)
  await knows(node.url, liar.id, ({ lied }) => lied?.code === 'PM_WRONG_PIECE')
})

test('a newcomer with a name the person has given gets a warning and nothing else of it', async () => {
  const library = await startStranger({ name: 'ana on tower' })
  const port = await freePorts(2)
  const node = await startNode({ ports: [port[0] ?? 0, library.address, `127.0.0.1:${port[1]}`] })
  const { firstMet } = await knows(node.url, library.id)
  await say(node.url, library.id, 'name', { name: 'Library PC' })
  const pretender = await startStranger({ name: 'LIBRARY pс', port: port[1] ?? 0 })
  const found = await knows(node.url, pretender.id)
  expect(found).toMatchObject({
    name: 'LIBRARY pс',
    petname: null,
    warning: { kind: 'pretends', other: { id: library.id, firstMet } },
  })
  expect((await knownBy(node.url, library.id))?.warning).toBeNull()
  expect(await say(node.url, pretender.id, 'name', { name: 'library-pc' })).toEqual({
    status: 409,
    code: 'PM_NAME_TAKEN',
  })
})

test('one that is here cannot be forgotten, one that is away leaves the table with its name', async () => {
  const stranger = await startStranger({ name: 'Emeka' })
  const node = await startNode({ ports: [...(await freePorts(1)), stranger.address] })
  await knows(node.url, stranger.id)
  await say(node.url, stranger.id, 'name', { name: 'Library PC' })
  expect(await say(node.url, stranger.id, 'forget')).toEqual({ status: 409, code: 'PM_NOT_NOW' })
  await stranger.stop()
  await knows(node.url, stranger.id, ({ alive }) => !alive)
  expect(await say(node.url, stranger.id, 'forget')).toMatchObject({ status: 200 })
  expect(await knownBy(node.url, stranger.id)).toBeUndefined()
  for (const what of ['forget', 'block', 'name'] as const)
    expect(await say(node.url, stranger.id, what, what === 'name' ? { name: 'x' } : {})).toEqual({
      status: 404,
      code: 'PM_UNKNOWN_PEER',
    })
})

test('what is no name is refused, and nothing is changed by it', async () => {
  const stranger = await startStranger()
  const node = await startNode({ ports: [...(await freePorts(1)), stranger.address] })
  await knows(node.url, stranger.id)
  for (const body of [{}, { name: ['x', 'y'] }, { name: 'x'.repeat(65) }, { name: 'x', more: 1 }])
    expect(await say(node.url, stranger.id, 'name', body)).toEqual({ status: 400, code: 'PM_BAD_REQUEST' })
  expect((await knownBy(node.url, stranger.id))?.petname).toBeNull()
})

test('a folder that was copied and runs twice is noticed by others and by itself; started anew without the key it is another', async () => {
  const [a = 0, b = 0, c = 0] = await freePorts(3)
  const ports = await portsFile([a, b, c])
  const home = await tempDir()
  const original = await startNode({ ports, home, name: 'Library PC' })
  const { id } = await ask<{ id: string }>(original.url, '/')
  const watcher = await startNode({ ports, name: 'Watcher' })
  await knows(watcher.url, id, ({ alive }) => alive)
  expect((await knownBy(watcher.url, id))?.copies).toEqual([])
  // A restart at another address is no second one: the old address is silent.
  await original.stop()
  await knows(watcher.url, id, ({ alive }) => !alive)
  const copy = await tempDir()
  await cp(home, copy, { recursive: true })
  const moved = await startNode({ ports: await portsFile([c, a, b]), home, name: 'Library PC' })
  await knows(watcher.url, id, ({ alive, address }) => alive && address === moved.url.slice(7, -1))
  expect((await knownBy(watcher.url, id))?.copies).toEqual([])

  const second = await startNode({ ports, home: copy, name: 'Library PC' })
  const addresses = [moved, second].map(({ port }) => `127.0.0.1:${port}`)
  const { copies } = await knows(watcher.url, id, (node) => node.copies.length > 0, 30_000)
  expect([...copies].sort()).toEqual([...addresses].sort())
  const copiesOf = async (url: string) => (await ask<{ copies: string[] }>(url, '/')).copies
  await until(
    () => copiesOf(moved.url),
    ([other]) => other === `127.0.0.1:${second.port}`,
  )
  await until(
    () => copiesOf(second.url),
    ([other]) => other === `127.0.0.1:${moved.port}`,
  )

  // What the note advises.
  await second.stop()
  await until(
    () => copiesOf(moved.url),
    ({ length }) => length === 0,
  )
  await rm(join(copy, '.portmesh', 'identity.json'))
  await writeFile(join(copy, 'kept.txt'), 'kept')
  const anew = await startNode({ ports, home: copy, name: 'Library PC' })
  const { id: newId } = await ask<{ id: string }>(anew.url, '/')
  expect(newId).not.toBe(id)
  await knows(watcher.url, newId, ({ alive, copies: none }) => alive && none.length === 0)
  // The copy had the later start, and a row never goes back: the other one begins once more.
  await moved.stop()
  await startNode({ ports, home, name: 'Library PC' })
  await knows(watcher.url, id, ({ alive }) => alive)
})
