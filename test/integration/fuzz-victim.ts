/** A node of its own process, with files that are shared and files that are not, for tests that send it what nobody sends. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { ask, publish, until } from '../helpers/api.ts'
import type { Known } from '../helpers/hostile-requests.ts'
import { type Environment, REPOSITORY, type RunningNode, startNode, tempDir } from '../helpers/process.ts'
import { giveIdentity, routesOfNode } from '../helpers/routes.ts'
import { type Descriptors, descriptors } from '../helpers/wire.ts'

const SECRET_NAME = 'kept-to-myself'
const SECRET_TEXT = 'nobody-is-to-read-this'
const OUTSIDE_TEXT = 'it-does-not-lie-in-the-home'
const SHARED_BYTES = 70_000
/** Those that hash come and go. */
const THREADS = 2
const DESCRIPTORS_OF_A_THREAD = 8
/** Of the test, which asks over connections that stay open. */
const OWN_CONNECTIONS = 6
/** Of the program's own files, and of its runtime. */
const STACK = /\bat [^\n]{0,200}(\(|file:\/\/|node:|\/)[^\n]{0,200}:\d+:\d+/

export interface Victim {
  readonly node: RunningNode
  readonly folder: string
  readonly known: Known
  /** What an answer must not hold. @param own - it was asked by the node's own name, so its person may have asked. */
  readonly told: (text: string, own: boolean) => string | undefined
}

export const startVictim = async (env: Environment = {}): Promise<Victim> => {
  const folder = await tempDir()
  const home = join(folder, 'home')
  await mkdir(join(home, 'album'), { recursive: true })
  await giveIdentity(home)
  const routes = await routesOfNode(home)
  const names = ['report.txt', 'album/01.flac', 'a b%c.bin', '__proto__']
  for (const name of names) await writeFile(join(home, name), Buffer.alloc(SHARED_BYTES, name))
  await writeFile(join(home, `${SECRET_NAME}.txt`), SECRET_TEXT)
  await writeFile(join(folder, 'outside.txt'), OUTSIDE_TEXT)
  const node = await startNode({ home, logLevel: 'error', interval: 5, env })
  const published = await Promise.all(names.map((name) => publish(node.url, name)))
  const self = await ask<{ id: string }>(node.url, '/')
  const { seed } = JSON.parse(await readFile(join(home, '.portmesh', 'identity.json'), 'utf8'))
  const told: Victim['told'] = (text, own) => {
    const never = [SECRET_TEXT, OUTSIDE_TEXT, seed, 'root:x:0:0', REPOSITORY]
    const found = [...never, ...(own ? [] : [SECRET_NAME, folder])].find((each) => text.includes(each))
    return found ?? STACK.exec(text)?.[0]
  }
  const hashes = published.flatMap(({ hash, root }) => [hash, root])
  // Threads that hash, and whatever else is opened only once.
  for (const name of names) expect((await fetch(`${node.url}getfile/${published[0]?.hash}`)).status, name).toBe(200)
  return { node, folder, told, known: { port: node.port, routes, names, hashes, ids: [self.id] } }
}

/** It answers at once, what it has is what it had, it wrote no error, and it ends as it should. */
export const isWell = async ({ node, folder, known }: Victim, before: Descriptors): Promise<void> => {
  const began = performance.now()
  expect((await fetch(node.url, { headers: { accept: 'text/html' } })).status).toBe(200)
  expect(performance.now() - began).toBeLessThan(2_000)
  await until(
    async () => ({ now: await descriptors(node), before }),
    ({ now: { files, sockets, others } }) =>
      files.join() === before.files.join() &&
      sockets <= before.sockets + OWN_CONNECTIONS &&
      others <= before.others + THREADS * DESCRIPTORS_OF_A_THREAD,
    15_000,
  )
  expect(node.stderr()).not.toMatch(/went wrong|"level":"error"/)
  for (const name of known.names)
    expect((await readFile(join(node.home, name))).equals(Buffer.alloc(SHARED_BYTES, name)), name).toBe(true)
  expect(await readFile(join(node.home, `${SECRET_NAME}.txt`), 'utf8')).toBe(SECRET_TEXT)
  expect((await readdir(folder)).sort()).toEqual(['home', 'outside.txt'])
  await until(
    () => readdir(join(node.home, '.portmesh', 'partial')),
    (partial) => partial.length === 0,
  )
  expect(await node.stop()).toEqual({ code: 0, signal: null })
}
