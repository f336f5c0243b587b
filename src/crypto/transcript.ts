/**
 * What both roles of a handshake hash, sign and authenticate (PROTOCOL.md, "Handshake"): SIGMA, "sign and MAC" (Krawczyk 2003).
 * Everything sent so far is in each hash, so a changed message, a downgrade or another's public value breaks signature and MAC.
 */
import { concat } from '../bytes.ts'
import { GROUP } from './dh.ts'
import { expand, extract, hash, mac, type SessionKeys } from './keys.ts'

/** Both public values, the commitment to nA, idA and N_A, and what the responder adds. */
export interface Opening {
  readonly x: Uint8Array
  readonly c: Uint8Array
  readonly y: Uint8Array
  readonly nB: Uint8Array
  readonly sid: Uint8Array
}

/** What a party claims in its proof. */
export interface Party {
  readonly id: Uint8Array
  readonly modulus: Uint8Array
}

/** Signature (64 bytes) and MAC (32 bytes) of one party. */
export interface Proof {
  readonly sig: Uint8Array
  readonly mac: Uint8Array
}

/** The name of a public value: 16 bytes. */
export const kidOf = (publicKey: Uint8Array): Uint8Array => hash('kid', publicKey).slice(0, 16)

/** c: fixes nA, idA and N_A before the responder's nonce is known; without it the words people compare could be searched for. */
export const commitment = (nA: Uint8Array, { id, modulus }: Party): Uint8Array => hash('commit', nA, id, modulus)

/** prk0, from the shared secret and the mesh secret. */
export const extractSecret = (sharedSecret: Uint8Array, psk: Uint8Array): Uint8Array => {
  const material = concat(sharedSecret, psk)
  const secret = extract(hash('extract', GROUP), material)
  material.fill(0)
  return secret
}

/** th1; its third field is the hash of a channel around this one, which version 1 does not have. */
export const hash1 = ({ x, c, y, nB, sid }: Opening): Uint8Array => hash('th1', GROUP, '', x, c, y, nB, sid)

/** th2: what the responder signs. */
export const hash2 = (th1: Uint8Array, { id, modulus }: Party): Uint8Array => hash('th2', th1, id, modulus)

/** th3: what the initiator signs. */
export const hash3 = (th2: Uint8Array, proofB: Proof, nA: Uint8Array, { id, modulus }: Party): Uint8Array =>
  hash('th3', th2, proofB.sig, proofB.mac, nA, id, modulus)

/** th4: all of it. */
export const hash4 = (th3: Uint8Array, proofA: Proof): Uint8Array => hash('th4', th3, proofA.sig, proofA.mac)

/** macB or macA: shows that the signer has the shared secret, so nobody passes off another's public value as its own. */
export const proofMac = (
  secret: Uint8Array,
  role: 'I' | 'R',
  th1: Uint8Array,
  signed: Uint8Array,
  sig: Uint8Array,
): Uint8Array => {
  const key = expand(secret, `key ${role}`, th1)
  const out = mac(key, `mac ${role}`, signed, sig)
  key.fill(0)
  return out
}

/** main, the secret that all keys of the session come from. */
export const mainSecret = (secret: Uint8Array, th4: Uint8Array): Uint8Array => {
  const key = expand(secret, 'main')
  const main = extract(th4, key)
  key.fill(0)
  return main
}

/** fin: shows that the responder has the same keys of both directions, after BBS. */
export const finish = ({ i2r, r2i }: SessionKeys, th4: Uint8Array): Uint8Array =>
  mac(r2i.auth, 'fin', th4, mac(i2r.auth, 'fin', th4))

/**
 * Three indices (0-2047) into the English list of BIP 39, for the words two people compare: the first 33 bits of a hash over values that
 * were all fixed in time. The last transcript hash would not do: whoever signs can choose among signatures until the words fit.
 */
export const sasIndices = (
  { x, y, nB }: Opening,
  nA: Uint8Array,
  initiatorId: Uint8Array,
  responderId: Uint8Array,
): number[] => {
  const bytes = hash('sas', x, y, nA, nB, initiatorId, responderId)
  const bits = Array.from(bytes.subarray(0, 5), (byte) => byte.toString(2).padStart(8, '0')).join('')
  return [0, 11, 22].map((at) => Number.parseInt(bits.slice(at, at + 11), 2))
}
