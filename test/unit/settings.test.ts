import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatLimit, MIN_LIMIT, parseLimit } from '../../src/rate-words.ts'
import { settingsFile } from '../../src/settings.ts'
import { SettingsFile } from '../../src/settings-file.ts'
import { tempDir } from '../helpers/process.ts'

const homeWith = async (text?: string): Promise<string> => {
  const home = await tempDir()
  await mkdir(dirname(settingsFile(home)))
  if (text !== undefined) await writeFile(settingsFile(home), text)
  return home
}
const read = async (home: string) => JSON.parse(await readFile(settingsFile(home), 'utf8'))

test('a change is written beside what was there, known or not, and nothing else is left behind', async () => {
  const home = await homeWith('\ufeff{"name":"Ana","later":{"a":[1]},"up":70000,"down":80000}')
  await new SettingsFile(home).change({ up: 60_000, down: undefined })
  expect(await read(home)).toEqual({ name: 'Ana', later: { a: [1] }, up: 60_000 })
  expect(await readdir(dirname(settingsFile(home)))).toEqual(['settings.json'])
})

test('changes at the same time do not lose each other', async () => {
  const home = await homeWith()
  const settings = new SettingsFile(home)
  await Promise.all(Array.from({ length: 20 }, (_, at) => settings.change({ [`key${at}`]: at })))
  expect(Object.keys(await read(home))).toHaveLength(20)
})

test('a file that a person is just writing is left alone, and the next change works', async () => {
  const home = await homeWith('{"name":')
  const settings = new SettingsFile(home)
  await expect(settings.change({ up: 60_000 })).rejects.toMatchObject({ code: 'PM_NOT_NOW' })
  expect(await readFile(settingsFile(home), 'utf8')).toBe('{"name":')
  await writeFile(settingsFile(home), '{}')
  await settings.change({ up: 60_000 })
  expect(await read(home)).toEqual({ up: 60_000 })
})

test('a limit is written so that it is read as the same', () => {
  expect([500_000, 1_500_000, 10_000_000, 1e9, 50_001, 0].map(formatLimit)).toEqual([
    '500k',
    '1.5M',
    '10M',
    '1G',
    '50.001k',
    '0',
  ])
  fc.assert(fc.property(fc.integer({ min: MIN_LIMIT, max: 1e12 }), (limit) => parseLimit(formatLimit(limit)) === limit))
})
