/** kill -9 at any moment: what was acknowledged is there, nothing is there in halves, and the node is who it was. */
import { randomBytes, randomUUID } from 'node:crypto'
import { copyFile, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { ask, catalogueOf, type NodeJson, publish, until } from '../helpers/api.ts'
import { beginDownload, hashesIn, LONG, partials, printedSeed, seeded, sha256, upload } from '../helpers/faults.ts'
import { freePorts, launchNode, portsFile, type RunningNode, startNode, tempDir } from '../helpers/process.ts'

const ROUNDS = LONG ? 40 : 4
const FIRST_STARTS = LONG ? 40 : 4
/** In which the kill falls, after everything has begun. */
const WITHIN_MS = 500
const MEGABYTE = 1024 * 1024

const idOf = async (url: string): Promise<string> => (await ask<NodeJson>(url, '/')).id

/** What one round was told, before the kill. */
interface Told {
  /** Names in the home, of uploads that were answered. */
  readonly kept: Set<string>
  /** Name -> hash, of what was answered to be published. */
  readonly published: Map<string, string>
}

/** Begin everything that writes; it ends by itself, or by the kill. */
const busy = async (
  node: RunningNode,
  files: readonly { name: string; content: Uint8Array }[],
  told: Told,
): Promise<unknown> => {
  const own = files.filter((_file, index) => index % 2 === 0)
  const sent = files.filter((_file, index) => index % 2 === 1)
  for (const { name, content } of own) await writeFile(join(node.home, name), content)
  return await Promise.allSettled([
    ...own.map(async ({ name }) => {
      const { hash } = await publish(node.url, name)
      told.published.set(name, hash)
    }),
    ...sent.map(async ({ name, content }) => {
      const { status, text } = await upload(node.url, name, content, '?publish=1')
      if (status !== 201) throw new Error(text)
      for (const file of JSON.parse(text).files) {
        told.kept.add(file.name)
        told.published.set(file.name, file.hash)
      }
    }),
  ])
}

test(`${ROUNDS} kills while files are published, uploaded and fetched leave whole files, the acknowledged ones published, and the node who it was`, async () => {
  const random = seeded(printedSeed())
  const ports = await portsFile(await freePorts(4))
  const home = await tempDir()
  const other = await startNode({ ports })
  const large = randomBytes(24 * MEGABYTE)
  await writeFile(join(other.home, 'large.bin'), large)
  const { hash: fetched } = await publish(other.url, 'large.bin')
  let node = await startNode({ ports, home })
  const id = await idOf(node.url)
  const known = new Set<string>([sha256(await readFile(join(home, 'Welcome to portmesh.txt')))])
  const told: Told = { kept: new Set(), published: new Map() }
  for (let round = 0; round < ROUNDS; round++) {
    const files = Array.from({ length: 6 }, (_, index) => ({
      name: `round ${round} file ${index}.bin`,
      content: randomBytes(Math.floor(random() ** 2 * 12 * MEGABYTE)),
    }))
    for (const { content } of files) known.add(sha256(content))
    await until(
      () => catalogueOf(node.url),
      ({ files: all }) => all.some(({ hash, holders }) => hash === fetched && holders.some(({ alive }) => alive)),
    )
    const work = busy(node, files, told)
    const download = beginDownload(`${node.url}getfile/${fetched}`)
      .then(({ rest }) => rest())
      .catch(() => undefined)
    const afterMs = Math.floor(random() * WITHIN_MS)
    await sleep(afterMs)
    await node.kill()
    await work
    const got = await download
    if (got?.whole) expect(got.hash).toBe(fetched)

    node = await startNode({ ports, home })
    const where = `round ${round}, after ${afterMs} ms`
    expect(node.output(), where).not.toContain('damaged')
    expect(await idOf(node.url), where).toBe(id)
    expect(await partials(home), where).toEqual([])
    const there = await hashesIn(home)
    for (const [name, hash] of there) expect(known.has(hash), `${where}: ${name}`).toBe(true)
    for (const name of told.kept) expect(there.has(name), `${where}: ${name}`).toBe(true)
    const { files: list } = await ask<{ files: { name: string; hash: string }[] }>(
      node.url,
      '/myfiles/uploaded?size=1000',
    )
    const published = new Map(list.map(({ name, hash }) => [name, hash]))
    for (const [name, hash] of told.published) expect(published.get(name), `${where}: ${name}`).toBe(hash)
    for (const [name, hash] of published) expect(hash, `${where}: ${name}`).toBe(there.get(name))
  }
  const seen = await until(
    () => catalogueOf(other.url),
    ({ total }) => total > told.published.size,
  )
  const hashes = new Set(seen.files.map(({ hash }) => hash))
  for (const [name, hash] of told.published) expect(hashes.has(hash), name).toBe(true)
}, 600_000)

test(`${FIRST_STARTS} kills during the first start of a home end in a node with one identity and nothing left over`, async () => {
  const random = seeded(printedSeed())
  const home = await tempDir()
  const ports = await portsFile(await freePorts(1))
  for (let kill = 0; kill < FIRST_STARTS; kill++) {
    const node = await launchNode({ home, ports })
    await sleep(100 + random() * 900)
    await node.kill()
  }
  const first = await startNode({ home, ports })
  expect(first.output()).not.toContain('damaged')
  const id = await idOf(first.url)
  await first.kill()
  // What the moment between writing the key and giving it its name would leave; no kill is sure to hit it.
  const identity = join(home, '.portmesh', 'identity.json')
  await copyFile(identity, `${identity}.${randomUUID()}`)
  const again = await startNode({ home, ports })
  expect(await idOf(again.url)).toBe(id)
  expect((await readdir(join(home, '.portmesh'))).filter((name) => name.startsWith('identity'))).toEqual([
    'identity.json',
  ])
  expect(await partials(home)).toEqual([])
  expect([...(await hashesIn(home)).keys()].filter((name) => name !== 'Welcome to portmesh.txt')).toEqual([])
}, 600_000)
