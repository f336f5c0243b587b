import { statSync } from 'node:fs'
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { migrate, SCHEMA_VERSION } from '../../../src/store/schema.ts'
import { openState, type State } from '../../../src/store/state.ts'
import type { PeerFile } from '../../../src/store/tables.ts'
import { codeOf, tempDir } from './fixture.ts'

const HASH = 'a'.repeat(64)
const ROOT = 'b'.repeat(64)
const STAMP = { dev: '1', ino: '18446744073709551615', size: 7, mtimeNs: '-5', ctimeNs: '1799999999999999999' }

const opened = async (folder: string, waitMs = 0): Promise<State> => {
  const state = await openState(folder, { waitMs })
  onTestFinished(state.close)
  return state
}

const stateFolder = async (): Promise<string> => join(await tempDir(), 'a', 'home', '.portmesh')

const file = (number: number, hash = HASH): PeerFile => ({
  name: `album/${number}.flac`,
  size: number,
  hash,
  root: ROOT,
  published: 1_800_000_000,
})

test('makes its folder for this person alone, and the home above it as usual', async () => {
  const folder = await stateFolder()
  await opened(folder)
  expect((await stat(folder)).mode & 0o777).toBe(0o700)
  expect((await stat(join(folder, '..'))).mode & 0o777).toBe(0o777 & ~process.umask())
})

test('closes a folder that was open to others', async () => {
  const folder = await tempDir()
  await mkdir(join(folder, '.portmesh'), { mode: 0o755 })
  await opened(join(folder, '.portmesh'))
  expect((await stat(join(folder, '.portmesh'))).mode & 0o777).toBe(0o700)
})

test('refuses a link or a file in place of its folder', async () => {
  const folder = await tempDir()
  await mkdir(join(folder, 'elsewhere'))
  await symlink('elsewhere', join(folder, 'linked'))
  await writeFile(join(folder, 'file'), '')
  expect(await codeOf(openState(join(folder, 'linked')))).toBe('PM_CANNOT_START')
  expect(await codeOf(openState(join(folder, 'file')))).toBe('PM_CANNOT_START')
  expect(await codeOf(openState(join(folder, 'file', 'below')))).toBe('PM_CANNOT_START')
})

test('gives each epoch once, never behind the clock, also after a restart', async () => {
  const folder = await stateFolder()
  const first = await opened(folder)
  expect(first.nextEpoch(1_000)).toBe(1_000)
  expect(first.nextEpoch(1_000)).toBe(1_001)
  expect(first.nextEpoch(5)).toBe(1_002)
  first.close()
  const second = await opened(folder)
  expect(second.nextEpoch(5)).toBe(1_003)
  expect(second.nextEpoch(2_000)).toBe(2_000)
  expect(second.nextEpoch()).toBeGreaterThan(1_700_000_000)
})

test('remembers what was published, with any name a disk can have', async () => {
  const folder = await stateFolder()
  const state = await opened(folder)
  const names = [
    '__proto__',
    'constructor',
    '<img src=x onerror=alert(1)>',
    "'; DROP TABLE published; --",
    'é',
    'e\u0301',
  ]
  const records = names.map((name, size) => ({
    name,
    size,
    hash: HASH,
    root: ROOT,
    publishedMs: 1.8e12,
    reach: 'computer' as const,
  }))
  state.published.put([
    ...records,
    { name: 'huge', size: 2 ** 52, hash: HASH, root: ROOT, publishedMs: 1, reach: 'computer' as const },
  ])
  state.published.remove(['huge', 'never there'])
  state.close()
  expect((await opened(folder)).published.all()).toEqual(records)
})

test('remembers hashes with the whole stamp, and no others', async () => {
  const folder = await stateFolder()
  const state = await opened(folder)
  state.cache.put([{ name: '__proto__', stamp: STAMP, hash: HASH, root: ROOT }])
  state.cache.put([{ name: '__proto__', stamp: STAMP, hash: ROOT, root: ROOT }])
  state.close()
  const { cache } = await opened(folder)
  expect(cache.get('__proto__')).toEqual({ name: '__proto__', stamp: STAMP, hash: ROOT, root: ROOT })
  expect(cache.get('toString')).toBeUndefined()
})

test('remembers peers, and writes only the files that changed', async () => {
  const folder = await stateFolder()
  const state = await opened(folder)
  const head = {
    id: 'ab',
    head: Uint8Array.of(1, 2),
    sig: new Uint8Array(64),
    addresses: ['127.0.0.1:5001'],
    lastSeenMs: 1,
  }
  const files = Array.from({ length: 10_000 }, (_, number) => file(number))
  state.together(() => {
    state.peers.put(head)
    state.peers.replaceFiles('ab', files)
  })
  state.close()
  const later = await opened(folder)
  later.setNote('begin', 'a new log')
  const before = written(folder)
  later.together(() => {
    later.peers.put({ ...head, lastSeenMs: 2, addresses: [] })
    later.peers.putFiles('ab', [file(3, ROOT), file(10_000)], ['album/7.flac'])
  })
  // The whole list is about 2 MB.
  expect(written(folder) - before).toBeLessThan(100_000)
  later.close()
  const again = await opened(folder)
  const [peer] = again.peers.all()
  expect(peer).toMatchObject({ ...head, lastSeenMs: 2, addresses: [] })
  expect(peer?.files).toHaveLength(10_000)
  expect(peer?.files.find(({ name }) => name === 'album/3.flac')?.hash).toBe(ROOT)
  expect(peer?.files.some(({ name }) => name === 'album/7.flac')).toBe(false)
  again.peers.replaceFiles('ab', [file(1)])
  expect(again.peers.all()[0]?.files).toEqual([file(1)])
  again.peers.remove('ab')
  expect(again.peers.all()).toEqual([])
  again.peers.put(head)
  expect(again.peers.all()[0]?.files).toEqual([])
})

/** Bytes written so far: the write-ahead log only grows until the next checkpoint. */
const written = (folder: string): number => statSync(join(folder, 'state.db-wal')).size

test('takes changes together back when one of them fails', async () => {
  const state = await opened(await stateFolder())
  expect(() =>
    state.together(() => {
      state.setNote('a', '1')
      throw new Error('no')
    }),
  ).toThrow('no')
  expect(state.note('a')).toBeUndefined()
  state.setNote('a', '2')
  expect(state.note('a')).toBe('2')
})

test('is held by one opening at a time, and waits as long as it is told', async () => {
  const folder = await stateFolder()
  const first = await opened(folder)
  await expect(openState(folder)).rejects.toThrow('this folder is used by another portmesh')
  const began = performance.now()
  expect(await codeOf(openState(folder, { waitMs: 200 }))).toBe('PM_HOME_IN_USE')
  expect(performance.now() - began).toBeGreaterThanOrEqual(190)
  setTimeout(() => first.close(), 100)
  await opened(folder, 5_000)
})

test('lets no other program into the database while it is open', async () => {
  const folder = await stateFolder()
  await opened(folder)
  const other = new DatabaseSync(join(folder, 'state.db'), { timeout: 0 })
  onTestFinished(() => other.close())
  expect(() => other.prepare('SELECT * FROM note').all()).toThrow(/locked/)
})

test.each([
  ['text', Buffer.from('this is not a database, it is text. '.repeat(200))],
  ['random bytes behind a right header', Buffer.concat([Buffer.from('SQLite format 3\0'), Buffer.alloc(9_000, 0x5a)])],
])('puts a damaged database (%s) aside and begins anew, and says so', async (_what, damaged) => {
  const folder = await stateFolder()
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'state.db'), damaged)
  await writeFile(join(folder, 'state.db-wal'), 'an old log')
  const state = await opened(folder)
  expect(state.notices).toHaveLength(1)
  state.setNote('works', 'yes')
  const aside = (await readdir(folder)).filter((name) => name.startsWith('state.corrupt-') && !name.endsWith('-wal'))
  expect(aside).toHaveLength(1)
  expect(state.notices[0]).toContain(aside[0])
  expect(await readFile(join(folder, aside[0] ?? ''))).toEqual(damaged)
  state.close()
  expect((await opened(folder)).notices).toEqual([])
})

test('notices damage in the middle of a database that was fine', async () => {
  const folder = await stateFolder()
  const state = await opened(folder)
  state.peers.put({ id: 'ab', head: new Uint8Array(), sig: new Uint8Array(), addresses: [], lastSeenMs: 1 })
  state.peers.replaceFiles(
    'ab',
    Array.from({ length: 5_000 }, (_, number) => file(number)),
  )
  state.close()
  const bytes = await readFile(join(folder, 'state.db'))
  bytes.fill(0xee, 300_000, 340_000)
  await writeFile(join(folder, 'state.db'), bytes)
  const again = await opened(folder)
  expect(again.notices).toHaveLength(1)
  expect(again.peers.all()).toEqual([])
})

test('does not touch the store of a newer program', async () => {
  const folder = await stateFolder()
  const state = await opened(folder)
  state.setNote('kept', 'yes')
  state.close()
  const database = new DatabaseSync(join(folder, 'state.db'))
  database.exec(`PRAGMA user_version=${SCHEMA_VERSION + 1}`)
  database.close()
  await expect(openState(folder)).rejects.toThrow(/newer portmesh/)
  expect(await codeOf(openState(folder))).toBe('PM_CANNOT_START')
  expect((await readdir(folder)).some((name) => name.includes('corrupt'))).toBe(false)
})

test('brings an older store forward in one step or not at all, after a copy', async () => {
  const file = join(await tempDir(), 'state.db')
  const database = new DatabaseSync(file)
  onTestFinished(() => database.close())
  const first = (to: DatabaseSync): void => to.exec("CREATE TABLE a (x); INSERT INTO a VALUES ('old')")
  migrate(database, file, [first])
  const second = (to: DatabaseSync): void => to.exec("UPDATE a SET x = 'new'")
  const failing = (): void => {
    throw new Error('third')
  }
  expect(() => migrate(database, file, [first, second, failing])).toThrow('third')
  expect(database.prepare('SELECT x FROM a').get()?.x).toBe('old')
  expect(database.prepare('PRAGMA user_version').get()?.user_version).toBe(1)
  migrate(database, file, [first, second])
  expect(database.prepare('SELECT x FROM a').get()?.x).toBe('new')
  const copy = new DatabaseSync(`${file}.before-1`)
  onTestFinished(() => copy.close())
  expect(copy.prepare('SELECT x FROM a').get()?.x).toBe('old')
})
