/** Disks that are full, read-only, or gone. */
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ask, publish, until } from '../helpers/api.ts'
import { answerTo, canMount, partials, smallDisk, upload, withoutPrivilege } from '../helpers/faults.ts'
import { launchNode, startNode, tempDir } from '../helpers/process.ts'

const MEGABYTE = 1024 * 1024
const why = canMount ? '' : ' (left out: no disk can be mounted here)'

/** Take all the room there is. */
const fill = async (folder: string): Promise<void> => {
  await rm(join(folder, '.fill'), { force: true })
  await writeFile(join(folder, '.fill'), Buffer.alloc(64 * MEGABYTE)).catch(() => {})
}

const published = async (url: string): Promise<string[]> =>
  (await ask<{ files: { name: string }[] }>(url, '/myfiles/uploaded')).files.map(({ name }) => name).sort()

test.skipIf(!canMount)(
  `a full disk ends an upload and a publish with PM_DISK_FULL, keeps nothing of them, and all goes on once there is room${why}`,
  async () => {
    const { folder } = await smallDisk(16)
    const node = await startNode({ home: folder })
    await writeFile(join(folder, 'kept.txt'), 'kept')
    await writeFile(join(folder, 'later.txt'), 'later')
    await publish(node.url, 'kept.txt')
    const large = await upload(node.url, 'large.bin', randomBytes(24 * MEGABYTE))
    expect(large.text).toContain('PM_DISK_FULL')
    expect(large.status).toBe(507)
    expect(await partials(folder)).toEqual([])
    await fill(folder)
    const refused = await answerTo(node.url, '/myfiles/later.txt/upload', 'POST')
    expect(refused).toMatchObject({ status: 507, text: expect.stringContaining('PM_DISK_FULL') })
    expect(await upload(node.url, 'small.bin', randomBytes(100_000))).toMatchObject({ status: 507 })
    expect(await partials(folder)).toEqual([])
    expect(await published(node.url)).toEqual(['kept.txt'])
    await rm(join(folder, '.fill'))
    await publish(node.url, 'later.txt')
    expect((await upload(node.url, 'small.bin', randomBytes(100_000), '?publish=1')).status).toBe(201)
    await node.kill()
    const again = await startNode({ home: folder })
    expect(await published(again.url)).toEqual(['kept.txt', 'later.txt', 'small.bin'])
    expect((await readdir(folder)).filter((name) => !name.startsWith('.')).length).toBe(4)
    expect(again.output()).not.toContain('damaged')
  },
)

test.skipIf(!canMount)(
  `a start on a disk that is full or read-only ends with a sentence that says so${why}`,
  async () => {
    const { folder, remount } = await smallDisk(8)
    const starts = async (home: string): Promise<{ code: number | null; said: string }> => {
      const node = await launchNode({ home })
      return { code: (await node.ended).code, said: node.output() }
    }
    await fill(folder)
    for (const home of [folder, join(folder, 'new')]) {
      const { code, said } = await starts(home)
      expect([code, said]).toEqual([1, expect.stringMatching(/^portmesh: [^\n]*the disk is full\n$/)])
    }
    await rm(join(folder, '.fill'))
    const node = await startNode({ home: folder })
    await node.stop()
    await fill(folder)
    const { code, said } = await starts(folder)
    expect([code, said]).toEqual([1, expect.stringMatching(/^portmesh: [^\n]*the disk is full\n$/)])
    await rm(join(folder, '.fill'))
    remount('ro')
    for (const home of [folder, join(folder, 'other')]) {
      const { code, said } = await starts(home)
      expect([code, said]).toEqual([1, expect.stringMatching(/^portmesh: [^\n]*its disk is read-only\n$/)])
    }
    remount('rw')
    await startNode({ home: folder })
  },
)

test.skipIf(withoutPrivilege === undefined)(
  'a home that may not be written any more refuses uploads with PM_CANNOT_WRITE, and still serves',
  async () => {
    const home = await tempDir()
    const [command = '', ...words] = [...(withoutPrivilege ?? []), process.execPath]
    const node = await startNode({ home, runtime: command, runtimeWords: words })
    await writeFile(join(home, 'kept.txt'), 'kept')
    const { hash } = await publish(node.url, 'kept.txt')
    const folders = [home, join(home, '.portmesh'), join(home, '.portmesh', 'partial')]
    for (const folder of folders) await chmod(folder, 0o500)
    expect(await upload(node.url, 'new.bin', randomBytes(1_000))).toMatchObject({
      status: 507,
      text: expect.stringContaining('PM_CANNOT_WRITE'),
    })
    expect(await answerTo(node.url, `/getfile/${hash}`)).toEqual({ status: 200, text: 'kept' })
    for (const folder of folders) await chmod(folder, 0o700)
    expect((await upload(node.url, 'new.bin', randomBytes(1_000))).status).toBe(201)
  },
)

test.skipIf(withoutPrivilege === undefined)(
  'a file that may not be read is refused with PM_UNREADABLE, and published once it may be',
  async () => {
    const home = await tempDir()
    const [command = '', ...words] = [...(withoutPrivilege ?? []), process.execPath]
    const node = await startNode({ home, runtime: command, runtimeWords: words })
    await mkdir(join(home, 'shut'))
    for (const name of ['locked.txt', 'shut/inside.txt', 'open.txt']) await writeFile(join(home, name), name)
    await chmod(join(home, 'locked.txt'), 0)
    await chmod(join(home, 'shut'), 0)
    const locked = '/myfiles/locked.txt/upload'
    for (const path of [locked, '/myfiles/shut%2Finside.txt/upload']) {
      const { status, text } = await answerTo(node.url, path, 'POST')
      expect([status, JSON.parse(text)], path).toEqual([
        409,
        { error: { code: 'PM_UNREADABLE', message: 'this account may not read that file' } },
      ])
    }
    const page = await fetch(new URL(locked, node.url), { method: 'POST', headers: { accept: 'text/html' } })
    expect([page.status, await page.text()]).toEqual([409, expect.stringContaining('portmesh may not read that file')])
    expect(await published(node.url)).toEqual([])
    await publish(node.url, 'open.txt')
    // A name that cannot be one says so still.
    expect((await answerTo(node.url, '/myfiles/.hidden/upload', 'POST')).text).toContain('"PM_BAD_NAME"')
    await chmod(join(home, 'shut'), 0o700)
    await chmod(join(home, 'locked.txt'), 0o600)
    for (const name of ['locked.txt', 'shut/inside.txt']) await publish(node.url, name)
    expect(await published(node.url)).toEqual(['locked.txt', 'open.txt', 'shut/inside.txt'])
  },
)

test.skipIf(!canMount)(`a disk that is pulled out takes its files from the mesh and not the node${why}`, async () => {
  const { folder, pullOut } = await smallDisk(8)
  const node = await startNode({ home: folder })
  await writeFile(join(folder, 'gone.txt'), 'gone')
  await publish(node.url, 'gone.txt')
  pullOut()
  await until(
    () => published(node.url),
    (names) => names.length === 0,
  )
  expect(await upload(node.url, 'new.bin', randomBytes(1_000))).toMatchObject({
    status: 507,
    text: expect.stringContaining('PM_CANNOT_WRITE'),
  })
  expect((await answerTo(node.url, '/')).status).toBe(200)
  expect(await node.stop()).toEqual({ code: 0, signal: null })
})
