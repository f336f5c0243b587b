import { createRequire } from 'node:module'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressOf, blockedByBrowsers, parsePorts } from '../../../src/discovery/ports.ts'

describe('parsePorts', () => {
  it('reads candidates in order and addresses apart from them', () => {
    expect(parsePorts('5002\n127.0.0.1:5001\n5000\nlaptop.local:80\n')).toEqual({
      candidates: [5002, 5000],
      addresses: ['127.0.0.1:5001', 'laptop.local:80'],
    })
  })

  it('skips blank lines and comments, and bears CRLF, CR, a byte order mark and spaces', () => {
    const text = '\ufeff# ports\r\n\r\n  5000  \r\n\t5001\t# mine\r\n   # 5002\r5003'
    expect(parsePorts(text).candidates).toEqual([5000, 5001, 5003])
  })

  it('counts duplicates once, however they are written', () => {
    const text = '5000\n5000\n[::1]:5001\n[0:0::1]:5001\nLaptop:5001\nlaptop:5001\n'
    expect(parsePorts(text)).toEqual({ candidates: [5000], addresses: ['[::1]:5001', 'laptop:5001'] })
  })

  it('never makes a candidate of an address, though both may be listed', () => {
    expect(parsePorts('5000\n127.0.0.1:5000')).toEqual({ candidates: [5000], addresses: ['127.0.0.1:5000'] })
  })

  it('takes the first and the last port there is', () => {
    expect(parsePorts('1\n65535').candidates).toEqual([1, 65_535])
  })

  it.each([
    '0',
    '65536',
    '99999',
    '100000',
    '-1',
    '+5000',
    '05000',
    '5e3',
    '0x1388',
    '5000.0',
    '50x0',
    '5 000',
    '5000,5001',
    '٥٠٠٠',
    '５０００',
    '5000#mine',
    ':5000',
    'host',
    'host:',
    'host:0',
    'host:65536',
    'http://host:5000',
    'host:5000/',
    'user@host:5000',
    'ho st:5000',
    '::1:5001',
    '[::1]',
    '[::1]:',
    '[::1:5001',
    '[1.2.3.4]:5000',
    '[fe80::1%eth0]:5000',
    '[::g]:5000',
    '1.2.3:5000',
    '256.1.1.1:5000',
    '0x7f.1:5000',
    '127.1:80',
    '-host:5000',
    'host-:5000',
    'a..b:5000',
    `${'a'.repeat(64)}:5000`,
    `${'a.'.repeat(127)}a:5000`,
  ])('ends the start at %s', (line) => {
    const read = () => parsePorts(`5000\n\n${line}\n`)
    expect(read).toThrow(expect.objectContaining({ code: 'PM_CANNOT_START' }))
    expect(read).toThrow(/^ports\.txt, line 3: "/)
  })

  it('names the file and the line, with a text that cannot harm a terminal', () => {
    expect(() => parsePorts('50x0', '/home/ana/my-ports')).toThrow(
      '/home/ana/my-ports, line 1: "50x0" is not a port (1-65535) and not an address like 127.0.0.1:5001',
    )
    expect(() => parsePorts('\u001b[2J\u202e\u009b')).toThrow('line 1: "\ufffd[2J\ufffd\ufffd" is not')
    expect(() => parsePorts('x'.repeat(5_000))).toThrow(`"${'x'.repeat(40)}..." is not`)
  })

  it.each(['', '\n\n', '# nothing\n', '127.0.0.1:5001\n'])(
    'ends the start when no port is left to claim: %j',
    (text) => {
      expect(() => parsePorts(text)).toThrow('ports.txt names no port for this node')
    },
  )

  it('gives every text either ports or one sentence', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'0123456789:.[]#ab \n\r\t\ufeff\u001b') }), (text) => {
        try {
          const { candidates } = parsePorts(text)
          expect(candidates.every((port) => port >= 1 && port <= 65_535)).toBe(true)
        } catch (error) {
          expect(error).toMatchObject({ code: 'PM_CANNOT_START' })
          expect(String(error)).not.toContain('\u001b')
        }
      }),
    )
  })
})

describe('addressOf', () => {
  it('keeps one spelling', () => {
    expect(addressOf('LAPTOP.Local:5001')).toBe('laptop.local:5001')
    expect(addressOf('[FE80:0:0::1]:5001')).toBe('[fe80::1]:5001')
    expect(addressOf('my_host:1')).toBe('my_host:1')
  })
})

describe('blockedByBrowsers', () => {
  it('is the list that fetch goes by, no more and no less', () => {
    const standard: unknown = createRequire(import.meta.url)('undici/lib/web/fetch/constants.js')
    const { badPorts } = standard as { readonly badPorts: readonly string[] }
    const blocked = Array.from({ length: 65_535 }, (_, index) => index + 1).filter(blockedByBrowsers)
    expect(blocked.map(String)).toEqual(badPorts)
  })

  it('lets the usual ports of portmesh through', () => {
    for (let port = 5000; port < 5010; port += 1) expect(blockedByBrowsers(port)).toBe(false)
  })
})
