/** A process that ends between giving a file its name and removing the partial one. */
import { link, mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Place } from '../../../src/store/place.ts'
import { startHome } from './fixture.ts'

const KEEP = { keepFolders: true }

const placing = async () => {
  const home = await startHome()
  const place = new Place(home)
  await place.start()
  const partial = join(place.folder, 'a.part')
  await writeFile(partial, 'the content')
  return { home, place, partial, root: home.realRoot }
}

test('the name is told once the file has it, and while the partial one is still there', async () => {
  const { place, partial, root } = await placing()
  await writeFile(join(root, 'b.txt'), 'mine')
  const told: unknown[] = []
  const onPlaced = (name: string): void => void told.push(name)
  expect(await place.settle(partial, 'b.txt', { ...KEEP, onPlaced })).toBe('b (2).txt')
  expect(told).toEqual(['b (2).txt'])
  expect(await readdir(place.folder)).toEqual([])
})

test.each(['b.txt', 'album/disc 1/01.flac', '../../b.txt'])(
  'what ended in the middle of it (%s) is finished: the file keeps its name, and is one file',
  async (foreign) => {
    const { place, partial, root } = await placing()
    let name = ''
    const crash = place.settle(partial, foreign, {
      ...KEEP,
      onPlaced: (placed) => {
        name = placed
        throw new Error('killed')
      },
    })
    await expect(crash).rejects.toThrow('killed')
    expect((await stat(partial)).nlink).toBe(2)
    expect(await place.settled(partial, foreign, KEEP)).toBe(name)
    expect(await readdir(place.folder)).toEqual([])
    expect(await readFile(join(root, name), 'utf8')).toBe('the content')
    expect((await stat(join(root, name))).nlink).toBe(1)
    expect(await place.settled(partial, foreign, KEEP)).toBeUndefined()
  },
)

test('a partial file that has no other name stays, and one that is not there is nothing', async () => {
  const { place, partial } = await placing()
  expect(await place.settled(partial, 'b.txt', KEEP)).toBeUndefined()
  expect(await readFile(partial, 'utf8')).toBe('the content')
  expect(await place.settled(join(place.folder, 'other.part'), 'b.txt', KEEP)).toBeUndefined()
})

test('when the person has moved the file meanwhile it is theirs, and nothing goes on in it', async () => {
  const { place, partial, root } = await placing()
  await link(partial, join(root, 'b.txt'))
  await mkdir(join(root, 'mine'))
  await rename(join(root, 'b.txt'), join(root, 'mine', 'c.txt'))
  expect(await place.settled(partial, 'b.txt', KEEP)).toBeUndefined()
  expect(await readdir(place.folder)).toEqual([])
  expect(await readFile(join(root, 'mine', 'c.txt'), 'utf8')).toBe('the content')
})
