import { expect, test } from 'vitest'
import { faceOf, lettersOf } from '../../../../src/routes/user/faces.ts'

const id = (...bytes: number[]): string =>
  Buffer.from([...bytes, ...new Array(32 - bytes.length).fill(0)]).toString('hex')

test('a computer has the colour its key chooses, on every page of every node', () => {
  expect(faceOf(id(13), 'Ana').hue).toBe(5)
  expect(faceOf(id(255), 'Ben').hue).toBe(7)
  expect(new Set(Array.from({ length: 64 }, (_, at) => faceOf(id(at), '').hue)).size).toBe(8)
})

test.each([
  ['Ben’s desktop', 'Be'],
  ['Library PC', 'Li'],
  ['mesh-2', 'M2'],
  ['node 12', '12'],
  ['7', '7'],
  ['', '?'],
  ['Чарли', 'Ча'],
  ['<img>', 'Im'],
])('%j is shown as %s', (name, letters) => {
  expect(lettersOf(name)).toBe(letters)
})
