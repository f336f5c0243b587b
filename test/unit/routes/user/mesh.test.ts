import { expect, test } from 'vitest'
import { createSeats } from '../../../../src/routes/user/views/mesh.ts'

test('a seat is kept, whoever comes and goes', () => {
  let known = ['m', 'a']
  const seats = createSeats(() => known)
  expect(seats()).toEqual(['a', 'm'])
  known = ['m', 'a', 'b']
  expect(seats()).toEqual(['a', 'm', 'b'])
  known = ['m', 'b']
  expect(seats()).toEqual([undefined, 'm', 'b'])
  known = ['m', 'b', 'z']
  expect(seats()).toEqual(['z', 'm', 'b'])
  known = []
  expect(seats()).toEqual([])
})
