import { execFileSync } from 'node:child_process'
import { mkdir, readdir, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Home, sameStamp } from '../../../src/store/home.ts'
import { walk } from '../../../src/store/walk.ts'
import { codeOf, put, startHome, tempDir } from './fixture.ts'

const namesOf = async (home: Home): Promise<string[]> => (await home.walk()).files.map(({ name }) => name).sort()

const fifo = (path: string): void => void execFileSync('mkfifo', [path])

test('makes its folder, and knows the real one behind a link', async () => {
  const folder = await tempDir()
  const made = await startHome(join(folder, 'a', 'b'))
  expect(await readdir(folder)).toEqual(['a'])
  await symlink(join('a', 'b'), join(folder, 'link'))
  expect((await startHome(join(folder, 'link'))).realRoot).toBe(made.realRoot)
  await writeFile(join(folder, 'file'), '')
  expect(await codeOf(new Home(join(folder, 'file', 'x')).start())).toBe('PM_CANNOT_START')
})

test('lists ordinary files with their folders, and nothing else', async () => {
  const home = await startHome()
  const root = home.realRoot
  await put(root, 'report.pdf', 'four')
  await put(root, 'album/disc 1/01.flac', '')
  await put(root, '<img src=x onerror=alert(1)>', '')
  await put(root, '__proto__', '')
  await put(root, '.portmesh/state.db', '')
  await put(root, '.hidden', '')
  await put(root, 'album/.hidden', '')
  await symlink('report.pdf', join(root, 'link'))
  await symlink('album', join(root, 'linked album'))
  await symlink('/etc', join(root, 'etc'))
  await mkdir(join(root, 'empty'))
  fifo(join(root, 'pipe'))
  const server = createServer().listen(join(root, 'socket'))
  onTestFinished(() => void server.close())
  expect(await namesOf(home)).toEqual([
    '<img src=x onerror=alert(1)>',
    '__proto__',
    'album/disc 1/01.flac',
    'report.pdf',
  ])
  const { files, complete } = await home.walk()
  const report = files.find(({ name }) => name === 'report.pdf')
  expect(report).toMatchObject({ size: 4, publishable: true })
  expect(Math.abs((report?.modifiedMs ?? 0) - Date.now())).toBeLessThan(60_000)
  expect(complete).toBe(true)
})

test('lists to depth 16', async () => {
  const home = await startHome()
  const deep = Array.from({ length: 15 }, (_, level) => `d${level}`).join('/')
  await put(home.realRoot, `${deep}/sixteenth`, '')
  await put(home.realRoot, `${deep}/d15/seventeenth`, '')
  expect(await namesOf(home)).toEqual([`${deep}/sixteenth`])
})

test('lists names that cannot be published as such', async () => {
  const home = await startHome()
  const bytes = (text: string): Buffer => Buffer.concat([Buffer.from(`${home.realRoot}/`), Buffer.from(text, 'latin1')])
  await writeFile(bytes('caf\xe9.txt'), '')
  await mkdir(bytes('f\xffolder'))
  await writeFile(bytes('f\xffolder/fine.txt'), '')
  await put(home.realRoot, 'café.txt', '')
  const long = Array.from({ length: 5 }, () => 'long'.repeat(60)).join('/')
  await put(home.realRoot, long, '')
  const { files } = await home.walk()
  expect(new Map(files.map(({ name, publishable }) => [name, publishable]))).toEqual(
    new Map([
      ['caf\ufffd.txt', false],
      ['f\ufffdolder/fine.txt', false],
      ['café.txt', true],
      [long, false],
    ]),
  )
})

test('lists 10,000 files, and lets others work meanwhile', async () => {
  const home = await startHome()
  await mkdir(join(home.realRoot, 'sub'))
  for (let batch = 0; batch < 100; batch++) {
    await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        writeFile(join(home.realRoot, batch % 2 ? 'sub' : '', `${batch}-${i}`), ''),
      ),
    )
  }
  let turns = 0
  let running = true
  const count = (): void => {
    turns++
    if (running) setImmediate(count)
  }
  count()
  const { files, complete } = await home.walk()
  running = false
  expect(files).toHaveLength(10_000)
  expect(complete).toBe(true)
  expect(turns).toBeGreaterThan(20)
})

test('stops at the cap and says so', async () => {
  const home = await startHome()
  for (const name of ['a', 'b', 'sub/c', 'sub/d']) await put(home.realRoot, name, '')
  const { dev } = await stat(home.realRoot)
  expect(await walk(home.realRoot, dev, { maxFiles: 4 })).toMatchObject({ complete: true })
  const capped = await walk(home.realRoot, dev, { maxFiles: 3 })
  expect(capped.complete).toBe(false)
  expect(capped.files).toHaveLength(3)
})

test('stays on its own file system', async () => {
  const home = await startHome()
  await put(home.realRoot, 'sub/file', '')
  expect((await walk(home.realRoot, -1)).files).toEqual([])
})

test('ends a listing when it is told to', async () => {
  const home = await startHome()
  await expect(home.walk(AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')
})

test('opens what lies there, and its stamp shows every change', async () => {
  const home = await startHome()
  const path = await put(home.realRoot, 'album/01.flac', 'one')
  const opened = await home.open('album/01.flac')
  expect(opened.size).toBe(3)
  expect((await opened.handle.readFile('utf8')).toString()).toBe('one')
  await opened.handle.close()
  const { stamp } = await home.stat('album/01.flac')
  expect(sameStamp(stamp, opened.stamp)).toBe(true)
  expect(structuredClone(stamp)).toEqual(stamp)

  const old = new Date(Number(BigInt(stamp.mtimeNs) / 1_000_000n))
  await new Promise((resolve) => setTimeout(resolve, 30))
  await writeFile(path, 'two')
  await utimes(path, old, old)
  const restored = (await home.stat('album/01.flac')).stamp
  expect({ ...restored, ctimeNs: '', mtimeNs: '' }).toEqual({ ...stamp, ctimeNs: '', mtimeNs: '' })
  expect(sameStamp(stamp, restored)).toBe(false)

  await put(home.realRoot, 'other', 'two')
  await rename(join(home.realRoot, 'other'), path)
  expect(sameStamp(restored, (await home.stat('album/01.flac')).stamp)).toBe(false)
})

test('refuses what is not an ordinary file, without waiting for the other end of a pipe', async () => {
  const home = await startHome()
  const root = home.realRoot
  await put(root, 'file', '')
  await mkdir(join(root, 'folder'))
  await symlink('file', join(root, 'link'))
  await symlink('nowhere', join(root, 'dangling'))
  await symlink('/dev/zero', join(root, 'device'))
  fifo(join(root, 'pipe'))
  const server = createServer().listen(join(root, 'socket'))
  onTestFinished(() => void server.close())
  for (const name of ['folder', 'link', 'dangling', 'device', 'pipe', 'socket']) {
    expect(await codeOf(home.open(name)), name).toBe('PM_NOT_A_FILE')
    expect(await codeOf(home.stat(name)), name).toBe('PM_NOT_A_FILE')
  }
})

test('refuses what lies behind a linked folder, also one inside the home', async () => {
  const [home, outside] = [await startHome(), await tempDir()]
  const root = home.realRoot
  await put(outside, 'secret', '')
  await put(root, 'real/file', '')
  await symlink(outside, join(root, 'out'))
  await symlink('real', join(root, 'in'))
  await symlink('.', join(root, 'real', 'again'))
  for (const name of ['out/secret', 'in/file', 'real/again/file']) {
    expect(await codeOf(home.open(name)), name).toBe('PM_NOT_A_FILE')
    expect(await codeOf(home.stat(name)), name).toBe('PM_NOT_A_FILE')
  }
  expect(await codeOf(home.stat('real/file'))).toBe('none')
})

test('says what is wrong with a name, a missing file, a file that may not be read', async () => {
  const home = await startHome()
  await put(home.realRoot, 'file', '')
  for (const name of ['', '..', '../x', '/etc/passwd', '.portmesh/state.db', 'a/../file', 'a\0']) {
    expect(await codeOf(home.open(name)), name).toBe('PM_BAD_NAME')
    expect(await codeOf(home.stat(name)), name).toBe('PM_BAD_NAME')
  }
  for (const name of ['missing', 'missing/file', 'file/below', 'toString']) {
    expect(await codeOf(home.open(name)), name).toBe('PM_NO_SUCH_FILE')
    expect(await codeOf(home.stat(name)), name).toBe('PM_NO_SUCH_FILE')
  }
})

test('tells many stamps at once, undefined for what is no file', async () => {
  const home = await startHome()
  await put(home.realRoot, 'a', 'x')
  await put(home.realRoot, 'real/b', '')
  await symlink('real', join(home.realRoot, 'linked'))
  await symlink('a', join(home.realRoot, 'link'))
  const names = ['a', 'real/b', 'linked/b', 'link', 'real', 'gone', 'gone/too', 'a/b', '../x']
  const told = new Map<string, boolean>()
  for await (const [name, stamp] of home.stamps(names)) {
    told.set(name, stamp !== undefined)
    if (stamp) expect(stamp).toEqual((await home.stat(name)).stamp)
  }
  expect(told).toEqual(new Map(names.map((name) => [name, name === 'a' || name === 'real/b'])))
  await rm(home.realRoot, { recursive: true })
  for await (const [, stamp] of home.stamps(names)) expect(stamp).toBeUndefined()
})
