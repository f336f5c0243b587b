import { expect, test } from 'vitest'
import { expand, extract, hash } from '../../../src/crypto/keys.ts'
import * as transcript from '../../../src/crypto/transcript.ts'
import { bytes, hex, vector } from './given.ts'

const { common, input } = vector
const opening = {
  x: bytes(common.x),
  c: bytes(common.c),
  y: bytes(common.y),
  nB: bytes(input.nB),
  sid: bytes(input.sid),
}
const a = { id: bytes(common.idA), modulus: bytes(input.N_A) }
const b = { id: bytes(common.idB), modulus: bytes(input.N_B) }

test('kid, commitment and salt are those of the published run', () => {
  expect(hex(transcript.kidOf(opening.y))).toBe(common.kid)
  expect(hex(transcript.commitment(bytes(input.nA), a))).toBe(common.c)
  expect(hex(hash('extract', 'modp15'))).toBe(common.extract_salt)
})

test.each([
  ['without a mesh key', vector.open],
  ['with a mesh key', vector.mesh],
])('every hash, MAC and secret is that of the published run %s', (_name, run) => {
  const secret = transcript.extractSecret(bytes(common.Z), bytes(run.psk))
  expect(hex(secret)).toBe(run.prk0)
  const th1 = transcript.hash1(opening)
  expect(hex(th1)).toBe(run.th1)
  const th2 = transcript.hash2(th1, b)
  expect(hex(th2)).toBe(run.th2)
  const proofB = { sig: bytes(run.sigB), mac: transcript.proofMac(secret, 'R', th1, th2, bytes(run.sigB)) }
  expect(hex(proofB.mac)).toBe(run.macB)
  const th3 = transcript.hash3(th2, proofB, bytes(input.nA), a)
  expect(hex(th3)).toBe(run.th3)
  const proofA = { sig: bytes(run.sigA), mac: transcript.proofMac(secret, 'I', th1, th3, bytes(run.sigA)) }
  expect(hex(proofA.mac)).toBe(run.macA)
  const th4 = transcript.hash4(th3, proofA)
  expect(hex(th4)).toBe(run.th4)
  expect(hex(transcript.mainSecret(secret, th4))).toBe(run.main)
  const keys = {
    i2r: { enc: bytes(run.i2r.K_enc), auth: bytes(run.i2r.K_auth) },
    r2i: { enc: bytes(run.r2i.K_enc), auth: bytes(run.r2i.K_auth) },
  }
  expect(hex(transcript.finish(keys, th4))).toBe(run.fin)
  expect(transcript.sasIndices(opening, bytes(input.nA), a.id, b.id)).toEqual(run.sas_indices)
})

test('the keys that MAC the two proofs are those of the published run', () => {
  for (const run of [vector.open, vector.mesh]) {
    expect(hex(expand(bytes(run.prk0), 'key R', bytes(run.th1)))).toBe(run.keyR)
    expect(hex(expand(bytes(run.prk0), 'key I', bytes(run.th1)))).toBe(run.keyI)
    expect(hex(extract(bytes(run.th4), expand(bytes(run.prk0), 'main')))).toBe(run.main)
  }
})

test('the words depend on both nonces, both public values and both ids, and on who began', () => {
  const { x, y, nB } = opening
  const nA = bytes(input.nA)
  const words = [
    transcript.sasIndices(opening, nA, a.id, b.id),
    transcript.sasIndices(opening, nA, b.id, a.id),
    transcript.sasIndices(opening, nB, a.id, b.id),
    transcript.sasIndices({ ...opening, nB: nA }, nA, a.id, b.id),
    transcript.sasIndices({ ...opening, x: y }, nA, a.id, b.id),
    transcript.sasIndices({ ...opening, y: x }, nA, a.id, b.id),
  ]
  expect(new Set(words.map(String)).size).toBe(words.length)
  for (const index of words.flat()) expect(index >= 0 && index < 2048).toBe(true)
})
