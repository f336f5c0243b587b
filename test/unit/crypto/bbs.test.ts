import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { checkModulus, drawBits, generateModulus, isPrimeModulus, MODULUS_BYTES } from '../../../src/crypto/bbs.ts'
import { gcd, toBytes, toInteger } from '../../../src/crypto/bigint.ts'
import { bytes, hex, vector } from './given.ts'

const mersenne = (exponent: bigint): bigint => (1n << exponent) - 1n
const modulus = toInteger(bytes(vector.input.N_A))

test('draws the bits of the textbook: p = 11, q = 23, seed 3', () => {
  // x = 81, 236, 36, 31, 202, 71, 234, 108, 26, 170
  expect(drawBits(3n, 253n, 10)).toEqual(Uint8Array.of(0b10010100, 0b00000000))
})

test('writes the first bit highest, and leaves what was not asked for 0', () => {
  const bits = (n: number) => hex(drawBits(0x0123456789abcdefn, mersenne(89n) * mersenne(107n), n))
  expect([bits(1), bits(4), bits(12), bits(20)]).toEqual(['80', 'b0', 'b0d0', 'b0d070'])
})

test('draws 64 known bits for a modulus of two Mersenne primes', () => {
  expect(hex(drawBits(0x0123456789abcdefn, mersenne(89n) * mersenne(107n), 64))).toBe('b0d07827c2494297')
})

test('draws 256 known bits for a modulus of 2802 bits', () => {
  const seed = toInteger(createHash('sha256').update('portmesh bbs kat 1').digest())
  expect(hex(drawBits(seed, mersenne(521n) * mersenne(2281n), 256))).toBe(
    'fafee8c61a75938686ecfdb314fb8098357bbdbb71a748b9f5e9864fc2717850',
  )
})

test('its bits are about half ones, which proves nothing but a gross fault', () => {
  const ones = Array.from(drawBits(modulus / 3n, modulus, 4096), (byte) => byte.toString(2).replaceAll('0', '').length)
  const count = ones.reduce((sum, n) => sum + n, 0)
  expect(count).toBeGreaterThan(1850)
  expect(count).toBeLessThan(2250)
})

test('makes moduli that pass the checks, are not prime, and differ', async () => {
  const [one, two] = await Promise.all([generateModulus(), generateModulus()])
  for (const made of [one, two]) {
    expect(made.length).toBe(MODULUS_BYTES)
    expect(checkModulus(made)).toBe(true)
    expect(await isPrimeModulus(made)).toBe(false)
  }
  expect(gcd(toInteger(one), toInteger(two))).toBe(1n)
})

test('takes the moduli of the published run', () => {
  expect(checkModulus(bytes(vector.input.N_A))).toBe(true)
  expect(checkModulus(bytes(vector.input.N_B))).toBe(true)
})

/** The next number from `start` on that fails only for the reason under test. */
const from = (start: bigint, fits: (n: bigint) => boolean): bigint => {
  for (let n = start; ; n++) if (fits(n)) return n
}
const coprimeToSmall = (n: bigint): boolean => {
  for (let d = 2n; d < 2000n; d++) if (n % d === 0n) return false
  return true
}
const multipleOf = (prime: bigint): bigint =>
  from(modulus / prime, (n) => (n * prime) % 4n === 1n && coprimeToSmall(n)) * prime
const root = from(3n << 1534n, (n) => n % 2n === 1n && coprimeToSmall(n)) // its square has 3072 bits

test.each([
  ['even', modulus + 1n],
  ['3 mod 4', from(modulus + 2n, (n) => n % 4n === 3n && coprimeToSmall(n))],
  ['divisible by 3', from(modulus, (n) => n % 4n === 1n && n % 3n === 0n)],
  ['divisible by 1999, the largest small prime', multipleOf(1999n)],
  ['a square', root * root],
  ['zero', 0n],
  ['3071 bits long', from(1n << 3070n, (n) => n % 4n === 1n && coprimeToSmall(n))],
  ['2047 bits long', from(1n << 2046n, (n) => n % 4n === 1n && coprimeToSmall(n))],
])('refuses a modulus that is %s', (_name, value) => {
  expect(checkModulus(toBytes(value, MODULUS_BYTES))).toBe(false)
})

test('takes the neighbour of a refused modulus that has no fault: 2003 is not a small factor', () => {
  expect(checkModulus(toBytes(multipleOf(2003n), MODULUS_BYTES))).toBe(true)
})

test('refuses moduli that are written with another length', () => {
  const good = bytes(vector.input.N_A)
  for (const value of [good.slice(1), good.slice(0, -1), Uint8Array.of(0, ...good), new Uint8Array(0)])
    expect(checkModulus(value)).toBe(false)
  expect(checkModulus(new Uint8Array(1024).fill(0xff))).toBe(false) // 8192 bits
})

test('finds a modulus that is prime', async () => {
  const prime = toBytes((1n << 3071n) + 9345n, MODULUS_BYTES)
  expect(checkModulus(prime)).toBe(true)
  expect(await isPrimeModulus(prime)).toBe(true)
})
