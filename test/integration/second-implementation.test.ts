/** PROTOCOL.md is enough: a node written from that page alone, in another language, and the real one understand each other. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { catalogueOf, nodesOf, publish, until } from '../helpers/api.ts'
import { freePorts, REPOSITORY, type Running, run, startNode, tempDir } from '../helpers/process.ts'

const PROGRAM = join(REPOSITORY, 'test', 'python', 'portmesh.py')
const VECTORS = join(REPOSITORY, 'test', 'vectors', 'handshake-1.json')
/** Its primes take their time, more so on a busy machine. */
const SLOW_MS = 50_000
const TEST_MS = 120_000

const hasPython =
  spawnSync('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 9))'], { stdio: 'ignore' }).status === 0

const python = (...words: readonly string[]): Running => run('python3', [PROGRAM, ...words])

const done = async (...words: readonly string[]): Promise<string> => {
  const program = python(...words)
  const { code } = await program.ended
  if (code !== 0) throw new Error(program.output())
  return program.stdout()
}

/** More than two frames of file content. */
const content = (seed: number): Buffer =>
  Buffer.from(Uint8Array.from({ length: 2_500_001 }, (_, at) => (at * seed + (at >> 12)) % 256))

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

// Skipped where there is no Python: nothing else of the program needs one.
describe.skipIf(!hasPython)('a node written in Python (3.9 or newer) from PROTOCOL.md alone', () => {
  test('computes every published value of a handshake and its streams', { timeout: TEST_MS }, async () => {
    expect(await done('check', VECTORS)).toContain('99 same, 0 other')
  })

  test('pulls the row of a node, fetches a file from it and tells it news', { timeout: TEST_MS }, async () => {
    const node = await startNode()
    const bytes = content(7)
    const name = 'album/ein Lied für 2 & mehr.bin'
    await mkdir(join(node.home, 'album'))
    await writeFile(join(node.home, name), bytes)
    await writeFile(join(node.home, 'empty.txt'), '')
    await publish(node.url, name)
    await publish(node.url, 'empty.txt')
    const address = `127.0.0.1:${node.port}`

    const row = JSON.parse(await done('row', address))
    expect(row.head).toMatchObject({ v: 'portmesh/1', count: 2, size: bytes.length })
    expect(row.files).toMatchObject([
      { name, size: bytes.length, hash: hashOf(bytes) },
      { name: 'empty.txt', size: 0, root: hashOf(Buffer.alloc(0)) },
    ])

    const file = join(await tempDir(), 'fetched')
    await done('fetch', address, name, '-o', file)
    expect((await readFile(file)).equals(bytes)).toBe(true)
    expect(await done('fetch', address, 'empty.txt')).toBe('')
    expect(await done('news', address, 'changed', '1')).toBe('{}\n')
  })

  test('fetches a content in pieces, each proved by the tree, and hears when it is taken out', {
    timeout: TEST_MS,
  }, async () => {
    const node = await startNode()
    const contents = new Map([
      // Two answers, the first one of two frames.
      ['many.bin', content(17).subarray(0, 10 * 128 * 1024 + 5)],
      ['whole pieces.bin', content(19).subarray(0, 2 * 128 * 1024)],
      ['one.bin', content(23).subarray(0, 100_000)],
      ['empty.bin', Buffer.alloc(0)],
    ])
    for (const [name, bytes] of contents) {
      await writeFile(join(node.home, name), bytes)
      await publish(node.url, name)
    }
    const address = `127.0.0.1:${node.port}`
    const lines = [...contents].map(([name, bytes]) => `${hashOf(bytes)} ${name}\n`)
    expect(await done('pieces', address, ...contents.keys())).toBe(lines.join(''))

    const listening = python('have', address, 'many.bin')
    await listening.says(/^\{"all":true\}$/m, SLOW_MS)
    await listening.says(/^\{\}$/m, SLOW_MS)
    await fetch(new URL('/myfiles/many.bin/clear', node.url), { method: 'POST' })
    await listening.says(/^the end$/m)
    expect((await listening.ended).code).toBe(0)
  })

  test('is found by a node, which pulls its row, fetches its file and says goodbye', { timeout: TEST_MS }, async () => {
    const [own = 0, theirs = 0] = await freePorts(2)
    const node = await startNode({ ports: [own, theirs] })
    const home = await tempDir()
    const [shared, single] = [content(11), content(13)]
    await writeFile(join(home, 'ein Lied.bin'), shared)
    await writeFile(join(home, 'only here.bin'), single)
    await writeFile(join(node.home, 'the same.bin'), shared)
    const { root } = await publish(node.url, 'the same.bin')

    const other = python('serve', `${theirs}`, join(home, 'ein Lied.bin'), join(home, 'only here.bin'))
    const [, id] = await other.says(/serving 2 files at \S+ as (\w{64})/, SLOW_MS)
    const [peer] = await until(
      () => nodesOf(node.url),
      (nodes) => nodes[0]?.alive === true,
      SLOW_MS,
    )
    expect(peer).toMatchObject({ id, name: 'python', address: `127.0.0.1:${theirs}`, count: 2 })
    await other.says(new RegExp(`news .*"changed","port":${own}`))

    const { files } = await catalogueOf(node.url)
    // Both computed the same root, so it is one entry.
    expect(files.find((file) => file.root === root)).toMatchObject({ mine: true, holders: [{ name: 'python' }] })
    const found = files.find((file) => file.names.includes('only here.bin'))
    expect(found).toMatchObject({ hash: hashOf(single), size: single.length, mine: false, holders: [{ alive: true }] })

    const answer = await fetch(new URL(`/getfile/${hashOf(single)}`, node.url))
    expect(answer.status).toBe(200)
    expect(Buffer.from(await answer.arrayBuffer()).equals(single)).toBe(true)

    // The same by the swarm, which follows its news.
    await fetch(new URL('/transfers', node.url), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ hash: hashOf(single) }),
    })
    await until(
      () => readFile(join(node.home, 'only here.bin')).catch(() => undefined),
      (bytes) => bytes?.equals(single) === true,
      SLOW_MS,
    )

    await node.stop()
    await other.says(new RegExp(`news .*"leaving","port":${own}`))
  })
})
