import { chmod, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadSecret, type Secret, saveSecret } from '../../../src/store/secret.ts'
import { codeOf, tempDir } from './fixture.ts'

const secret = (fill = 1): Secret => ({
  seed: new Uint8Array(32).fill(fill),
  modulus: new Uint8Array(384).fill(fill + 1),
})

test('is absent at first, then what was saved, readable for this person alone', async () => {
  const folder = await tempDir()
  expect(await loadSecret(folder)).toBeUndefined()
  await saveSecret(folder, secret())
  expect(await loadSecret(folder)).toEqual(secret())
  expect((await stat(join(folder, 'identity.json'))).mode & 0o777).toBe(0o600)
  expect(await readdir(folder)).toEqual(['identity.json'])
})

test('never replaces an identity that is there', async () => {
  const folder = await tempDir()
  await saveSecret(folder, secret())
  await expect(saveSecret(folder, secret(7))).rejects.toThrow(/an identity already/)
  expect(await loadSecret(folder)).toEqual(secret())
  expect(await readdir(folder)).toEqual(['identity.json'])
})

test('one of two that save at once wins, and it is whole', async () => {
  const folder = await tempDir()
  const saved = await Promise.all([1, 2, 3, 4].map((fill) => codeOf(saveSecret(folder, secret(fill)))))
  expect(saved.filter((code) => code === 'none')).toHaveLength(1)
  expect(await loadSecret(folder)).toBeDefined()
})

test('closes a file that others could read', async () => {
  const folder = await tempDir()
  await saveSecret(folder, secret())
  await chmod(join(folder, 'identity.json'), 0o644)
  await loadSecret(folder)
  expect((await stat(join(folder, 'identity.json'))).mode & 0o777).toBe(0o600)
})

test.each<[string, (text: string) => string]>([
  ['empty', () => ''],
  ['half', (text) => text.slice(0, text.length / 2)],
  ['no object', () => '[]'],
  ['null', () => 'null'],
  ['a digit lost', (text) => text.replace('0101', '010')],
  ['a digit changed in the seed', (text) => text.replace('"seed": "0', '"seed": "1')],
  ['a digit changed in the modulus', (text) => text.replace('0202"', '0203"')],
  ['no check', (text) => text.replace('"check"', '"other"')],
  ['something much larger', (text) => text + ' '.repeat(100_000)],
])('says that a damaged identity is damaged and leaves it alone: %s', async (_what, damage) => {
  const folder = await tempDir()
  await saveSecret(folder, secret())
  const file = join(folder, 'identity.json')
  const damaged = damage(await readFile(file, 'utf8'))
  await writeFile(file, damaged)
  await expect(loadSecret(folder)).rejects.toThrow(`the identity ${file} is damaged`)
  expect(await codeOf(saveSecret(folder, secret()))).toBe('PM_CANNOT_START')
  expect(await readFile(file, 'utf8')).toBe(damaged)
})

test('does not read an identity through a link', async () => {
  const [folder, other] = [await tempDir(), await tempDir()]
  await saveSecret(other, secret())
  await symlink(join(other, 'identity.json'), join(folder, 'identity.json'))
  expect(await codeOf(loadSecret(folder))).toBe('PM_CANNOT_START')
})
