/** Fetching into a home whose disk is full, fills up in the middle, or takes nothing. */
import { randomBytes } from 'node:crypto'
import { chmod, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { publish } from '../helpers/api.ts'
import { answerTo, canMount, LONG, partials, sha256, smallDisk, withoutPrivilege } from '../helpers/faults.ts'
import { tempDir } from '../helpers/process.ts'
import {
  act,
  begin,
  filesIn,
  hashOfFile,
  type Pair,
  startPair,
  transferOf,
  untilShared,
  untilTransfer,
} from '../helpers/transfers.ts'

const MIB = 1024 * 1024
const WELCOME = 'Welcome to portmesh.txt'
const why = canMount ? '' : ' (left out: no disk can be mounted here)'

const freeIn = async (folder: string): Promise<number> => {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize
}

/** Take room until so many bytes are left. */
const fill = async (folder: string, left: number): Promise<void> => {
  await writeFile(join(folder, '.fill'), Buffer.alloc(Math.max(0, (await freeIn(folder)) - left))).catch(() => {})
}

const shared = async ({ holder, taker }: Pair, content: Buffer): Promise<string> => {
  await writeFile(join(holder.home, 'large.bin'), content)
  const { root } = await publish(holder.url, 'large.bin')
  await untilShared(taker.url, root)
  return root
}

test.skipIf(!canMount)(
  `a disk without room pauses a fetch before anything is written, and says how much is missing${why}`,
  async () => {
    const { folder } = await smallDisk(48)
    const pair = await startPair(undefined, { home: folder })
    const { taker } = pair
    const content = randomBytes(24 * MIB)
    const root = await shared(pair, content)
    await fill(folder, 8 * MIB)
    const { json } = await begin(taker.url, { root })
    const paused = await untilTransfer(taker.url, json.id, 'paused')
    expect(paused.error).toMatchObject({ code: 'PM_DISK_FULL', message: expect.stringContaining('full') })
    const missing = content.length - (await freeIn(folder))
    expect(Math.abs((paused.error?.missingBytes ?? 0) - missing)).toBeLessThan(MIB)
    const partial = join(folder, '.portmesh', 'partial', `${json.id}.part`)
    expect((await stat(partial)).size).toBe(0)
    expect(paused.holders).toEqual([])
    // Still full: the same again, and the node is up.
    await act(taker.url, json.id, 'resume')
    expect((await untilTransfer(taker.url, json.id, 'paused')).error?.code).toBe('PM_DISK_FULL')
    expect((await answerTo(taker.url, '/alive')).status).toBe(200)
    await rm(join(folder, '.fill'))
    await act(taker.url, json.id, 'resume')
    const done = await untilTransfer(taker.url, json.id, 'done')
    expect(done.error).toBeUndefined()
    expect(await hashOfFile(join(folder, 'large.bin'))).toBe(sha256(content))
  },
)

test.skipIf(!canMount)(
  `a disk that fills up in the middle pauses the fetch, keeps what is there, and the node lives on; with room it ends${why}`,
  async () => {
    const { folder } = await smallDisk(64)
    const pair = await startPair(8 * MIB, { home: folder })
    const { taker, line } = pair
    const content = randomBytes(32 * MIB)
    const root = await shared(pair, content)
    const { json } = await begin(taker.url, { root })
    await untilTransfer(taker.url, json.id, ({ done }) => done > 4 * MIB)
    await fill(folder, 0)
    const paused = await untilTransfer(taker.url, json.id, 'paused')
    expect(paused.error?.code).toBe('PM_DISK_FULL')
    expect(paused.done).toBeGreaterThan(4 * MIB)
    expect(await filesIn(folder)).toEqual(['.fill', WELCOME])
    // On a full disk nothing of it can be kept, and everything is answered.
    for (const word of ['resume', 'pause'] as const)
      expect([200, 507]).toContain((await act(taker.url, json.id, word)).status)
    expect([200, 507]).toContain((await begin(taker.url, { root })).status)
    for (const path of ['/alive', '/', '/transfers']) expect((await answerTo(taker.url, path)).status, path).toBe(200)
    await rm(join(folder, '.fill'))
    await act(taker.url, json.id, 'pause')
    expect((await act(taker.url, json.id, 'resume')).status).toBe(200)
    line.limit(Number.POSITIVE_INFINITY)
    await untilTransfer(taker.url, json.id, 'done')
    expect(await hashOfFile(join(folder, 'large.bin'))).toBe(sha256(content))
    expect(line.bytes()).toBeLessThan(content.length * 1.02 + 8 * MIB)
    expect(taker.output()).not.toContain('something went wrong')
  },
)

test.skipIf(!canMount || !LONG)(`cancelling on a full disk frees it${why}`, async () => {
  const { folder } = await smallDisk(32)
  const pair = await startPair(8 * MIB, { home: folder })
  const { taker, holder } = pair
  const root = await shared(pair, randomBytes(16 * MIB))
  const { json } = await begin(taker.url, { root })
  await untilTransfer(taker.url, json.id, ({ done }) => done > 6 * MIB)
  await fill(folder, 0)
  await untilTransfer(taker.url, json.id, 'paused')
  expect((await act(taker.url, json.id, 'cancel')).json.state).toBe('cancelled')
  expect(await freeIn(folder)).toBeGreaterThan(4 * MIB)
  expect(await partials(folder)).toEqual([])
  // Orders that cannot be kept are refused, and those that wait for somebody end nothing.
  await fill(folder, 0)
  await holder.kill()
  const { status } = await begin(taker.url, { root })
  expect([202, 404, 507]).toContain(status)
  expect(await taker.stop()).toEqual({ code: 0, signal: null })
})

test.skipIf(withoutPrivilege === undefined)(
  'a home that may not be written ends a fetch with PM_CANNOT_WRITE, and what came is used by the next attempt',
  async () => {
    const [runtime = '', ...runtimeWords] = [...(withoutPrivilege ?? []), process.execPath]
    const home = await tempDir()
    const pair = await startPair(undefined, { home, runtime, runtimeWords })
    const { taker, line } = pair
    const content = randomBytes(8 * MIB)
    const root = await shared(pair, content)
    const folder = join(home, '.portmesh', 'partial')
    await chmod(folder, 0o500)
    const { json } = await begin(taker.url, { root })
    expect((await untilTransfer(taker.url, json.id, 'failed')).error?.code).toBe('PM_CANNOT_WRITE')
    await chmod(folder, 0o700)
    // Now it comes, and cannot get its name.
    await chmod(home, 0o500)
    const before = line.bytes()
    expect((await act(taker.url, json.id, 'retry')).status).toBe(200)
    const { error, done } = await untilTransfer(taker.url, json.id, 'failed')
    expect([error?.code, done]).toEqual(['PM_CANNOT_WRITE', content.length])
    expect(line.bytes() - before).toBeGreaterThan(content.length)
    await chmod(home, 0o700)
    // Asked for again it is tried again.
    expect((await begin(taker.url, { root })).json.id).toBe(json.id)
    await untilTransfer(taker.url, json.id, 'done')
    expect(await hashOfFile(join(home, 'large.bin'))).toBe(sha256(content))
    expect(line.bytes() - before).toBeLessThan(content.length * 1.1)
    expect((await transferOf(taker.url, json.id)).error).toBeUndefined()
    expect(await partials(home)).toEqual([])
  },
)
