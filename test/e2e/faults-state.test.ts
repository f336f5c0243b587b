/** What a node does with a state that is damaged: named, kept aside, rebuilt; but never the identity. */
import { randomBytes } from 'node:crypto'
import { copyFile, mkdir, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { ask, catalogueOf, type NodeJson, nodesOf, publish, until } from '../helpers/api.ts'
import { answerTo, LONG } from '../helpers/faults.ts'
import { freePorts, launchNode, portsFile, startNode, tempDir } from '../helpers/process.ts'

const idOf = async (url: string): Promise<string> => (await ask<NodeJson>(url, '/')).id
const names = async (url: string): Promise<string[]> =>
  (await ask<{ files: { name: string }[] }>(url, '/myfiles/uploaded')).files.map(({ name }) => name)

const random = async (file: string): Promise<void> => await writeFile(file, randomBytes((await stat(file)).size))
const halved = async (file: string): Promise<void> => await truncate(file, Math.floor((await stat(file)).size / 2))
const emptied = async (file: string): Promise<void> => await truncate(file, 0)

test('a state of random bytes, or cut, or emptied, is named, kept aside and begun anew; the identity stays', async () => {
  const home = await tempDir()
  const state = join(home, '.portmesh', 'state.db')
  const ports = await portsFile(await freePorts(1))
  const first = await startNode({ home, ports })
  const id = await idOf(first.url)
  await writeFile(join(home, 'mine.txt'), 'mine')
  await publish(first.url, 'mine.txt')
  await first.stop()
  for (const damage of LONG ? [random, halved, emptied] : [random, emptied]) {
    await damage(state)
    const damaged = await readFile(state)
    const node = await startNode({ home, ports })
    const [, aside = ''] = /the state was damaged [^\n]* kept as (state\.corrupt-\S+)/.exec(node.stdout()) ?? []
    expect(aside, damage.name).not.toBe('')
    expect((await readFile(join(home, '.portmesh', aside))).equals(damaged), damage.name).toBe(true)
    expect(await idOf(node.url)).toBe(id)
    expect(await names(node.url)).toEqual([])
    await publish(node.url, 'mine.txt')
    await node.stop()
  }
  const last = await startNode({ home, ports })
  expect(last.stdout()).not.toContain('damaged')
  expect(await names(last.url)).toEqual(['mine.txt'])
})

test.skipIf(!LONG)(
  'a node that lost its state is taken back by those who know it, with what it publishes then',
  async () => {
    const ports = await portsFile(await freePorts(3))
    const home = await tempDir()
    const [a, b] = [await startNode({ ports }), await startNode({ ports, home })]
    for (const name of ['one.txt', 'two.txt']) {
      await writeFile(join(home, name), name)
      await publish(b.url, name)
    }
    await until(
      () => catalogueOf(a.url),
      ({ total }) => total === 2,
    )
    await b.stop()
    await random(join(home, '.portmesh', 'state.db'))
    const again = await startNode({ ports, home })
    await publish(again.url, 'two.txt')
    const { files } = await until(
      () => catalogueOf(a.url),
      ({ total, files: [file] }) => total === 1 && file?.holders[0]?.alive === true,
    )
    expect(files[0]?.names).toEqual(['two.txt'])
    expect((await nodesOf(a.url)).length).toBe(1)
  },
)

test('damage that the database does not notice costs the rows it hit, and not the start', async () => {
  const ports = await portsFile(await freePorts(3))
  const home = await tempDir()
  const [a, b] = await Promise.all([startNode({ ports, home }), startNode({ ports })])
  await until(
    () => nodesOf(a.url),
    ([node]) => node?.alive === true,
  )
  await writeFile(join(home, 'mine.txt'), 'mine')
  await publish(a.url, 'mine.txt')
  await a.stop()
  const database = new DatabaseSync(join(home, '.portmesh', 'state.db'))
  database.exec(`UPDATE peer SET addresses = ']"127.0.0.1:1"]'; UPDATE note SET value = 'x'`)
  database.exec(`INSERT INTO published VALUES ('far.txt', 9223372036854775807, '00', '00', -1, 'anywhere')`)
  database.close()
  const again = await startNode({ ports, home })
  expect(await names(again.url)).toEqual(['mine.txt'])
  const seen = await until(
    () => nodesOf(b.url),
    ([node]) => node?.alive === true && node.count === 1,
  )
  expect(seen.length).toBe(1)
})

test('an identity that is damaged ends the start with its name, and is left as it is', async () => {
  const home = await tempDir()
  const first = await startNode({ home })
  const id = await idOf(first.url)
  await first.stop()
  const identity = join(home, '.portmesh', 'identity.json')
  const copy = join(home, '.portmesh', 'copy')
  await copyFile(identity, copy)
  const good = await readFile(identity, 'utf8')
  const digit = good.indexOf('"seed": "') + 12
  const flipped = good.slice(0, digit) + (good[digit] === '0' ? '1' : '0') + good.slice(digit + 1)
  for (const text of LONG ? ['', good.slice(0, 300), flipped] : ['', flipped]) {
    await writeFile(identity, text)
    const node = await launchNode({ home })
    expect((await node.ended).code).toBe(1)
    expect(node.output()).toBe(
      `portmesh: the identity ${identity} is damaged: put back a copy of it, or move it away to go on as a new node that nobody knows\n`,
    )
    expect(await readFile(identity, 'utf8')).toBe(text)
  }
  await copyFile(copy, identity)
  const again = await startNode({ home })
  expect(await idOf(again.url)).toBe(id)
})

test('settings that are malformed are named with the key, kept aside, and the node starts without them', async () => {
  const home = await tempDir()
  const settings = join(home, '.portmesh', 'settings.json')
  await mkdir(join(home, '.portmesh'))
  const first = await startNode({ home })
  const id = await idOf(first.url)
  await first.stop()
  for (const [text, damage] of [
    ['{ "name": ', 'it is not JSON'],
    ['{ "name": "of the page", "interval": "often" }', '"interval": it is not a number'],
  ] as const) {
    await writeFile(settings, text)
    const node = await startNode({ home })
    const line = node
      .stdout()
      .split('\n')
      .filter((one) => one.includes('settings'))
    const [, aside = ''] = / kept as (settings\.corrupt-\S+)$/.exec(line.join('')) ?? []
    expect(line).toEqual([
      `${settings} cannot be used: ${damage}. The node starts with its usual settings; the old file is kept as ${aside}`,
    ])
    expect(node.stderr()).toBe('')
    expect(await readFile(join(home, '.portmesh', aside), 'utf8')).toBe(text)
    expect(await ask<NodeJson>(node.url, '/')).toMatchObject({ id, name: expect.not.stringContaining('of the page') })
    await node.stop()
  }
  await writeFile(settings, '{ "name": "of the page" }')
  const last = await startNode({ home })
  expect(last.stdout()).not.toContain('settings')
  expect(await ask<NodeJson>(last.url, '/')).toMatchObject({ id, name: 'of the page' })
})

test('two nodes on one home: the second one ends and says why, the first one has not noticed', async () => {
  const home = await tempDir()
  const first = await startNode({ home })
  const id = await idOf(first.url)
  const before = await readdir(join(home, '.portmesh'))
  const others = await Promise.all([launchNode({ home }), launchNode({ home })])
  for (const other of others) {
    expect((await other.ended).code).toBe(1)
    expect(other.output()).toBe(`portmesh: this folder is used by another portmesh: ${home}\n`)
  }
  await writeFile(join(home, 'mine.txt'), 'mine')
  await publish(first.url, 'mine.txt')
  expect((await answerTo(first.url, '/')).status).toBe(200)
  expect(await readdir(join(home, '.portmesh'))).toEqual(before)
  await first.kill()
  // A kill frees the home at once, also for several who want it at the same moment: one of them gets it.
  const racing = await Promise.all([launchNode({ home }), launchNode({ home })])
  const ready = await Promise.allSettled(racing.map(({ says }) => says(/portmesh ready/)))
  expect(ready.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  const winner = racing[ready.findIndex(({ status }) => status === 'fulfilled')]
  const [, url = ''] = /ready at (\S+)/.exec(winner?.stdout() ?? '') ?? []
  expect(await idOf(url)).toBe(id)
  expect(await names(url)).toEqual(['mine.txt'])
})
