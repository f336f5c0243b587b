/** Files that change, shrink, grow, vanish or become something else while they are hashed or served. */
import { randomBytes } from 'node:crypto'
import { open, rename, symlink, truncate, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { ask, catalogueOf, nodesOf, publish, until } from '../helpers/api.ts'
import { answerTo, beginDownload, sha256 } from '../helpers/faults.ts'
import { type RunningNode, startMesh, startNode } from '../helpers/process.ts'

const MEGABYTE = 1024 * 1024

const write = async (path: string, position: number, bytes: Uint8Array): Promise<void> => {
  const handle = await open(path, 'r+')
  await handle.write(bytes, 0, bytes.length, position)
  await handle.close()
}

/** What may happen to a file. */
const FATES: readonly (readonly [what: string, happens: (path: string, size: number) => Promise<unknown>])[] = [
  ['changes', async (path, size) => await write(path, size - 3 * MEGABYTE, randomBytes(MEGABYTE))],
  ['shrinks', async (path, size) => await truncate(path, size - MEGABYTE)],
  ['grows', async (path, size) => await write(path, size, randomBytes(100))],
  ['vanishes', async (path) => await unlink(path)],
  [
    'becomes a link',
    async (path) => {
      await rename(path, `${path} moved`)
      await symlink(`${path} moved`, path)
    },
  ],
  [
    'is replaced',
    async (path, size) => {
      await writeFile(`${path} other`, randomBytes(size))
      await rename(`${path} other`, path)
    },
  ],
]

const publishedNames = async (url: string): Promise<string[]> =>
  (await ask<{ files: { name: string }[] }>(url, '/myfiles/uploaded')).files.map(({ name }) => name)

test('a file that changes, shrinks, grows, vanishes, becomes a link or is replaced while it is served never ends as a finished download of something else, and leaves every row', async () => {
  const [a, b, c] = (await startMesh(3)) as [RunningNode, RunningNode, RunningNode]
  await until(
    () => nodesOf(b.url),
    (nodes) => nodes.filter(({ alive }) => alive).length === 2,
  )
  const size = 32 * MEGABYTE
  // A few at a time: a node has six connections to another one.
  for (let first = 0; first < FATES.length; first += 3) {
    await Promise.all(
      FATES.slice(first, first + 3).map(async ([what, happens]) => {
        const content = randomBytes(size)
        const path = join(a.home, `file that ${what}`)
        await writeFile(path, content)
        const { hash } = await publish(a.url, `file that ${what}`)
        await until(
          () => catalogueOf(b.url),
          ({ files }) => files.some((file) => file.hash === hash),
        )
        // From another node, and from the node that has it.
        const downloads = await Promise.all([a, b].map(({ url }) => beginDownload(`${url}getfile/${hash}`)))
        expect(downloads.map(({ status, length }) => ({ status, length }))).toEqual([
          { status: 200, length: size },
          { status: 200, length: size },
        ])
        await happens(path, size)
        for (const { rest } of downloads) {
          const got = await rest()
          if (got.whole) expect(got.hash, what).toBe(sha256(content))
          else expect(got.bytes, what).toBeLessThan(size)
        }
        await Promise.all(
          [a, b, c].map(({ url }) =>
            until(
              () => catalogueOf(url),
              ({ files }) => !files.some((file) => file.hash === hash),
            ),
          ),
        )
        for (const { url } of [a, b]) expect((await answerTo(url, `/getfile/${hash}`)).status, what).toBe(404)
        expect(
          (await ask<{ files: { name: string; state: string }[] }>(a.url, '/myfiles?size=1000')).files,
        ).not.toContainEqual(expect.objectContaining({ name: `file that ${what}`, state: 'published' }))
      }),
    )
  }
  expect(await publishedNames(a.url)).toEqual([])
})

test('a file that has changed is refused with 409 by whoever asks before anybody noticed, and its row is corrected by that', async () => {
  // So long an interval that nobody looks by himself.
  const [a, b] = (await startMesh(2, { interval: 60 })) as [RunningNode, RunningNode]
  await until(
    () => nodesOf(b.url),
    ([node]) => node?.alive === true,
  )
  for (const asker of [a, b]) {
    const name = `asked by ${asker.port}.txt`
    await writeFile(join(a.home, name), `old ${name}`)
    const { hash } = await publish(a.url, name)
    await until(
      () => catalogueOf(b.url),
      ({ total }) => total === 1,
    )
    await writeFile(join(a.home, name), `new ${name}`)
    const { status, text } = await answerTo(asker.url, `/getfile/${hash}`)
    expect(status, text).toBe(409)
    expect(text).toContain('PM_FILE_CHANGED')
    await until(
      () => catalogueOf(b.url),
      ({ total }) => total === 0,
      2_000,
    )
    const again = await publish(a.url, name)
    expect(again.hash).toBe(sha256(`new ${name}`))
    await ask(a.url, '/uploaded/clear', 'POST')
    await until(
      () => catalogueOf(b.url),
      ({ total }) => total === 0,
    )
  }
})

test('a file that changes in any way while it is hashed is refused with 409, and published as what it is when it lies still', async () => {
  const node = await startNode()
  const size = 192 * MEGABYTE
  for (const [what, happens] of FATES.filter(([fate]) => fate !== 'is replaced')) {
    const name = `file that ${what}`
    const path = join(node.home, name)
    await writeFile(path, what)
    await truncate(path, size)
    const publishing = answerTo(node.url, `/myfiles/${encodeURIComponent(name)}/upload`, 'POST')
    await until(
      async () => (await ask<{ files: { name: string; state: string }[] }>(node.url, '/myfiles?size=1000')).files,
      (files) => files.some((file) => file.name === name && file.state === 'preparing'),
    )
    await sleep(50)
    await happens(path, size)
    const { status, text } = await publishing
    expect([status, text], what).toEqual([409, expect.stringContaining('PM_FILE_CHANGED')])
    expect(await publishedNames(node.url)).toEqual([])
    await unlink(path).catch(() => {})
    await unlink(`${path} moved`).catch(() => {})
    await writeFile(path, `still ${what}`)
    expect((await publish(node.url, name)).hash).toBe(sha256(`still ${what}`))
    await ask(node.url, '/uploaded/clear', 'POST')
  }
})
