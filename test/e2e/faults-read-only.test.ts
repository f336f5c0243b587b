/** A disk that turns read-only under a node that runs on it: by a failure, as kernels do, or by somebody's hand. */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ask, publish } from '../helpers/api.ts'
import { brittleDisk, canFail, coverReadOnly } from '../helpers/brittle-disk.ts'
import { answerTo, canMount, hashesIn, partials, upload } from '../helpers/faults.ts'
import { startNode, tempDir } from '../helpers/process.ts'

const without = (possible: boolean, what: string): string => (possible ? '' : ` (left out: ${what} here)`)

const published = async (url: string): Promise<string[]> =>
  (await ask<{ files: { name: string }[] }>(url, '/myfiles/uploaded')).files.map(({ name }) => name).sort()

const CANNOT_WRITE = { status: 507, text: expect.stringContaining('"PM_CANNOT_WRITE"') }

test.skipIf(!canFail)(
  `a disk that fails and turns read-only: uploading, publishing and clearing say PM_CANNOT_WRITE, the node stays up, nothing is lost${without(canFail, 'no disk can be made to fail')}`,
  async () => {
    const { folder, fail, mend } = await brittleDisk(32)
    const node = await startNode({ home: folder })
    for (const name of ['kept.txt', 'cleared.txt', 'later.txt']) await writeFile(join(folder, name), name)
    // What others wrote is theirs to bring to the disk; what the node wrote from here on it has brought there itself.
    spawnSync('sync', ['--file-system', folder])
    const { hash } = await publish(node.url, 'kept.txt')
    await publish(node.url, 'cleared.txt')
    expect((await upload(node.url, 'sent.bin', randomBytes(300_000), '?publish=1')).status).toBe(201)
    const before = await hashesIn(folder)
    fail()
    for (const query of ['', '?publish=1'])
      expect(await upload(node.url, 'new.bin', randomBytes(300_000), query)).toEqual(CANNOT_WRITE)
    expect(await answerTo(node.url, '/myfiles/later.txt/upload', 'POST')).toEqual(CANNOT_WRITE)
    expect(await answerTo(node.url, '/myfiles/cleared.txt/clear', 'POST')).toEqual(CANNOT_WRITE)
    expect(await answerTo(node.url, `/getfile/${hash}`)).toEqual({ status: 200, text: 'kept.txt' })
    // What could not be taken out for good is at least not served while this node runs.
    expect(await published(node.url)).toEqual(['kept.txt', 'sent.bin'])
    expect(await answerTo(node.url, '/uploaded/clear', 'POST')).toEqual(CANNOT_WRITE)
    expect(await published(node.url)).toEqual([])
    for (const path of ['/', '/myfiles', '/getfile/available', '/alive'])
      expect((await answerTo(node.url, path)).status, path).toBe(200)
    expect(await partials(folder)).toEqual([])
    expect(await node.stop()).toEqual({ code: 0, signal: null })
    expect(node.output()).not.toContain('something went wrong')

    mend()
    expect(await hashesIn(folder)).toEqual(before)
    const again = await startNode({ home: folder })
    expect(again.output()).not.toContain('damaged')
    expect(await published(again.url)).toEqual(['cleared.txt', 'kept.txt', 'sent.bin'])
    expect((await answerTo(again.url, '/myfiles/cleared.txt/clear', 'POST')).status).toBe(200)
    await publish(again.url, 'later.txt')
    expect((await upload(again.url, 'new.bin', randomBytes(300_000), '?publish=1')).status).toBe(201)
    expect(await published(again.url)).toEqual(['kept.txt', 'later.txt', 'new.bin', 'sent.bin'])
  },
)

test.skipIf(!canMount)(
  `a home that is mounted read-only while its node runs takes no upload, and goes on by itself once it may be written${without(canMount, 'nothing can be mounted')}`,
  async () => {
    const home = await tempDir()
    const node = await startNode({ home })
    for (const name of ['kept.txt', 'cleared.txt', 'later.txt']) await writeFile(join(home, name), name)
    const { hash } = await publish(node.url, 'kept.txt')
    await publish(node.url, 'cleared.txt')
    const before = await hashesIn(home)
    const { lift } = coverReadOnly(home)
    await expect(writeFile(join(home, 'mine.txt'), '')).rejects.toThrow('EROFS')
    for (const query of ['', '?publish=1'])
      expect(await upload(node.url, 'new.bin', randomBytes(300_000), query)).toEqual(CANNOT_WRITE)
    // The state was open before: what needs no new file is not hindered.
    await publish(node.url, 'later.txt')
    expect((await answerTo(node.url, '/myfiles/cleared.txt/clear', 'POST')).status).toBe(200)
    expect(await answerTo(node.url, `/getfile/${hash}`)).toEqual({ status: 200, text: 'kept.txt' })
    lift()
    expect(await hashesIn(home)).toEqual(before)
    expect(await partials(home)).toEqual([])
    expect((await upload(node.url, 'new.bin', randomBytes(300_000), '?publish=1')).status).toBe(201)
    expect(await published(node.url)).toEqual(['kept.txt', 'later.txt', 'new.bin'])
    await node.kill()
    const again = await startNode({ home })
    expect(await published(again.url)).toEqual(['kept.txt', 'later.txt', 'new.bin'])
  },
)
