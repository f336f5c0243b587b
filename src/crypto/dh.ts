/** Diffie-Hellman in one fixed group: RFC 3526 group 15, 3072 bits, a safe prime, generator 2. There is no negotiation. */
import { createDiffieHellmanGroup, createPrivateKey, createPublicKey, diffieHellman } from 'node:crypto'
import { equalBytes } from '../bytes.ts'
import { BadHandshake } from '../errors.ts'
import { jacobi, toBytes, toInteger } from './bigint.ts'

/** The name of the group in messages and in the transcript. */
export const GROUP = 'modp15'

/** Length of public values and of the secret. */
export const DH_BYTES = 384

/**
 * The prime of RFC 3526, section 4, as this computer's own library has it (a test computes it from the RFC's formula).
 * p and g never come from the network: with a pair OpenSSL does not know it looks for primality, for seconds.
 */
export const PRIME: bigint = toInteger(createDiffieHellmanGroup(GROUP).getPrime())

/** A key pair: the exponent as OpenSSL chose it (some 35 bytes, big-endian), the public value always padded to 384 bytes. */
export interface DhKeyPair {
  readonly privateKey: Uint8Array
  readonly publicKey: Uint8Array
}

/** Make a key pair, 0.7-1.4 ms. OpenSSL strips leading zeroes of public values (7 of 1500 for 64 bytes), hence the padding. */
export const generateDh = (): DhKeyPair => {
  const group = createDiffieHellmanGroup(GROUP)
  const publicKey = toBytes(toInteger(group.generateKeys()), DH_BYTES)
  const exponent = group.getPrivateKey()
  const privateKey = new Uint8Array(exponent)
  exponent.fill(0)
  return { privateKey, publicKey }
}

/**
 * Check a received public value, cheap checks first: exactly 384 bytes, 2 <= Y <= p - 2, and a quadratic residue.
 * (RFC 2631, 2.1.5; PROTOCOL.md, "Handshake".) The last check is ours to make: OpenSSL accepts p - 2, which lies outside
 * the subgroup of prime order that 2 generates.
 * @throws BadHandshake
 */
export const checkPublicValue = (value: Uint8Array): void => {
  if (value.length !== DH_BYTES) throw new BadHandshake()
  const y = toInteger(value)
  if (y < 2n || y > PRIME - 2n || jacobi(y, PRIME) !== 1) throw new BadHandshake()
}

/**
 * The shared secret Z = Y^x mod p, always 384 bytes: one that shows its leading zeroes by its length is the Raccoon attack.
 * The private key is bytes and no object of OpenSSL because it travels to a worker thread. Measured with Node 26 (OpenSSL 3.5):
 * by key objects 1.7-2.8 ms and no test of the group; `createDiffieHellman(p, 2)`, which Node 20 recognised in 0.2 ms,
 * tests the prime for 3.5 s there.
 * @param privateKey - big-endian exponent.
 * @param peerPublic - a value that passed `checkPublicValue`.
 * @throws BadHandshake when OpenSSL refuses the value, or Z = 1.
 */
export const sharedSecret = (privateKey: Uint8Array, peerPublic: Uint8Array): Uint8Array => {
  const secret = padded(derive(privateKey, peerPublic))
  if (equalBytes(secret, ONE)) throw new BadHandshake()
  return secret
}

const ONE = toBytes(1n, DH_BYTES)

const derive = (privateKey: Uint8Array, peerPublic: Uint8Array): Buffer => {
  const encodedKey = encodePrivate(privateKey)
  try {
    return diffieHellman({
      privateKey: createPrivateKey({ key: encodedKey, format: 'der', type: 'pkcs8' }),
      publicKey: createPublicKey({ key: encodePublic(peerPublic), format: 'der', type: 'spki' }),
    })
  } catch (cause) {
    throw new BadHandshake({ cause })
  } finally {
    encodedKey.fill(0)
  }
}

/** Left-padded to 384 bytes, whatever the library did; the source is wiped. */
const padded = (bytes: Buffer): Uint8Array => {
  const out = new Uint8Array(DH_BYTES)
  out.set(bytes, DH_BYTES - bytes.length)
  bytes.fill(0)
  return out
}

// DER (X.690) of PKCS #3 keys: an integer is signed, minimal, big-endian.
const INTEGER = 0x02
const BIT_STRING = 0x03
const OCTET_STRING = 0x04
const SEQUENCE = 0x30
const DH_KEY_AGREEMENT = Buffer.from('06092a864886f70d010301', 'hex')

const der = (tag: number, ...content: readonly Uint8Array[]): Buffer => {
  const length = content.reduce((sum, part) => sum + part.length, 0)
  const head = length < 0x80 ? [tag, length] : [tag, 0x82, length >> 8, length & 0xff]
  return Buffer.concat([Uint8Array.from(head), ...content])
}

const derInteger = (bytes: Uint8Array): Buffer => {
  const first = bytes.findIndex((byte) => byte !== 0)
  const minimal = first < 0 ? Uint8Array.of(0) : bytes.subarray(first)
  return (minimal[0] ?? 0) < 0x80 ? der(INTEGER, minimal) : der(INTEGER, Uint8Array.of(0), minimal)
}

const ALGORITHM = der(
  SEQUENCE,
  DH_KEY_AGREEMENT,
  der(SEQUENCE, derInteger(toBytes(PRIME, DH_BYTES)), derInteger(Uint8Array.of(2))),
)

const encodePrivate = (privateKey: Uint8Array): Buffer => {
  const integer = derInteger(privateKey)
  const encoded = der(SEQUENCE, derInteger(Uint8Array.of(0)), ALGORITHM, der(OCTET_STRING, integer))
  integer.fill(0)
  return encoded
}

const encodePublic = (publicKey: Uint8Array): Buffer =>
  der(SEQUENCE, ALGORITHM, der(BIT_STRING, Uint8Array.of(0), derInteger(publicKey)))
