/**
 * The key schedule, DH -> BBS -> AES: labelled hash, MAC and HKDF, and the keys of a session (PROTOCOL.md, "Notation", "Handshake").
 * Every value that is hashed, authenticated or signed is length-prefixed under a label of its own; nothing is a bare concatenation.
 */
import { createHash, createHmac } from 'node:crypto'
import { lengthPrefixed, utf8 } from '../bytes.ts'
import { drawBits } from './bbs.ts'
import { gcd, toInteger } from './bigint.ts'

/** The version of the protocol: part of every label, and the `v` of messages. */
export const VERSION = 'portmesh/1'

/** The mesh secret of a node that is in no private mesh: 32 zero bytes. */
export const NO_MESH: Uint8Array = new Uint8Array(32)

type Field = Uint8Array | string

/** i2r carries requests, from the initiator of the session to its responder; r2i carries answers. */
export type Direction = 'i2r' | 'r2i'

/** 32 bytes each: `enc` is the root of the streams' keys, `auth` of the MACs. */
export interface DirectionKeys {
  readonly enc: Uint8Array
  readonly auth: Uint8Array
}

/** The keys of one session. */
export interface SessionKeys {
  readonly i2r: DirectionKeys
  readonly r2i: DirectionKeys
}

/** The message that is hashed, authenticated or signed under a label: `lp("portmesh/1 " + label, fields ..)`. */
export const labelled = (label: string, ...fields: readonly Field[]): Uint8Array =>
  lengthPrefixed(`${VERSION} ${label}`, ...fields)

/** H: SHA-256 over label and fields, 32 bytes. */
export const hash = (label: string, ...fields: readonly Field[]): Uint8Array =>
  new Uint8Array(
    createHash('sha256')
      .update(labelled(label, ...fields))
      .digest(),
  )

/** M: HMAC-SHA-256 over label and fields, 32 bytes (RFC 2104). */
export const mac = (key: Uint8Array, label: string, ...fields: readonly Field[]): Uint8Array =>
  hmac(key, labelled(label, ...fields))

/** E: HKDF-Extract with SHA-256, 32 bytes (RFC 5869, 2.2). */
export const extract = (salt: Uint8Array, keyMaterial: Uint8Array): Uint8Array => hmac(salt, keyMaterial)

/** X: HKDF-Expand to 32 bytes, label and fields are the info. */
export const expand = (key: Uint8Array, label: string, ...fields: readonly Field[]): Uint8Array =>
  expandTo(key, labelled(label, ...fields), 32)

/** X400: HKDF-Expand to 400 bytes, 128 bits more than a modulus has, so that the remainder is unbiased. */
export const expand400 = (key: Uint8Array, label: string, ...fields: readonly Field[]): Uint8Array =>
  expandTo(key, labelled(label, ...fields), 400)

/**
 * HKDF-Expand with SHA-256 (RFC 5869, 2.3). Node's own hkdf has no form without the extraction.
 * @param length - in bytes, at most 8160.
 */
export const expandTo = (key: Uint8Array, info: Uint8Array, length: number): Uint8Array => {
  const out = new Uint8Array(length)
  let block = new Uint8Array(0)
  for (let at = 0, i = 1; at < length; at += block.length, i++) {
    block = new Uint8Array(createHmac('sha256', key).update(block).update(info).update(Uint8Array.of(i)).digest())
    out.set(block.subarray(0, length - at), at)
  }
  return out
}

/** The secret that a 16-byte mesh key mixes into the key schedule. Mesh keys are generated, never chosen by a person. */
export const meshSecret = (meshKey: Uint8Array): Uint8Array => expand(extract(utf8(`${VERSION} mesh`), meshKey), 'psk')

/**
 * The keys of a session from its main secret (PROTOCOL.md, "Handshake"). 6-10 ms, almost all of it BBS.
 * @param main - 32 bytes; the caller erases it.
 * @param initiatorModulus - 384 bytes, draws the key of i2r: a direction's key is drawn with the modulus of its sender.
 */
export const deriveKeys = (
  main: Uint8Array,
  initiatorModulus: Uint8Array,
  responderModulus: Uint8Array,
): SessionKeys => ({
  i2r: directionKeys(main, 'i2r', initiatorModulus),
  r2i: directionKeys(main, 'r2i', responderModulus),
})

const directionKeys = (main: Uint8Array, direction: Direction, modulus: Uint8Array): DirectionKeys => {
  const root = directionRoot(main, direction, toInteger(modulus))
  const keys = { enc: expand(root, 'enc'), auth: expand(root, 'auth') }
  root.fill(0)
  return keys
}

/**
 * The 256-bit root of one direction: what BBS drew, masked by an independent HKDF output. If HKDF is a PRF this is uniform
 * whatever BBS gave; if only the mask were weak, it is as good as BBS.
 */
export const directionRoot = (main: Uint8Array, direction: Direction, modulus: bigint): Uint8Array => {
  const root = drawBits(bbsSeed(main, direction, modulus), modulus, 256)
  const hedge = expand(main, 'hedge', direction)
  for (const [i, byte] of hedge.entries()) root[i] = (root[i] ?? 0) ^ byte
  hedge.fill(0)
  return root
}

/** The seed of BBS: the first of X400(main, "bbs seed", direction, 0, 1, ..) mod N with 1 < s < N - 1 and gcd(s, N) = 1. */
export const bbsSeed = (main: Uint8Array, direction: Direction, modulus: bigint): bigint => {
  for (let counter = 0; ; counter++) {
    const material = expand400(main, 'bbs seed', direction, String(counter))
    const seed = toInteger(material) % modulus
    material.fill(0)
    if (seed > 1n && seed < modulus - 1n && gcd(seed, modulus) === 1n) return seed
  }
}

/**
 * The MAC of one request in a session (PROTOCOL.md, "Requests in a session"), 32 bytes.
 * @param auth - `auth` of the direction i2r.
 * @param sid - 16 bytes.
 * @param n - the request's number, 1 to 2^32 - 1.
 * @param target - the raw request target before any decoding, in origin form.
 */
export const requestMac = (auth: Uint8Array, sid: Uint8Array, n: number, method: string, target: string): Uint8Array =>
  mac(auth, 'req', sid, String(n), method, target)

const hmac = (key: Uint8Array, message: Uint8Array): Uint8Array =>
  new Uint8Array(createHmac('sha256', key).update(message).digest())
