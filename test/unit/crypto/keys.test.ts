import fc from 'fast-check'
import { expect, test } from 'vitest'
import { lengthPrefixed, toB64u, utf8 } from '../../../src/bytes.ts'
import { drawBits } from '../../../src/crypto/bbs.ts'
import { gcd, toBytes, toInteger } from '../../../src/crypto/bigint.ts'
import * as keys from '../../../src/crypto/keys.ts'
import { VERSION } from '../../../src/protocol/constants.ts'
import hkdf from '../../vectors/hkdf.json' with { type: 'json' }
import { bytes, hex, vector } from './given.ts'

test.each(hkdf.cases)('HKDF gives the values of RFC 5869, $name', ({ ikm, salt, info, length, prk, okm }) => {
  expect(hex(keys.extract(bytes(salt), bytes(ikm)))).toBe(prk)
  expect(hex(keys.expandTo(bytes(prk), bytes(info), length))).toBe(okm)
})

test('labels carry the version of the protocol', () => {
  expect(keys.VERSION).toBe(VERSION)
  expect(keys.labelled('th1', 'a', Uint8Array.of(1))).toEqual(lengthPrefixed('portmesh/1 th1', 'a', Uint8Array.of(1)))
})

test('fields are joined as the published run says', () => {
  for (const { fields, out } of vector.lp) expect(hex(lengthPrefixed(...fields.map(bytes)))).toBe(out)
})

test('moving a byte from one field to the next, or to the label, changes everything', () => {
  const key = new Uint8Array(32)
  for (const run of [
    (label: string, ...fields: string[]) => keys.hash(label, ...fields),
    (label: string, ...fields: string[]) => keys.mac(key, label, ...fields),
    (label: string, ...fields: string[]) => keys.expand(key, label, ...fields),
    (label: string, ...fields: string[]) => keys.expand400(key, label, ...fields),
  ]) {
    const values = [
      run('l', 'ab', 'c'),
      run('l', 'a', 'bc'),
      run('l', 'abc'),
      run('la', 'b', 'c'),
      run('l', 'ab', 'c', ''),
    ]
    expect(new Set(values.map(hex)).size).toBe(values.length)
  }
})

test('the mesh secret of the published run comes from its mesh key', () => {
  expect(hex(keys.meshSecret(bytes(vector.input.mesh_key)))).toBe(vector.mesh.psk)
  expect(hex(keys.NO_MESH)).toBe(vector.open.psk)
})

const directions = [
  ['open', 'i2r', vector.input.N_A],
  ['open', 'r2i', vector.input.N_B],
  ['mesh', 'i2r', vector.input.N_A],
  ['mesh', 'r2i', vector.input.N_B],
] as const

test.each(directions)('every value from main to the keys is that of the published run: %s, %s', (run, direction, N) => {
  const main = bytes(vector[run].main)
  const expected = vector[run][direction]
  const modulus = toInteger(bytes(N))
  expect(hex(keys.expand400(main, 'bbs seed', direction, expected.ctr))).toBe(expected.seed_okm)
  const seed = keys.bbsSeed(main, direction, modulus)
  expect(hex(toBytes(seed, 384))).toBe(expected.s)
  expect(hex(toBytes((seed * seed) % modulus, 384))).toBe(expected.x0)
  expect(hex(drawBits(seed, modulus, 256))).toBe(expected.K_bbs)
  expect(hex(keys.expand(main, 'hedge', direction))).toBe(expected.hedge)
  expect(hex(keys.directionRoot(main, direction, modulus))).toBe(expected.K_dir)
  const { enc, auth } = keys.deriveKeys(main, bytes(vector.input.N_A), bytes(vector.input.N_B))[direction]
  expect(hex(enc)).toBe(expected.K_enc)
  expect(hex(auth)).toBe(expected.K_auth)
})

test('each direction is drawn with the modulus of its sender', () => {
  const [N_A, N_B] = [bytes(vector.input.N_A), bytes(vector.input.N_B)]
  const main = bytes(vector.open.main)
  const [straight, crossed] = [keys.deriveKeys(main, N_A, N_B), keys.deriveKeys(main, N_B, N_A)]
  expect(hex(straight.i2r.enc)).not.toBe(hex(crossed.i2r.enc))
  expect(hex(straight.i2r.enc)).not.toBe(hex(straight.r2i.enc))
})

test('a rotten modulus leaves the keys as good as the hedge: few outputs of the generator, no root twice', () => {
  const mains = Array.from({ length: 64 }, (_, i) => new Uint8Array(32).fill(i))
  const drawn = mains.map((main) => hex(drawBits(keys.bbsSeed(main, 'i2r', 21n), 21n, 256)))
  expect(new Set(drawn).size).toBeLessThan(8)
  expect(new Set(mains.map((main) => hex(keys.directionRoot(main, 'i2r', 21n)))).size).toBe(64)
})

test('a seed that has a factor in common with the modulus, or is 0, 1 or N - 1, is drawn again', () => {
  const modulus = 15n // only 2, 4, 7, 8, 11, 13 may be seeds
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (main) => {
      const seed = keys.bbsSeed(main, 'i2r', modulus)
      expect(seed > 1n && seed < 14n && gcd(seed, modulus) === 1n).toBe(true)
      const counters = Array.from({ length: 100 }, (_, counter) => String(counter))
      const drawn = counters.map((counter) => toInteger(keys.expand400(main, 'bbs seed', 'i2r', counter)) % modulus)
      expect(seed).toBe(drawn.find((s) => s > 1n && s < 14n && gcd(s, modulus) === 1n))
    }),
    { numRuns: 20 },
  )
})

test.each(vector.streams.filter((stream) => 'portmesh_auth' in stream))(
  'authenticates a request as the published run does: $what',
  (stream) => {
    const auth = bytes(vector.open.i2r.K_auth)
    const mac = keys.requestMac(auth, bytes(vector.input.sid), stream.n, stream.method, stream.target)
    expect(stream.portmesh_auth).toBe(`v=1; sid=${toB64u(bytes(vector.input.sid))}; n=${stream.n}; mac=${toB64u(mac)}`)
  },
)

test('the MAC of a request covers session, number, method and target', () => {
  const auth = new Uint8Array(32)
  const [sid, other] = [new Uint8Array(16), new Uint8Array(16).fill(1)]
  const values = [
    keys.requestMac(auth, sid, 1, 'GET', '/a'),
    keys.requestMac(auth, other, 1, 'GET', '/a'),
    keys.requestMac(auth, sid, 2, 'GET', '/a'),
    keys.requestMac(auth, sid, 1, 'POST', '/a'),
    keys.requestMac(auth, sid, 1, 'GET', '/%61'),
    keys.requestMac(utf8('another key'), sid, 1, 'GET', '/a'),
  ]
  expect(new Set(values.map(hex)).size).toBe(values.length)
})
