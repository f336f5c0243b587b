import fc from 'fast-check'
import { expect, test } from 'vitest'
import { gcd, isSquare, jacobi, toBytes, toInteger } from '../../../src/crypto/bigint.ts'

const natural = fc.bigInt({ min: 0n, max: 1n << 400n })

test('integers and bytes are the same thing, big-endian', () => {
  expect(toInteger(Uint8Array.of(1, 0, 2))).toBe(65538n)
  expect(toInteger(new Uint8Array(0))).toBe(0n)
  expect(toBytes(65538n, 5)).toEqual(Uint8Array.of(0, 0, 1, 0, 2))
  fc.assert(fc.property(natural, (value) => toInteger(toBytes(value, 51)) === value))
})

test('reads a window of a larger buffer as the window only', () => {
  expect(toInteger(Uint8Array.of(9, 1, 2, 9).subarray(1, 3))).toBe(258n)
})

test('refuses an integer that does not fit', () => {
  expect(() => toBytes(256n, 1)).toThrow(RangeError)
  expect(() => toBytes(-1n, 4)).toThrow(RangeError)
})

test('finds every square modulo small primes, and no other number', () => {
  for (const p of [3n, 5n, 7n, 11n, 13n, 17n, 97n]) {
    const squares = new Set(Array.from({ length: Number(p) }, (_, i) => (BigInt(i) * BigInt(i)) % p))
    for (let a = 1n; a < p; a++) expect(jacobi(a, p)).toBe(squares.has(a) ? 1 : -1)
    expect(jacobi(p, p)).toBe(0)
  }
})

test('the Jacobi symbol is multiplicative in both arguments', () => {
  const odd = natural.map((n) => 2n * n + 1n)
  fc.assert(
    fc.property(natural, natural, odd, odd, (a, b, m, n) => {
      expect(jacobi(a * b, n)).toBe(jacobi(a, n) * jacobi(b, n) || 0)
      expect(jacobi(a, m * n)).toBe(jacobi(a, m) * jacobi(a, n) || 0)
    }),
  )
})

test('takes negative numerators, and refuses even or negative moduli', () => {
  expect(jacobi(-1n, 7n)).toBe(-1)
  expect(jacobi(-1n, 13n)).toBe(1)
  for (const n of [0n, 8n, -7n]) expect(() => jacobi(3n, n)).toThrow(RangeError)
})

test('the greatest common divisor divides both', () => {
  expect(gcd(12n, 18n)).toBe(6n)
  expect(gcd(0n, 5n)).toBe(5n)
  expect(gcd(17n, 0n)).toBe(17n)
})

test('knows squares, also large ones, from their neighbours', () => {
  expect([0n, 1n, 4n, 9n, 16n, 144n].every(isSquare)).toBe(true)
  expect([-4n, 2n, 3n, 5n, 8n, 17n].some(isSquare)).toBe(false)
  fc.assert(
    fc.property(fc.bigInt({ min: 2n, max: 1n << 1600n }), (root) => {
      expect(isSquare(root * root)).toBe(true)
      expect(isSquare(root * root + 1n)).toBe(false)
      expect(isSquare(root * root - 1n)).toBe(false)
    }),
  )
})
