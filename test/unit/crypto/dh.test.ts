import { expect, test } from 'vitest'
import { toBytes, toInteger } from '../../../src/crypto/bigint.ts'
import { checkPublicValue, DH_BYTES, generateDh, PRIME, sharedSecret } from '../../../src/crypto/dh.ts'
import { bytes, codeOf, hex, vector } from './given.ts'

/** floor(2^bits * pi), by Machin's formula with 64 bits to spare. */
const pi = (bits: number): bigint => {
  const one = 1n << BigInt(bits + 64)
  const arctanOfInverse = (x: bigint): bigint => {
    let sum = 0n
    let power = one / x
    for (let k = 1n, sign = 1n; power > 0n; k += 2n, sign = -sign, power /= x * x) sum += (sign * power) / k
    return sum
  }
  return (4n * (4n * arctanOfInverse(5n) - arctanOfInverse(239n))) >> 64n
}

test('the prime is the one RFC 3526 computes from pi', () => {
  expect(PRIME).toBe((1n << 3072n) - (1n << 3008n) - 1n + (1n << 64n) * (pi(2942) + 1690314n))
  expect(PRIME % 8n).toBe(7n) // so 2 generates the subgroup of prime order (p - 1) / 2
})

test('two parties get the same secret of 384 bytes', () => {
  const [a, b] = [generateDh(), generateDh()]
  expect(a.publicKey.length).toBe(DH_BYTES)
  for (const { publicKey } of [a, b]) expect(() => checkPublicValue(publicKey)).not.toThrow()
  const secret = sharedSecret(a.privateKey, b.publicKey)
  expect(hex(secret)).toBe(hex(sharedSecret(b.privateKey, a.publicKey)))
  expect(secret.length).toBe(DH_BYTES)
  expect(hex(a.privateKey)).not.toBe(hex(b.privateKey))
})

test('reproduces public values and secret of the published run', () => {
  const { a, b } = vector.input
  const two = toBytes(2n, DH_BYTES)
  expect(hex(sharedSecret(bytes(a), two))).toBe(vector.common.x)
  expect(hex(sharedSecret(bytes(b), two))).toBe(vector.common.y)
  expect(hex(sharedSecret(bytes(a), bytes(vector.common.y)))).toBe(vector.common.Z)
  expect(hex(sharedSecret(bytes(b), bytes(vector.common.x)))).toBe(vector.common.Z)
})

test('a secret that begins with zeroes has 384 bytes all the same', () => {
  const exponent = toBytes(3000n, 40) // 2^3000 is smaller than p
  expect(toInteger(sharedSecret(exponent, toBytes(2n, DH_BYTES)))).toBe(1n << 3000n)
  expect(sharedSecret(exponent, toBytes(2n, DH_BYTES)).length).toBe(DH_BYTES)
})

test.each([
  ['0', 0n],
  ['1', 1n],
  ['p - 1', PRIME - 1n],
  ['p', PRIME],
  ['p + 1', PRIME + 1n],
  ['p - 2, which OpenSSL accepts', PRIME - 2n],
  ['7, no square modulo p', 7n],
  ['the largest integer of 384 bytes', (1n << 3072n) - 1n],
])('refuses the public value %s', (_name, value) => {
  expect(codeOf(() => checkPublicValue(toBytes(value, DH_BYTES)))).toBe('PM_BAD_HANDSHAKE')
})

test('takes the smallest and the largest square', () => {
  expect(codeOf(() => checkPublicValue(toBytes(2n, DH_BYTES)))).toBeUndefined()
  expect(codeOf(() => checkPublicValue(toBytes(PRIME - 7n, DH_BYTES)))).toBeUndefined()
})

test('refuses values of 383 and 385 bytes, also with a zero more or less', () => {
  const good = bytes(vector.common.y)
  for (const value of [good.slice(1), good.slice(0, -1), Uint8Array.of(0, ...good), Uint8Array.of(...good, 0)])
    expect(codeOf(() => checkPublicValue(value))).toBe('PM_BAD_HANDSHAKE')
  expect(codeOf(() => checkPublicValue(new Uint8Array(0)))).toBe('PM_BAD_HANDSHAKE')
})

test('refuses the secret 1, and what OpenSSL refuses is a bad handshake too', () => {
  const order = toBytes((PRIME - 1n) / 2n, DH_BYTES)
  expect(codeOf(() => sharedSecret(order, bytes(vector.common.y)))).toBe('PM_BAD_HANDSHAKE')
  expect(codeOf(() => sharedSecret(bytes(vector.input.a), toBytes(1n, DH_BYTES)))).toBe('PM_BAD_HANDSHAKE')
})

test('computing a secret does not test the group for primality, which takes seconds', () => {
  const startedAt = performance.now()
  for (let i = 0; i < 5; i++) sharedSecret(bytes(vector.input.a), bytes(vector.common.y))
  expect((performance.now() - startedAt) / 5).toBeLessThan(300)
})
