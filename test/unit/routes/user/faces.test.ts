import { expect, test } from 'vitest'
import { createFaces, lettersOf } from '../../../../src/routes/user/faces.ts'

const id = (...bytes: number[]): string =>
  Buffer.from([...bytes, ...new Array(32 - bytes.length).fill(0)]).toString('hex')

test('a computer has the colour its key chooses', () => {
  const self = id(13)
  const faceOf = createFaces(self, () => [])
  expect(faceOf(self, 'Ana').hue).toBe(5)
})

test('two computers whose keys choose alike get two colours, and keep them', () => {
  const [self, ben, chloe] = [id(5), id(13, 2), id(21, 2)]
  const known = [ben]
  const faceOf = createFaces(self, () => known)
  const first = faceOf(ben, 'Ben').hue
  expect([faceOf(self, 'Ana').hue, first]).toEqual([5, 2])
  known.push(chloe)
  expect(faceOf(chloe, 'Chloé').hue).not.toBe(5)
  expect(faceOf(chloe, 'Chloé').hue).not.toBe(2)
  expect(faceOf(ben, 'Ben').hue).toBe(2)
})

test('the colour of a computer that is forgotten is free again', () => {
  const [self, ben, chloe] = [id(0), id(1), id(9)]
  let known = [ben]
  const faceOf = createFaces(self, () => known)
  expect(faceOf(ben, 'Ben').hue).toBe(1)
  known = [chloe]
  expect(faceOf(chloe, 'Chloé').hue).toBe(1)
})

test('more than eight computers share colours, and each still has one', () => {
  const self = id(0)
  const known = Array.from({ length: 20 }, (_, at) => id(at + 1))
  const faceOf = createFaces(self, () => known)
  expect(new Set(known.slice(0, 20).map((each) => faceOf(each, '').hue)).size).toBe(8)
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
