import { expect, test } from 'vitest'
import { diagnose } from '../../../src/doctor/diagnose.ts'
import type { Facts, Look } from '../../../src/doctor/facts.ts'
import { sameNetwork } from '../../../src/doctor/subnet.ts'

const WELL: Facts = {
  on: true,
  platform: 'linux',
  port: 5_000,
  interfaces: [{ name: 'eth0', address: '192.168.1.5', prefix: 24 }],
  addresses: ['192.168.1.5:5000'],
  failed: [],
  multicast: [{ address: '192.168.1.5', sent: 9, heard: 4 }],
  looks: [],
  reverse: [{ name: 'Ben', address: '192.168.1.6:5000', reached: true }],
  blocked: [],
  here: 1,
}
const codes = (facts: Partial<Facts>) => diagnose({ ...WELL, ...facts }).map(({ level, code }) => `${level} ${code}`)
const look = (came: Look['came'], more: Partial<Look> = {}): Partial<Facts> => ({
  looks: [{ address: '192.168.1.7:5000', because: 'typed', came, ...more }],
})

test('where all is well, it says so and asks for nothing', () => {
  expect(codes({})).toEqual(['ok listening', 'ok reachable', 'ok multicast', 'ok others'])
  expect(diagnose(WELL).every(({ text }) => text === '')).toBe(true)
})

test.each<[string, Partial<Facts>, string]>([
  ['not joined', { on: false, addresses: [], multicast: [], reverse: [] }, 'no lan-off'],
  ['no cable', { interfaces: [], addresses: [], multicast: [], reverse: [], here: 0 }, 'no no-network'],
  [
    'a port that is taken',
    { addresses: [], failed: [{ address: '192.168.1.5', code: 'EADDRINUSE' }] },
    'no cannot-listen',
  ],
  ['somebody the person blocked', { blocked: [{ name: 'Chloé', address: '192.168.1.7:5000' }] }, 'care blocked'],
  ['a firewall here', { reverse: [{ name: 'Ben', address: '192.168.1.6:5000', reached: false }] }, 'no firewall'],
  [
    'nobody heard, nobody here',
    { multicast: [{ address: '192.168.1.5', sent: 9, heard: 0 }], here: 0 },
    'no multicast-silent',
  ],
  [
    'nobody heard, but somebody here',
    { multicast: [{ address: '192.168.1.5', sent: 9, heard: 0 }] },
    'care multicast-silent',
  ],
  [
    'nothing can be sent',
    { multicast: [{ address: '192.168.1.5', sent: 0, heard: 0, error: 'EPERM' }] },
    'care multicast-error',
  ],
  ['portmesh does not run there', look('refused'), 'no refused'],
  ['asleep', look('silent'), 'no silent'],
  ['no way there', look('unreachable'), 'no unreachable'],
  ['in another network', look('silent', { address: '10.0.0.7:5000' }), 'no other-network'],
  ['a name nobody knows', look('name', { address: 'bens-pc:5000' }), 'no name'],
  ['another program', look('other'), 'no other-program'],
  ['another version', look('version'), 'no other-version'],
  ['blocked there', look('handshake'), 'no handshake'],
  ['a wrong clock', look('node', { clockAheadMs: 3_600_000 }), 'care clock'],
  ['a VPN', { interfaces: [...WELL.interfaces, { name: 'wg0', address: '10.9.0.2', prefix: 32 }] }, 'care vpn'],
])('%s', (_what, facts, expected) => {
  const found = diagnose({ ...WELL, ...facts })
  expect(codes(facts)).toContain(expected)
  // Whatever is wrong comes first, and says what to do.
  expect(found[0]?.level).toBe(expected.split(' ')[0])
  for (const { level, text } of found) if (level !== 'ok') expect(text).not.toBe('')
})

test('just asked, and nobody heard yet, is no trouble', () => {
  expect(codes({ multicast: [{ address: '192.168.1.5', sent: 1, heard: 0 }], here: 0, reverse: [] })).toEqual([
    'ok listening',
  ])
})

test.each([
  ['192.168.1.5', 24, '192.168.1.200', true],
  ['192.168.1.5', 24, '192.168.2.1', false],
  ['10.0.0.1', 8, '10.200.3.4', true],
  ['fd00::1', 64, 'fd00::ffff', true],
  ['fd00::1', 64, 'fd01::1', false],
  ['192.168.1.5', 24, 'fd00::1', false],
  ['192.168.1.5', 24, 'bens-pc', true],
])('%s/%i and %s', (address, prefix, host, same) => {
  expect(sameNetwork({ address, prefix }, host)).toBe(same)
})
