/** Bytes and their texts: hex, base64url with one spelling per value, length-prefixed joining, comparison in constant time. */
import { timingSafeEqual } from 'node:crypto'

const encoder = new TextEncoder()
const HEX = /^(?:[0-9a-f]{2})*$/

/** The UTF-8 bytes of a text, without a terminator. */
export const utf8 = (text: string): Uint8Array => encoder.encode(text)

/** Lower-case hexadecimal. */
export const toHex = (bytes: Uint8Array): string => view(bytes).toString('hex')

/** Bytes of a lower-case hexadecimal text; undefined for any other spelling. */
export const fromHex = (text: string): Uint8Array | undefined =>
  HEX.test(text) ? new Uint8Array(Buffer.from(text, 'hex')) : undefined

/** base64url without padding (RFC 4648, section 5). */
export const toB64u = (bytes: Uint8Array): string => view(bytes).toString('base64url')

/**
 * Bytes of a base64url text of exactly `length` bytes.
 * Node decodes leniently, so the result is written again and compared: one spelling per value.
 * @returns undefined for another length or another spelling.
 */
export const fromB64u = (text: string, length: number): Uint8Array | undefined => {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.length === length && bytes.toString('base64url') === text ? new Uint8Array(bytes) : undefined
}

/** One run of bytes after the other. */
export const concat = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts))

/** For each field its length as 4 bytes big-endian, then its bytes. A text field is its UTF-8 bytes. */
export const lengthPrefixed = (...fields: readonly (Uint8Array | string)[]): Uint8Array => {
  const all = fields.map((field) => (typeof field === 'string' ? utf8(field) : field))
  const out = Buffer.alloc(all.reduce((sum, field) => sum + 4 + field.length, 0))
  let at = 0
  for (const field of all) {
    at = out.writeUInt32BE(field.length, at)
    out.set(field, at)
    at += field.length
  }
  return new Uint8Array(out.buffer, out.byteOffset, out.length)
}

/** Compare in a time that depends on the lengths only. */
export const equalBytes = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && timingSafeEqual(a, b)

/**
 * Give the memory of bytes back now, which nobody will look at any more: what ciphers and sockets make is outside of the heap, and
 * every 8 MiB of it a collector goes through the whole heap (measured: half of the processor time of a transfer).
 * Does nothing unless they are all of their buffer.
 */
export const free = ({ buffer, byteLength }: Uint8Array): void => {
  if (byteLength > 0 && buffer instanceof ArrayBuffer && byteLength === buffer.byteLength && !buffer.detached)
    buffer.transfer(0)
}

const view = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
