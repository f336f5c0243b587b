import { createPrivateKey, sign as rawSign } from 'node:crypto'
import { expect, test } from 'vitest'
import { toB64u } from '../../../src/bytes.ts'
import { toBytes } from '../../../src/crypto/bigint.ts'
import { checkId, fingerprint, generateIdentity, identityFrom, sign, verify } from '../../../src/crypto/identity.ts'
import ed25519 from '../../vectors/ed25519.json' with { type: 'json' }
import { bytes, flipped, hex, nodeA, nodeB, vector } from './given.ts'

const littleEndian = (y: bigint): Uint8Array => toBytes(y, 32).reverse()
const FIELD = (1n << 255n) - 19n

test.each(ed25519.cases)('the library signs as RFC 8032 says, and an id is the public key: $name', (known) => {
  expect(hex(identityFrom(bytes(known.seed), bytes(vector.input.N_A)).id)).toBe(known.id)
  const jwk = { kty: 'OKP', crv: 'Ed25519', d: toB64u(bytes(known.seed)), x: toB64u(bytes(known.id)) }
  const signature = rawSign(null, bytes(known.message), createPrivateKey({ key: jwk, format: 'jwk' }))
  expect(hex(signature)).toBe(known.signature)
})

test('ids, fingerprint and signature of the published run', () => {
  const [a, b] = [nodeA(), nodeB()]
  expect(hex(a.id)).toBe(vector.common.idA)
  expect(hex(b.id)).toBe(vector.common.idB)
  expect(fingerprint(a.id)).toBe(vector.common.fingerprintA)
  const y = bytes(vector.common.y)
  expect(hex(sign(b.seed, 'getkey', 'modp15', y, b.id, b.modulus))).toBe(vector.common.getkey_sig)
})

test('a new identity signs what others can verify', async () => {
  const { id, seed, modulus } = await generateIdentity()
  const signature = sign(seed, 'row', 'head')
  expect(signature.length).toBe(64)
  expect(verify(id, signature, 'row', 'head')).toBe(true)
  expect(hex(identityFrom(seed, modulus).id)).toBe(hex(id))
})

test('a signature holds for its label, fields and signer only', () => {
  const { id, seed } = nodeA()
  const signature = sign(seed, 'row', 'ab', 'c')
  expect(verify(id, signature, 'row', 'ab', 'c')).toBe(true)
  expect(verify(id, signature, 'rov', 'ab', 'c')).toBe(false)
  expect(verify(id, signature, 'row', 'a', 'bc')).toBe(false)
  expect(verify(id, signature, 'row', 'ab')).toBe(false)
  expect(verify(nodeB().id, signature, 'row', 'ab', 'c')).toBe(false)
  for (const at of [0, 31, 32, 63]) expect(verify(id, flipped(signature, at), 'row', 'ab', 'c')).toBe(false)
})

test('what is malformed is not verified, and does not throw', () => {
  const { id, seed } = nodeA()
  const signature = sign(seed, 'row', 'x')
  for (const wrong of [new Uint8Array(0), signature.slice(1), Uint8Array.of(...signature, 0)])
    expect(verify(id, wrong, 'row', 'x')).toBe(false)
  for (const wrong of [new Uint8Array(0), id.slice(1), Uint8Array.of(...id, 0)])
    expect(verify(wrong, signature, 'row', 'x')).toBe(false)
  expect(verify(littleEndian(2n), signature, 'row', 'x')).toBe(false) // no point has that y
})

test.each(ed25519.weak)('refuses the weak id %s, whatever it signed', (weak) => {
  const id = bytes(weak)
  expect(checkId(id)).toBe(false)
  // R and S that hold for such a key in libraries that do not look.
  for (const r of ed25519.weak) {
    const forged = Uint8Array.of(...bytes(r), ...new Uint8Array(32))
    expect(verify(id, forged, 'row', 'x')).toBe(false)
  }
})

test('refuses ids that are not canonical, takes those just beside', () => {
  for (const y of [FIELD, FIELD + 2n, FIELD + 18n, (1n << 255n) - 1n]) expect(checkId(littleEndian(y))).toBe(false)
  for (const y of [2n, 3n, FIELD - 2n]) expect(checkId(littleEndian(y))).toBe(true)
  expect(checkId(new Uint8Array(31).fill(3))).toBe(false)
  expect(checkId(new Uint8Array(33).fill(3))).toBe(false)
})

test('refuses a stored seed or modulus that could not have been made here', () => {
  expect(() => identityFrom(new Uint8Array(31), bytes(vector.input.N_A))).toThrow(RangeError)
  expect(() => identityFrom(new Uint8Array(32), new Uint8Array(384))).toThrow(RangeError)
  expect(() => sign(new Uint8Array(31), 'row')).toThrow(RangeError)
})

test('remembers imported keys without mixing them up, also when there are more than it remembers', () => {
  const nodes = Array.from({ length: 300 }, (_, i) => {
    const seed = new Uint8Array(32).fill(i & 255)
    seed[0] = i >> 8
    return { ...identityFrom(seed, bytes(vector.input.N_A)), signature: sign(seed, 'row', String(i)) }
  })
  for (const [i, { id, signature }] of nodes.entries()) expect(verify(id, signature, 'row', String(i))).toBe(true)
  expect(new Set(nodes.map(({ id }) => hex(id))).size).toBe(300)
})
