import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import * as errors from '../../src/errors.ts'

const source = readFileSync(join(import.meta.dirname, '../../src/errors.ts'), 'utf8')
const protocol = readFileSync(join(import.meta.dirname, '../../src/protocol/PROTOCOL.md'), 'utf8')
const all = [...source.matchAll(/export const (\w+) = createError<[^>]*>\(\s*'(PM_[A-Z_]+)'/g)].map(
  ([, name = '', code = '']) => ({ name, code }),
)

test('each error has the code that its name says', () => {
  const expected = all.map(
    ({ name }) => `PM_${name.replace(/(?<=[a-z])[A-Z]|(?<=[A-Z])[A-Z](?=[a-z])/g, '_$&').toUpperCase()}`,
  )
  expect(all.map(({ code }) => code)).toEqual(expected)
  expect(all.length).toBeGreaterThan(30)
})

test('no code is used twice', () => {
  expect(new Set(all.map(({ code }) => code)).size).toBe(all.length)
})

test('PROTOCOL.md lists every code a peer can see, and no other', () => {
  const visible = source.slice(source.indexOf('// What a peer can see'), source.indexOf('// What only this computer'))
  const inSource = new Set([...visible.matchAll(/'(PM_[A-Z_]+)'/g)].map(([, code]) => code))
  const inDocument = new Set([...protocol.matchAll(/`(PM_[A-Z_]+)`/g)].map(([, code]) => code))
  expect([...inDocument].sort()).toEqual([...inSource].sort())
})

test('a code that travels becomes the same class again', () => {
  expect(errors.errorFromCode('PM_NOT_PUBLISHED')).toBeInstanceOf(errors.NotPublished)
  expect(errors.errorFromCode('PM_SOMETHING_ELSE')).toBeUndefined()
  expect(errors.errorFromCode('__proto__')).toBeUndefined()
})

test('an unexpected error says nothing of its cause', () => {
  const told = errors.publicError(new Error('/home/ana/secret.txt'))
  expect(told).toEqual({ statusCode: 500, code: 'PM_INTERNAL', message: 'something went wrong inside this node' })
})
