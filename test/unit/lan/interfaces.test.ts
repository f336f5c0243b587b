import type { NetworkInterfaceInfo } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import {
  isOwnAddress,
  type LanAddress,
  lanAddresses,
  ownHosts,
  spell,
  watchAddresses,
} from '../../../src/lan/interfaces.ts'
import { until } from '../../helpers/api.ts'

const of = (address: string, prefix: number | null, internal = false): NetworkInterfaceInfo => {
  const common = { address, netmask: '', mac: '', internal, cidr: prefix === null ? null : `${address}/${prefix}` }
  return address.includes(':') ? { ...common, family: 'IPv6', scopeid: 0 } : { ...common, family: 'IPv4' }
}

const READ = () => ({
  wlan0: [of('fe80::2', 64), of('fd77::2', 64), of('192.168.1.7', 24)],
  lo: [of('127.0.0.1', 8, true), of('::1', 128, true)],
  eth0: [of('10.0.0.20', 8), of('FD77:0:0::0009', 64), of('10.0.0.10', null)],
  gone: undefined,
})

test('only what others can reach is listed, in one order', () => {
  const expected: readonly LanAddress[] = [
    { name: 'eth0', address: '10.0.0.10', family: 'IPv4', prefix: 32 },
    { name: 'eth0', address: '10.0.0.20', family: 'IPv4', prefix: 8 },
    { name: 'eth0', address: 'fd77::9', family: 'IPv6', prefix: 64 },
    { name: 'wlan0', address: '192.168.1.7', family: 'IPv4', prefix: 24 },
    { name: 'wlan0', address: 'fd77::2', family: 'IPv6', prefix: 64 },
  ]
  expect(lanAddresses(READ)).toEqual(expected)
  const turned = () =>
    Object.fromEntries(
      Object.entries(READ())
        .reverse()
        .map(([name, all]) => [name, all?.toReversed()]),
    )
  expect(lanAddresses(turned)).toEqual(expected)
})

test('the addresses of this very computer can be read', () => {
  for (const { address } of lanAddresses()) expect(isOwnAddress(address)).toBe(true)
})

test.each([
  ['10.0.0.1', '10.0.0.1'],
  ['::ffff:10.0.0.1', '10.0.0.1'],
  ['[::FFFF:A00:1]', '10.0.0.1'],
  ['0:0:0:0:0:ffff:0a00:0001', '10.0.0.1'],
  ['0x7f.1', '127.0.0.1'],
  ['FE80:0::1%eth0', 'fe80::1'],
  ['[2001:DB8::0:1]', '2001:db8::1'],
  ['LocalHost', 'localhost'],
  ['no address', 'no address'],
  ['', ''],
])('%s is spelled %s', (host, spelled) => {
  expect(spell(host)).toBe(spelled)
})

test('an own address is one in every spelling', () => {
  const own = ownHosts(READ)
  const ours = [
    ...['127.0.0.1', '127.8.9.1', '127.1', '0.0.0.0', 'localhost', '::1', '[::1]', '::', '0:0:0:0:0:0:0:1'],
    ...['::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:10.0.0.10', '[::ffff:a00:a]', 'fd77:0:0:0:0:0:0:2', 'FD77::9'],
    ...['fe80::2%wlan0', '192.168.1.7'],
  ]
  for (const host of ours) expect([host, isOwnAddress(host, own)]).toEqual([host, true])
  const others = ['10.0.0.1', '127.example.org', '0.example.org', 'fd77::1', '::ffff:10.0.0.1', 'localhost.example', '']
  for (const host of others) expect([host, isOwnAddress(host, own)]).toEqual([host, false])
})

test('the addresses are told at once, and again when they have changed, one after the other', async () => {
  let present: ReturnType<typeof READ> | Record<string, NetworkInterfaceInfo[]> = READ()
  let looks = 0
  const told: number[] = []
  const stopping = new AbortController()
  let running = 0
  const watching = watchAddresses({
    everyMs: 1,
    signal: stopping.signal,
    read: () => {
      looks += 1
      // A system that does not answer has not lost its addresses.
      if (looks % 3 === 0) throw new Error('not now')
      return present
    },
    onChange: async (addresses) => {
      running += 1
      expect(running).toBe(1)
      told.push(addresses.length)
      await sleep(5)
      running -= 1
    },
  })
  await until(
    async () => looks,
    (count) => count > 10,
  )
  expect(told).toEqual([5])
  present = { eth0: [of('10.0.0.20', 8)] }
  await until(
    async () => told.length,
    (count) => count === 2,
  )
  present = {}
  await until(
    async () => told.length,
    (count) => count === 3,
  )
  expect(told).toEqual([5, 1, 0])
  stopping.abort()
  await watching
  const before = looks
  await sleep(20)
  expect(looks).toBe(before)
})
