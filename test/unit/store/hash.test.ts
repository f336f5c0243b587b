import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { chmod, mkdir, open, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { stampOf } from '../../../src/store/stamp.ts'
import type { WorkerPool } from '../../../src/workers.ts'
import { codeOf, pool, put, startHasher, tempDir, until, vectorContent } from './fixture.ts'

const MEBIBYTE = 1_048_576
const { files } = JSON.parse(readFileSync(new URL('../../vectors/bep52.json', import.meta.url), 'utf8'))

/** A file of zeros that takes no room on the disk, and the time it takes to hash: about 2 s a GiB. */
const sparse = async (folder: string, size: number): Promise<string> => {
  const path = join(folder, 'sparse')
  const handle = await open(path, 'w')
  await handle.truncate(size)
  await handle.close()
  // Older than the time within which the worker waits for a file to settle.
  await new Promise((resolve) => setTimeout(resolve, 25))
  return path
}

test('agrees with sha256 and libtorrent at every edge', async () => {
  const [folder, hashing] = [await tempDir(), startHasher()]
  for (const { size, hash, root } of files) {
    const path = await put(folder, 'content', vectorContent(size))
    expect(await hashing.hash(path)).toMatchObject({ size, hash, root })
  }
})

test('names the empty file by the hash of nothing, twice', async () => {
  const nothing = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
  const path = await put(await tempDir(), 'empty', '')
  expect(await startHasher().hash(path)).toMatchObject({ size: 0, hash: nothing, root: nothing })
})

test('tells its progress, rising, at most 10 times a second', async () => {
  const path = await sparse(await tempDir(), 256 * MEBIBYTE)
  const told: [number, number][] = []
  const began = performance.now()
  await startHasher().hash(path, { onProgress: (done, total) => told.push([done, total]) })
  const seconds = (performance.now() - began) / 1000
  expect(told.length).toBeGreaterThan(0)
  expect(told.length).toBeLessThanOrEqual(10 * seconds + 1)
  expect(told.map(([done]) => done)).toEqual(told.map(([done]) => done).sort((a, b) => a - b))
  for (const [done, total] of told) {
    expect(total).toBe(256 * MEBIBYTE)
    expect(done).toBeLessThanOrEqual(total)
  }
})

test('ends at once when it is aborted, and its worker goes on living', async () => {
  const workers = pool(1)
  const hashing = startHasher(workers)
  const small = await put(await tempDir(), 'small', 'x')
  await hashing.hash(small)
  const thread = await threadOf(workers)
  const path = await sparse(await tempDir(), 8 * 1024 * MEBIBYTE)
  const abort = new AbortController()
  let began = Number.POSITIVE_INFINITY
  const running = hashing.hash(path, {
    signal: abort.signal,
    onProgress: () => {
      if (abort.signal.aborted) return
      began = performance.now()
      abort.abort(new Error('enough'))
    },
  })
  await expect(running).rejects.toThrow('enough')
  expect(performance.now() - began).toBeLessThan(1_000)
  // The only thread is free again in a moment, and it is the same one.
  await hashing.hash(small)
  expect(performance.now() - began).toBeLessThan(2_000)
  expect(await threadOf(workers)).toBe(thread)
})

/** The number of the thread that does the pool's next job. */
const threadOf = async (workers: WorkerPool): Promise<number> => {
  const source = "export default () => import('node:worker_threads').then(({ threadId }) => threadId)"
  const file = await put(await tempDir(), 'thread.mjs', source)
  return await workers.run<number>(new URL(`file://${file}`), undefined)
}

test('knows when no worker reads any more, so that the pool can be stopped', async () => {
  const workers = pool(1)
  const hashing = startHasher(workers)
  const path = await sparse(await tempDir(), 1024 * MEBIBYTE)
  const abort = new AbortController()
  const running = codeOf(
    hashing.hash(path, { signal: abort.signal, onProgress: () => abort.abort(new Error('enough')) }),
  )
  let idle = false
  const waiting = hashing.idle().then(() => {
    idle = true
  })
  expect(await running).toBe('Error: enough')
  expect(idle).toBe(false)
  await waiting
  await workers.stop()
})

test('does not begin when it is aborted already, and closes what a waiting job would have opened', async () => {
  const workers = pool(1)
  const hashing = startHasher(workers)
  const path = await sparse(await tempDir(), 64 * MEBIBYTE)
  await expect(hashing.hash(path, { signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before')
  const first = hashing.hash(path)
  const abort = new AbortController()
  const waiting = hashing.hash(path, { signal: abort.signal, onProgress: () => undefined })
  abort.abort(new Error('waiting'))
  await expect(waiting).rejects.toThrow('waiting')
  expect((await first).size).toBe(64 * MEBIBYTE)
})

test.each<[string, (path: string) => void]>([
  ['grows', (path) => appendFileSync(path, 'x')],
  ['grows and grows', (path) => truncateSync(path, 1_048_576 * MEBIBYTE)],
  ['shrinks', (path) => truncateSync(path, 100 * MEBIBYTE)],
  ['shrinks to nothing', (path) => truncateSync(path, 0)],
  [
    'is changed at its begin, with its time put back',
    (path) => {
      const fd = openForWriting(path)
      writeSync(fd, 'changed', 0)
      utimesSync(path, new Date(0), new Date(0))
    },
  ],
])('refuses a file that %s while it is read', async (_what, change) => {
  const path = await sparse(await tempDir(), 256 * MEBIBYTE)
  utimesSync(path, new Date(0), new Date(0))
  let changed = false
  const running = startHasher().hash(path, {
    onProgress: () => {
      if (!changed) change(path)
      changed = true
    },
  })
  expect(await codeOf(running)).toBe('PM_FILE_CHANGED')
  expect(changed).toBe(true)
})

const openForWriting = (path: string): number => {
  const fd = openSync(path, 'r+')
  onTestFinished(() => closeSync(fd))
  return fd
}

test('refuses another file than the one that was looked at', async () => {
  const path = await put(await tempDir(), 'file', 'one')
  const handle = await open(path)
  const stamp = stampOf(await handle.stat({ bigint: true }))
  await handle.close()
  const hashing = startHasher()
  expect((await hashing.hash(path, { expect: stamp })).stamp).toEqual(stamp)
  await new Promise((resolve) => setTimeout(resolve, 30))
  writeFileSync(path, 'two')
  expect(await codeOf(hashing.hash(path, { expect: stamp }))).toBe('PM_FILE_CHANGED')
})

test('gives a stamp that shows even a change right after it was read', async () => {
  const [folder, hashing] = [await tempDir(), startHasher()]
  for (let round = 0; round < 40; round++) {
    const path = await put(folder, `file ${round}`, 'one')
    const { stamp } = await hashing.hash(path)
    writeFileSync(path, 'two')
    const handle = await open(path)
    const after = stampOf(await handle.stat({ bigint: true }))
    await handle.close()
    expect(after).not.toEqual(stamp)
  }
})

test('reads a file only when the clock of file times has moved on since it was changed', async () => {
  const [folder, hashing] = [await tempDir(), startHasher()]
  await hashing.hash(await put(folder, 'warm', ''))
  const began = performance.now()
  await hashing.hash(await put(folder, 'file', 'one'))
  expect(performance.now() - began).toBeGreaterThan(10)
})

test('refuses links, pipes, folders and what is not there, each with its own error', async () => {
  const [folder, hashing] = [await tempDir(), startHasher()]
  await put(folder, 'file', '')
  await symlink('file', join(folder, 'link'))
  await mkdir(join(folder, 'folder'))
  execFileSync('mkfifo', [join(folder, 'pipe')])
  for (const name of ['link', 'folder', 'pipe']) {
    expect(await codeOf(hashing.hash(join(folder, name))), name).toBe('PM_NOT_A_FILE')
  }
  expect(await codeOf(hashing.hash('/dev/zero'))).toBe('PM_NOT_A_FILE')
  expect(await codeOf(hashing.hash(join(folder, 'missing')))).toBe('PM_NO_SUCH_FILE')
  expect(await codeOf(hashing.hash(join(folder, 'file', 'below')))).toBe('PM_NO_SUCH_FILE')
})

test.skipIf(process.getuid?.() === 0)('says so when a file may not be read', async () => {
  const path = await put(await tempDir(), 'file', '')
  await chmod(path, 0)
  expect(await codeOf(startHasher().hash(path))).toBe('PM_UNREADABLE')
})

test.skipIf(process.platform !== 'linux')('leaves no file open, whatever happened', async () => {
  const [folder, hashing] = [await tempDir(), startHasher()]
  const path = await put(folder, 'file', 'x')
  const openFiles = (): string[] =>
    readdirSync('/proc/self/fd')
      .map(target)
      .filter((at) => at.startsWith(folder))
  for (let round = 0; round < 20; round++) {
    await hashing.hash(path)
    await codeOf(hashing.hash(folder))
    const abort = new AbortController()
    const running = codeOf(hashing.hash(path, { signal: abort.signal }))
    abort.abort()
    await running
  }
  await until(() => openFiles().length === 0)
})

const target = (fd: string): string => {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return ''
  }
}
