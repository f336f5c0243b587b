import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addressOf } from '../../../src/discovery/ports.ts'
import { addressAt, isForOthers, isOnThisComputer, partsOf } from '../../../src/protocol/addresses.ts'

const port = fc.integer({ min: 1, max: 65_535 })
const byte = fc.integer({ min: 0, max: 255 })
const hex = (bytes: readonly number[]): string => bytes.map((one) => one.toString(16).padStart(2, '0')).join('')

/** All the ways in which an IPv4 address may come along. */
const spellings = ([a, b, c, d]: readonly number[]): readonly string[] => {
  const bytes = [a, b, c, d].map((one) => one ?? 0)
  const dotted = bytes.join('.')
  const [high, low] = [hex(bytes.slice(0, 2)), hex(bytes.slice(2))]
  return [dotted, `::ffff:${dotted}`, `::FFFF:${dotted}`, `0:0:0:0:0:ffff:${dotted}`, `::ffff:${high}:${low}`]
}

test.each([
  'localhost',
  'a.localhost',
  '127.0.0.1',
  '127.1.2.3',
  '0.0.0.0',
  '::1',
  '::',
  '0:0:0:0:0:0:0:1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '::ffff:0.0.0.0',
])('%s is this computer to everybody', (host) => {
  expect(isOnThisComputer(addressAt(host, 5000))).toBe(true)
  expect(isForOthers(addressAt(host, 5000))).toBe(false)
})

test.each(['10.0.0.1', '126.255.255.255', '128.0.0.1', '0.0.0.1', '::2', 'fd00::1', '::ffff:8000:1', '7f00::1'])(
  '%s is the same computer to everybody',
  (host) => {
    expect(isOnThisComputer(addressAt(host, 5000))).toBe(false)
    expect(isForOthers(addressAt(host, 5000))).toBe(true)
  },
)

test.each(['ben-pc.local', 'localhost.evil.example', 'notlocalhost'])('what %s means, everybody looks up', (host) => {
  expect(isOnThisComputer(addressAt(host, 5000))).toBe(false)
  expect(isForOthers(addressAt(host, 5000))).toBe(false)
})

test('127.0.0.0/8 and 0.0.0.0 are this computer in every spelling, and no other IPv4 address is', () => {
  const any = fc.oneof(fc.tuple(fc.constant(127), byte, byte, byte), fc.tuple(byte, byte, byte, byte))
  fc.assert(
    fc.property(any, port, (bytes, at) => {
      const here = bytes[0] === 127 || bytes.every((one) => one === 0)
      for (const host of spellings(bytes)) {
        const address = addressAt(host, at)
        expect([address, isOnThisComputer(address)]).toEqual([address, here])
        expect(isOnThisComputer(addressOf(address) ?? '')).toBe(here)
      }
    }),
  )
})

test('host and port come back from an address as they went in', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()), port, (host, at) => {
      expect(partsOf(addressAt(host, at))).toEqual({ host, port: at })
    }),
  )
})
