/** One frame, sealed and opened by the functions that every stream uses, against what others have published and under every changed tag. */
import * as nodeCrypto from 'node:crypto'
import { expect, test, vi } from 'vitest'
import { CIPHER_BYTES, openFrame, sealFrame } from '../../../src/crypto/stream.ts'
import cavp from '../../vectors/aes-gcm-cavp.json' with { type: 'json' }
import { bytes, codeOf, flipped, hex } from './given.ts'

// The real functions, watched: a Node that refuses short tags by itself would not show that they are asked for.
vi.mock('node:crypto', async (original) => {
  const real = await original<typeof nodeCrypto>()
  return { ...real, createCipheriv: vi.fn(real.createCipheriv), createDecipheriv: vi.fn(real.createDecipheriv) }
})

const opens = [...cavp.seal, ...cavp.open.filter(({ plaintext }) => plaintext !== null)]
const fails = cavp.open.filter(({ plaintext }) => plaintext === null)
const frameOf = ({ ciphertext, tag }: { ciphertext: string; tag: string }): Uint8Array => bytes(ciphertext + tag)
const refused = (key: string, iv: string, frame: Uint8Array): boolean =>
  codeOf(() => openFrame(bytes(key), bytes(iv), frame)) === 'PM_BAD_STREAM'

test('the published set is whole: 75 to seal, 75 to open, 33 of them must fail', () => {
  expect([cavp.seal.length, cavp.open.length, fails.length]).toEqual([75, 75, 33])
})

test.each(opens)('seals and opens a frame as NIST CAVP has it: $name', ({ key, iv, plaintext, ...known }) => {
  const sealed = sealFrame(bytes(key), bytes(iv), bytes(plaintext ?? ''))
  expect(sealed.map(hex)).toEqual([known.ciphertext, known.tag])
  expect(hex(openFrame(bytes(key), bytes(iv), frameOf(known)))).toBe(plaintext)
})

test.each(fails)('refuses a frame that must not open by NIST CAVP: $name', ({ key, iv, ...known }) => {
  expect(refused(key, iv, frameOf(known))).toBe(true)
})

test('refuses a frame of the published set with any one bit of its tag changed, and tags that are all alike', () => {
  const some = opens.filter((_, index) => index % 15 === 0) // one of each length, to seal and to open
  expect(some.length).toBeGreaterThan(5)
  for (const { key, iv, ciphertext, tag } of some) {
    const tags = Array.from({ length: 128 }, (_, bit) => withBit(bytes(tag), bit))
    for (const fill of [0x00, 0xff]) tags.push(new Uint8Array(16).fill(fill))
    for (const mask of [0x80, 0xff]) tags.push(bytes(tag).map((byte) => byte ^ mask))
    expect(tags.filter((changed) => !refused(key, iv, bytes(ciphertext + hex(changed))))).toEqual([])
  }
})

test('refuses a frame of the published set with its ciphertext, nonce or key changed, or cut by a byte', () => {
  for (const { key, iv, ciphertext, tag } of opens.filter((one) => one.ciphertext !== '')) {
    const frame = bytes(ciphertext + tag)
    expect(refused(key, iv, flipped(frame))).toBe(true)
    expect(refused(key, hex(flipped(bytes(iv), -1)), frame)).toBe(true)
    expect(refused(hex(flipped(bytes(key), 31)), iv, frame)).toBe(true)
    expect(refused(key, iv, frame.subarray(1))).toBe(true)
    expect(refused(key, iv, frame.subarray(0, -1))).toBe(true)
  }
})

test('a tag has 16 bytes because we ask for it: older Nodes take tags of 4 where nobody says so', () => {
  const [key, iv] = [new Uint8Array(32), new Uint8Array(12)]
  const [ciphertext, tag] = sealFrame(key, iv, Uint8Array.of(1, 2, 3))
  openFrame(key, iv, Buffer.concat([ciphertext, tag]))
  for (const made of [nodeCrypto.createCipheriv, nodeCrypto.createDecipheriv])
    expect(vi.mocked(made).mock.lastCall).toEqual(['aes-256-gcm', key, iv, { authTagLength: 16 }])
  // 4 bytes of the right tag of an empty frame.
  const [, whole] = sealFrame(key, iv, new Uint8Array(0))
  expect(() => openFrame(key, iv, whole.subarray(0, 4))).toThrow()
})

test.each([-1, 0, 1, CIPHER_BYTES, 3 * CIPHER_BYTES])(
  'a frame longer by %i than what is enciphered at once is the same one, in parts',
  (more) => {
    const [key, iv] = [new Uint8Array(32).fill(1), new Uint8Array(12).fill(2)]
    const plaintext = Buffer.alloc(CIPHER_BYTES + more, 'abcdefghijk')
    const sealed = sealFrame(key, iv, plaintext)
    const cipher = nodeCrypto.createCipheriv('aes-256-gcm', key, iv, { authTagLength: 16 })
    const atOnce = Buffer.concat([cipher.update(plaintext), cipher.final()])
    expect(Buffer.concat(sealed.slice(0, -1)).equals(atOnce)).toBe(true)
    expect(sealed.at(-1)).toEqual(cipher.getAuthTag())
    expect(Math.max(...sealed.map(({ length }) => length))).toBeLessThanOrEqual(CIPHER_BYTES)
  },
)

const withBit = (value: Uint8Array, bit: number): Uint8Array =>
  value.map((byte, at) => (at === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
