import { type link, lstat, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { BadName } from '../../../src/errors.ts'
import type { Home } from '../../../src/store/home.ts'
import { Place } from '../../../src/store/place.ts'
import { codeOf, put, startHome, tempDir } from './fixture.ts'

const startPlace = async (options?: ConstructorParameters<typeof Place>[1]): Promise<{ home: Home; place: Place }> => {
  const home = await startHome()
  const place = new Place(home, options)
  await place.start()
  return { home, place }
}

async function* bytes(...parts: (string | Error)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Error) throw part
    yield Buffer.from(part)
  }
}

const filesOf = async (home: Home): Promise<string[]> => (await home.walk()).files.map(({ name }) => name).sort()
const partialsOf = (place: Place): Promise<string[]> => readdir(place.folder)
const contentOf = (home: Home, name: string): Promise<string> => readFile(join(home.realRoot, name), 'utf8')

/** A file system without links, as FAT and some shares are. */
const noLinks: typeof link = () => Promise.reject(Object.assign(new Error('no links here'), { code: 'EPERM' }))

test('gives complete bytes their name, readable by this person alone, and keeps no partial', async () => {
  const { home, place } = await startPlace()
  expect(await place.receive(bytes('hel', '', 'lo'), 'greeting.txt')).toEqual({ name: 'greeting.txt', size: 5 })
  expect(await contentOf(home, 'greeting.txt')).toBe('hello')
  const stats = await stat(join(home.realRoot, 'greeting.txt'))
  expect(stats.mode & 0o777).toBe(0o600)
  expect(stats.nlink).toBe(1)
  expect(await partialsOf(place)).toEqual([])
  expect((await stat(place.folder)).mode & 0o777).toBe(0o700)
})

test('receives the empty file and large chunks', async () => {
  const { home, place } = await startPlace()
  expect(await place.receive(bytes(), 'empty')).toEqual({ name: 'empty', size: 0 })
  const large = 'x'.repeat(5_000_000)
  expect(await place.receive(bytes(large, 'y', large), 'large')).toEqual({ name: 'large', size: 10_000_001 })
  expect(await contentOf(home, 'large')).toBe(`${large}y${large}`)
})

test('never writes outside the home, whatever the name is', async () => {
  const { home, place } = await startPlace()
  const names = ['../../up', '/etc/portmesh-test', '..', 'a\0b', '.portmesh/identity.json', 'C:\\x', '\u202egpj.exe']
  for (const name of names) await place.receive(bytes('x'), name)
  expect(await filesOf(home)).toEqual(['C__x', 'ab', 'file', 'gpj.exe', 'identity.json', 'portmesh-test', 'up'])
  expect((await readdir(home.realRoot)).sort()).toEqual([...(await filesOf(home)), '.portmesh'].sort())
})

test.each([['with links', undefined] as const, ['without links', { link: noLinks }] as const])(
  'never overwrites: the next one gets a number (%s)',
  async (_what, options) => {
    const { home, place } = await startPlace(options)
    await put(home.realRoot, 'photo.jpg', 'mine')
    await put(home.realRoot, 'photo (3).jpg', 'mine too')
    const got: string[] = []
    for (let i = 0; i < 3; i++) got.push((await place.receive(bytes(String(i)), 'photo.jpg')).name)
    expect(got).toEqual(['photo (2).jpg', 'photo (4).jpg', 'photo (5).jpg'])
    expect(await contentOf(home, 'photo.jpg')).toBe('mine')
    expect(await contentOf(home, 'photo (3).jpg')).toBe('mine too')
    expect(await contentOf(home, 'photo (4).jpg')).toBe('1')
    expect(await partialsOf(place)).toEqual([])
  },
)

test('takes names for the same that another system takes for the same', async () => {
  const { home, place } = await startPlace()
  await put(home.realRoot, 'Gru\u0308\u00dfe.TXT', 'mine')
  expect((await place.receive(bytes('x'), 'gr\u00fcsse.txt')).name).toBe('gr\u00fcsse (2).txt')
  await put(home.realRoot, 'README', 'mine')
  expect((await place.receive(bytes('x'), 'readme')).name).toBe('readme (2)')
})

test('does not write through what is there under that name: links, also dangling ones, and folders', async () => {
  const { home, place } = await startPlace()
  const outside = await tempDir()
  await symlink(join(outside, 'target'), join(home.realRoot, 'dangling'))
  await put(outside, 'existing', 'mine')
  await symlink(join(outside, 'existing'), join(home.realRoot, 'link'))
  await mkdir(join(home.realRoot, 'folder'))
  for (const name of ['dangling', 'link', 'folder']) {
    expect((await place.receive(bytes('x'), name)).name).toBe(`${name} (2)`)
  }
  expect(await readdir(outside)).toEqual(['existing'])
  expect(await readFile(join(outside, 'existing'), 'utf8')).toBe('mine')
})

test.each([['with links', undefined] as const, ['without links', { link: noLinks }] as const])(
  'gives many that arrive at once under one name a name each (%s)',
  async (_what, options) => {
    const { home, place } = await startPlace(options)
    const all = await Promise.all(Array.from({ length: 20 }, (_, i) => place.receive(bytes(String(i)), 'same.txt')))
    expect(new Set(all.map(({ name }) => name)).size).toBe(20)
    const contents = await Promise.all(all.map(({ name }) => contentOf(home, name)))
    expect(contents.map(Number)).toEqual(Array.from({ length: 20 }, (_, i) => i))
    expect(await partialsOf(place)).toEqual([])
  },
)

test('keeps folders when it is told to, uses the ones that are there, and follows no links', async () => {
  const { home, place } = await startPlace()
  const outside = await tempDir()
  const keepFolders = { keepFolders: true }
  expect((await place.receive(bytes('1'), 'Album/disc 1/01.flac', keepFolders)).name).toBe('Album/disc 1/01.flac')
  expect((await place.receive(bytes('2'), 'album/disc 1/01.flac', keepFolders)).name).toBe('Album/disc 1/01 (2).flac')
  await symlink(outside, join(home.realRoot, 'linked'))
  await put(home.realRoot, 'file', 'mine')
  expect((await place.receive(bytes('3'), 'linked/x', keepFolders)).name).toBe('linked (2)/x')
  expect((await place.receive(bytes('4'), 'file/x', keepFolders)).name).toBe('file (2)/x')
  expect((await place.receive(bytes('5'), '../../.portmesh/x', keepFolders)).name).toBe('portmesh/x')
  expect(await readdir(outside)).toEqual([])
})

test('keeps nothing when the source fails, and passes errors of ours on', async () => {
  const { home, place } = await startPlace()
  expect(await codeOf(place.receive(bytes('x', new Error('gone')), 'x'))).toBe('PM_UPLOAD_INCOMPLETE')
  expect(await codeOf(place.receive(bytes('x', new BadName('no')), 'x'))).toBe('PM_BAD_NAME')
  expect(await filesOf(home)).toEqual([])
  expect(await partialsOf(place)).toEqual([])
})

test('keeps nothing of a stream that breaks before anybody listens to it, and stays alive', async () => {
  const { place } = await startPlace()
  const stream = new Readable({ read() {} })
  const receiving = place.receive(stream, 'x')
  stream.destroy(new Error('reset'))
  expect(await codeOf(receiving)).toBe('PM_UPLOAD_INCOMPLETE')
  expect(await partialsOf(place)).toEqual([])
})

test('keeps nothing and ends the stream when it is aborted, also while it waits for bytes', async () => {
  const { home, place } = await startPlace()
  const stream = new Readable({ read() {} })
  stream.push('some')
  const abort = new AbortController()
  const receiving = place.receive(stream, 'x', { signal: abort.signal })
  setTimeout(() => abort.abort(), 50)
  expect(await codeOf(receiving)).toBe('PM_UPLOAD_INCOMPLETE')
  expect(stream.destroyed).toBe(true)
  expect(await filesOf(home)).toEqual([])
  expect(await partialsOf(place)).toEqual([])
})

test('keeps nothing of more than the limit, and no more than the limit is fine', async () => {
  const { home, place } = await startPlace()
  expect(await codeOf(place.receive(bytes('12', '345'), 'x', { limitBytes: 4 }))).toBe('PM_TOO_LARGE')
  expect(await filesOf(home)).toEqual([])
  expect((await place.receive(bytes('12', '34'), 'x', { limitBytes: 4 })).size).toBe(4)
})

test('keeps nothing that is not accepted after its last byte', async () => {
  const { home, place } = await startPlace()
  const accept = (): void => {
    throw new BadName('cut off')
  }
  expect(await codeOf(place.receive(bytes('x'), 'x', { accept }))).toBe('PM_BAD_NAME')
  expect(await filesOf(home)).toEqual([])
  expect(await partialsOf(place)).toEqual([])
})

test('waits for the disk before it asks for more', async () => {
  const { place } = await startPlace()
  let asked = 0
  let written = 0
  async function* source(): AsyncGenerator<Uint8Array> {
    for (; asked < 100; asked++) {
      yield new Uint8Array(65_536)
      const [name = ''] = await partialsOf(place)
      written = (await stat(join(place.folder, name))).size
      // At most the chunk just taken is not in the file yet.
      expect(written).toBeGreaterThanOrEqual(asked * 65_536)
    }
  }
  expect((await place.receive(source(), 'x')).size).toBe(6_553_600)
})

test('refuses at once what the disk cannot hold', async () => {
  const { place } = await startPlace()
  const free = await place.freeSpace()
  expect(free).toBeGreaterThan(0)
  expect(await codeOf(place.receive(bytes('x'), 'x', { expectedBytes: 2 ** 52 }))).toBe('PM_DISK_FULL')
})

test('clears the partial folder at the start, but for what somebody goes on with', async () => {
  const { home, place } = await startPlace()
  const outside = await put(await tempDir(), 'target', 'mine')
  for (const name of ['left', 'kept']) await writeFile(join(place.folder, name), '')
  await symlink(outside, join(place.folder, 'link'))
  await new Place(home).start({ keep: new Set(['kept']) })
  expect(await partialsOf(place)).toEqual(['kept'])
  expect(await readFile(outside, 'utf8')).toBe('mine')
})

test('does not start with a partial folder that leads elsewhere', async () => {
  const home = await startHome()
  await mkdir(join(home.realRoot, '.portmesh'))
  await symlink(await tempDir(), join(home.realRoot, '.portmesh', 'partial'))
  expect(await codeOf(new Place(home).start())).toBe('PM_CANNOT_START')
})

test('removes at the start the empty file of a claim, and no other', async () => {
  const { home, place } = await startPlace({ link: noLinks })
  // What a process leaves that dies between claim and rename: seen by stopping the rename at its source.
  const claims = async (name: string): Promise<void> => {
    const path = await put(home.realRoot, name, '')
    const { dev, ino, size, mtimeNs, ctimeNs } = await lstat(path, { bigint: true })
    await writeFile(join(place.folder, `${name}.claim`), `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}\n${path}`)
  }
  for (const name of ['ours', 'replaced', 'filled']) await claims(name)
  await new Promise((resolve) => setTimeout(resolve, 30))
  await put(home.realRoot, 'replaced', '')
  await put(home.realRoot, 'filled', 'by its person')
  await put(home.realRoot, 'empty', '')
  await writeFile(join(place.folder, 'broken.claim'), 'nothing of use')
  await new Place(home).start()
  expect(await filesOf(home)).toEqual(['empty', 'filled', 'replaced'])
  expect(await partialsOf(place)).toEqual([])
})

test('places a partial file of somebody else that is complete', async () => {
  const { home, place } = await startPlace()
  const partial = join(place.folder, 'transfer-1')
  await writeFile(partial, 'fetched')
  await put(home.realRoot, 'a.txt', 'mine')
  expect(await place.settle(partial, 'a.txt')).toBe('a (2).txt')
  expect(await contentOf(home, 'a (2).txt')).toBe('fetched')
  expect(await partialsOf(place)).toEqual([])
})
