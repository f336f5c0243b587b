/** Big integers: bytes and back, the Jacobi symbol, greatest common divisor, perfect squares. None of it runs in constant time. */

/** The value of big-endian bytes; no bytes are 0. */
export const toInteger = (bytes: Uint8Array): bigint =>
  bytes.length === 0 ? 0n : BigInt(`0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`)

/**
 * Big-endian bytes of exactly `length`, zeroes on the left: a stripped zero would be a length that leaks (Raccoon, CVE-2020-1968).
 * @throws RangeError when the value is negative or needs more bytes.
 */
export const toBytes = (value: bigint, length: number): Uint8Array => {
  const hex = value.toString(16).padStart(2 * length, '0')
  if (value < 0n || hex.length > 2 * length) throw new RangeError(`the integer does not fit in ${length} bytes`)
  return new Uint8Array(Buffer.from(hex, 'hex'))
}

/**
 * The Jacobi symbol (a / n); for a prime n the Legendre symbol, +1 exactly for the non-zero squares.
 * Binary algorithm (Cohen, A Course in Computational Algebraic Number Theory, 1.4.10, generalised): 0.3-0.6 ms for 3072 bits.
 * @param n - odd and positive.
 * @returns 1, -1, or 0 when a and n have a common factor.
 */
export const jacobi = (a: bigint, n: bigint): 1 | 0 | -1 => {
  if (n <= 0n || (n & 1n) === 0n) throw new RangeError('the Jacobi symbol needs an odd positive modulus')
  let top = ((a % n) + n) % n
  let bottom = n
  let negative = false
  while (top !== 0n) {
    const twos = trailingZeroes(top)
    top >>= BigInt(twos)
    const low = lowBits(bottom)
    if (twos % 2 === 1 && (low % 8 === 3 || low % 8 === 5)) negative = !negative
    if (low % 4 === 3 && lowBits(top) % 4 === 3) negative = !negative
    const rest = bottom % top
    bottom = top
    top = rest
  }
  if (bottom !== 1n) return 0
  return negative ? -1 : 1
}

/** Greatest common divisor of two integers that are not negative (Euclid). */
export const gcd = (a: bigint, b: bigint): bigint => {
  let [x, y] = [a, b]
  while (y !== 0n) [x, y] = [y, x % y]
  return x
}

/** True for 0, 1, 4, 9, ..: by Newton's iteration, after a look at the last six bits, which settles 52 of 64 numbers. */
export const isSquare = (value: bigint): boolean => {
  if (value < 0n || !SQUARES_MOD_64.has(lowBits(value) % 64)) return false
  const root = squareRoot(value)
  return root * root === value
}

const SQUARES_MOD_64: ReadonlySet<number> = new Set(Array.from({ length: 64 }, (_, i) => (i * i) % 64))

/** The low 16 bits as a number: arithmetic on small BigInts is slow. */
const lowBits = (value: bigint): number => Number(BigInt.asUintN(16, value))

const trailingZeroes = (value: bigint): number => {
  let zeroes = 0
  let rest = value
  while (lowBits(rest) === 0) {
    rest >>= 16n
    zeroes += 16
  }
  return zeroes + (31 - Math.clz32(lowBits(rest) & -lowBits(rest)))
}

/** The integer part of the square root: start above it, go down until it stops. */
const squareRoot = (value: bigint): bigint => {
  if (value < 2n) return value
  let root = 1n << BigInt((value.toString(16).length * 4 + 1) >> 1)
  for (;;) {
    const next = (root + value / root) >> 1n
    if (next >= root) return root
    root = next
  }
}
