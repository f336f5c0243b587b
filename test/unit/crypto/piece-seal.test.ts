import { expect, test } from 'vitest'
import { PieceSealer } from '../../../src/crypto/piece-seal.ts'
import type { StreamContext } from '../../../src/crypto/stream.ts'
import { bytes, vector } from './given.ts'

const context: StreamContext = {
  key: bytes(vector.open.r2i.K_enc),
  kind: 'resp',
  sid: bytes(vector.input.sid),
  n: 3,
  method: 'GET',
  target: '/content/ab?pieces=0',
  status: 200,
  frameLog2: 6,
}
const HEAD = new Uint8Array(8)
const FULL = new Uint8Array(64)

const begun = (): PieceSealer => {
  const sealer = new PieceSealer(context)
  sealer.begin(HEAD)
  return sealer
}

test('begins with salt, frame size and the head frame, and no two streams alike', () => {
  const [first, second] = [new PieceSealer(context).begin(HEAD), new PieceSealer(context).begin(HEAD)]
  expect(first).toHaveLength(17 + 8 + 16)
  expect([first[16], second[16]]).toEqual([6, 6])
  expect(Buffer.from(first).equals(second)).toBe(false)
  const salt = new Uint8Array(16).fill(1)
  expect(new PieceSealer(context, salt).begin(HEAD).subarray(0, 16)).toEqual(Buffer.from(salt))
})

test('has one head of 8 bytes, before all frames', () => {
  expect(() => new PieceSealer(context).seal(FULL, true)).toThrow(RangeError)
  expect(() => new PieceSealer(context).begin(new Uint8Array(7))).toThrow(RangeError)
  expect(() => begun().begin(HEAD)).toThrow(RangeError)
})

test('seals full frames, a last one that may be short, and nothing after it', () => {
  expect(() => begun().seal(FULL.subarray(1), false)).toThrow(RangeError)
  expect(() => begun().seal(new Uint8Array(65), true)).toThrow(RangeError)
  expect(() => begun().seal(new Uint8Array(), true)).toThrow(RangeError)
  const sealer = begun()
  expect(sealer.seal(FULL, false).map(({ length }) => length)).toEqual([64, 16])
  expect(sealer.seal(FULL.subarray(63), true).map(({ length }) => length)).toEqual([1, 16])
  expect(() => sealer.seal(FULL, true)).toThrow(RangeError)
})

test('leaves the plaintext as it was, and does not look at it later', () => {
  const sealer = begun()
  const plaintext = new Uint8Array(64).fill(7)
  const [ciphertext] = sealer.seal(plaintext, false)
  const before = Buffer.from(ciphertext)
  expect(plaintext).toEqual(new Uint8Array(64).fill(7))
  plaintext.fill(9)
  expect(before.equals(ciphertext)).toBe(true)
})

test('refuses a salt of another length', () => {
  expect(() => new PieceSealer(context, new Uint8Array(15))).toThrow(RangeError)
})
