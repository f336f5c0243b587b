/** A node's identity: an Ed25519 key (RFC 8032) and the BBS modulus that goes with it; signatures by and of identities. */
import {
  createPrivateKey,
  createPublicKey,
  sign as edSign,
  verify as edVerify,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import { toHex } from '../bytes.ts'
import { checkModulus, generateModulus } from './bbs.ts'
import { toInteger } from './bigint.ts'
import { hash, labelled } from './keys.ts'

const ID_BYTES = 32
const SEED_BYTES = 32
const SIGNATURE_BYTES = 64

/** What a node is: `id` (32 bytes) is public, `seed` (32 bytes) never leaves it, `modulus` is 384 bytes and public. */
export interface Identity {
  readonly id: Uint8Array
  readonly seed: Uint8Array
  readonly modulus: Uint8Array
}

/** Make an identity, once in a node's life; the modulus takes some 0.2-2 s. */
export const generateIdentity = async (): Promise<Identity> =>
  identityFrom(new Uint8Array(randomBytes(SEED_BYTES)), await generateModulus())

/**
 * The identity of a stored seed and modulus.
 * @throws RangeError when either could not have been made here: no peer would take it.
 */
export const identityFrom = (seed: Uint8Array, modulus: Uint8Array): Identity => {
  if (seed.length !== SEED_BYTES) throw new RangeError('an identity seed has 32 bytes')
  if (!checkModulus(modulus)) throw new RangeError('the stored modulus fails the checks')
  const spki = createPublicKey(privateKey(seed)).export({ format: 'der', type: 'spki' })
  return { id: new Uint8Array(spki.subarray(-ID_BYTES)), seed, modulus }
}

/**
 * Can this be the id of a node? Refuses other lengths, encodings that are not canonical, and every point of order 1, 2, 4 or 8:
 * for those a signature can be made that holds for many messages, or for all, and OpenSSL accepts it.
 */
export const checkId = (id: Uint8Array): boolean => {
  if (id.length !== ID_BYTES) return false
  const y = littleEndian(id)
  return y < FIELD && !SMALL_ORDER.has(y)
}

/**
 * S: the 64-byte signature of label and fields by the node with this seed.
 * @throws RangeError for a seed of another length than 32.
 */
export const sign = (seed: Uint8Array, label: string, ...fields: readonly (Uint8Array | string)[]): Uint8Array => {
  if (seed.length !== SEED_BYTES) throw new RangeError('an identity seed has 32 bytes')
  return new Uint8Array(edSign(null, labelled(label, ...fields), privateKey(seed)))
}

/** Was this signed by the node `id`? Anything malformed, and any weak id, is simply false. */
export const verify = (
  id: Uint8Array,
  signature: Uint8Array,
  label: string,
  ...fields: readonly (Uint8Array | string)[]
): boolean =>
  signature.length === SIGNATURE_BYTES &&
  checkId(id) &&
  edVerify(null, labelled(label, ...fields), publicKey(id), signature)

/** What people compare: 64 hex characters of H("id", id). */
export const fingerprint = (id: Uint8Array): string => toHex(hash('id', id))

/** y coordinate of an encoded point (RFC 8032, 5.1.2): little-endian, the top bit is the sign of x. */
const littleEndian = (id: Uint8Array): bigint => BigInt.asUintN(255, toInteger(Uint8Array.from(id).reverse()))

const FIELD = (1n << 255n) - 19n

/** y of all points of small order; the last two have order 8. */
const SMALL_ORDER: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  FIELD - 1n,
  littleEndian(Buffer.from('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05', 'hex')),
  littleEndian(Buffer.from('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a', 'hex')),
])

/** Keep what `make` made for the last `limit` keys: importing costs as much as half a signature. */
const remembered = (limit: number, make: (raw: Uint8Array) => KeyObject): ((raw: Uint8Array) => KeyObject) => {
  const known = new Map<string, KeyObject>()
  return (raw) => {
    const name = toHex(raw)
    const key = known.get(name) ?? make(raw)
    known.delete(name)
    known.set(name, key)
    for (const oldest of known.keys()) {
      if (known.size <= limit) break
      known.delete(oldest)
    }
    return key
  }
}

// DER of an Ed25519 key up to the raw 32 bytes (RFC 8410). A seed lives as long as its node, so remembering it reveals nothing more.
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

const privateKey = remembered(8, (seed) => {
  const key = Buffer.concat([PKCS8_PREFIX, seed])
  const imported = createPrivateKey({ key, format: 'der', type: 'pkcs8' })
  key.fill(0)
  return imported
})

const publicKey = remembered(256, (id) =>
  createPublicKey({ key: Buffer.concat([SPKI_PREFIX, id]), format: 'der', type: 'spki' }),
)
