/**
 * The generator of Blum, Blum and Shub (SIAM J. Comput. 15, 1986): x_i = x_(i-1)^2 mod N, one bit a squaring.
 *
 * What it adds: nothing that HKDF does not already give. Its seed is a uniformly random HKDF output that both ends know, so
 * drawing 256 bits from it adds no entropy, and the hardness of factoring protects nothing between them. The provable statement
 * is weak at real sizes (Sidorenko and Schoenmakers 2005: about 2^90 work for 3072 bits). It stands between DH and AES because
 * the design asks for it; keys.ts XORs its output with an independent HKDF output, so that a weak, wrong or malicious
 * modulus never makes a session weaker than DH with HKDF. BigInt squaring does not run in constant time.
 */
import { checkPrime, generatePrime } from 'node:crypto'
import { gcd, isSquare, toBytes, toInteger } from './bigint.ts'

/** Length of a modulus: 3072 bits, the top one set. */
export const MODULUS_BYTES = 384

const PRIME_BITS = (MODULUS_BYTES * 8) / 2
/** A larger common divisor of (p-3)/2 and (q-3)/2 would build short cycles in. */
const COMMON_DIVISOR_LIMIT = 1n << 20n
/** Moduli with a prime factor below this come from a broken generator. */
const SMALL_FACTOR_LIMIT = 2000

const newPrime = (): Promise<bigint> =>
  new Promise((resolve, reject) =>
    generatePrime(PRIME_BITS, { add: 4n, rem: 3n, bigint: true }, (error, prime) =>
      error ? reject(error) : resolve(prime),
    ),
  )

/**
 * Make a modulus of one's own: p = q = 3 mod 4, 1536 bits each, N of exactly 3072 bits. Some 0.2-2 s in the thread pool.
 * p and q are dropped: squaring needs only N, and whoever knows them can run the generator backwards.
 */
export const generateModulus = async (): Promise<Uint8Array> => {
  for (;;) {
    const [p, q] = await Promise.all([newPrime(), newPrime()])
    const modulus = p * q
    if (p === q || modulus >> BigInt(MODULUS_BYTES * 8 - 1) !== 1n) continue
    if (gcd((p - 3n) / 2n, (q - 3n) / 2n) < COMMON_DIVISOR_LIMIT) return toBytes(modulus, MODULUS_BYTES)
  }
}

/**
 * The checks of a modulus that cost next to nothing (under 0.1 ms): exactly 3072 bits, 1 mod 4, no prime factor below 2000, not a square.
 * They cap the work and catch a broken generator early. They do not show that N has two prime factors, that both are
 * 3 mod 4, or that nobody knows them; no secrecy rests on them. (PROTOCOL.md, "Handshake".)
 */
export const checkModulus = (modulus: Uint8Array): boolean => {
  const first = modulus[0] ?? 0
  const last = modulus[MODULUS_BYTES - 1] ?? 0
  if (modulus.length !== MODULUS_BYTES || first < 0x80 || last % 4 !== 1) return false
  const value = toInteger(modulus)
  return !hasSmallFactor(value) && !isSquare(value)
}

/** True when the modulus is a prime: 8 ms in the thread pool, once per modulus and off the path of requests. */
export const isPrimeModulus = (modulus: Uint8Array): Promise<boolean> =>
  new Promise((resolve, reject) => checkPrime(modulus, (error, prime) => (error ? reject(error) : resolve(prime))))

/**
 * Draw bits: x_0 = seed^2 mod N, then bit i is the lowest bit of x_i, i = 1, 2, ..
 * 256 bits with 3072-bit N cost 2-5 ms.
 * @param seed - 1 < seed < N - 1, no common factor with N.
 * @returns ceil(bits / 8) bytes; bit 1 is the highest bit of byte 0; bits of the last byte that were not asked for are 0.
 */
export const drawBits = (seed: bigint, modulus: bigint, bits: number): Uint8Array => {
  const out = new Uint8Array(Math.ceil(bits / 8))
  let state = (seed * seed) % modulus
  for (let i = 0; i < bits; i++) {
    state = (state * state) % modulus
    if ((state & 1n) === 1n) out[i >> 3] = (out[i >> 3] ?? 0) | (0x80 >> (i & 7))
  }
  return out
}

const isSmallPrime = (n: number): boolean => {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false
  return n > 1
}

/** Primes in groups with a product below 2^53: one long division a group, the rest in plain numbers. */
const PRIME_GROUPS = ((): readonly { product: bigint; primes: readonly number[] }[] => {
  const groups: { product: number; primes: number[] }[] = []
  for (let n = 2; n < SMALL_FACTOR_LIMIT; n++) {
    if (!isSmallPrime(n)) continue
    const current = groups.at(-1)
    if (current && current.product * n <= Number.MAX_SAFE_INTEGER) {
      current.product *= n
      current.primes.push(n)
    } else groups.push({ product: n, primes: [n] })
  }
  return groups.map(({ product, primes }) => ({ product: BigInt(product), primes }))
})()

const hasSmallFactor = (value: bigint): boolean =>
  PRIME_GROUPS.some(({ product, primes }) => {
    const rest = Number(value % product)
    return primes.some((prime) => rest % prime === 0)
  })
