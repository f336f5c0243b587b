import { type Answer, type DecodedPacket, decode, encode, type Packet } from 'dns-packet'
import { expect, test } from 'vitest'
import { announcement, asksFor, isReachable, question, SERVICE, sightings } from '../../../src/lan/mdns-records.ts'

const ID = '0123456789abcdef'.repeat(4)
const NAME = `0123456789abcdef.${SERVICE}`
const TARGET = 'portmesh-0123456789abcdef.local'
const SELF = { id: ID, port: 5_000 }

const sent = (packet: Packet): DecodedPacket => decode(encode(packet))
const response = (...answers: Answer[]): DecodedPacket => ({ ...sent(question()), type: 'response', answers })

const ptr = (data: string, ttl = 120): Answer => ({ name: SERVICE, type: 'PTR', ttl, data })
const srv = (name: string, port: number, target = TARGET): Answer => ({ name, type: 'SRV', data: { port, target } })
const txt = (name: string, ...data: string[]): Answer => ({ name, type: 'TXT', data })
const a = (data: string, name = TARGET): Answer => ({ name, type: data.includes(':') ? 'AAAA' : 'A', data })

test('what is announced is what is seen', () => {
  const hosts = ['10.0.0.1', 'fd77::1']
  expect(sightings(sent(announcement(SELF, hosts)))).toEqual([{ ...SELF, hosts, leaving: false }])
  expect(sightings(sent(announcement(SELF, hosts, true)))).toEqual([{ ...SELF, hosts, leaving: true }])
  expect(sightings(sent(question()))).toEqual([])
})

test('an announcement is as the protocol says', () => {
  const { answers = [], flag_aa } = sent(announcement(SELF, ['10.0.0.1']))
  expect(flag_aa).toBe(true)
  expect(answers.map(({ name, type }) => `${name} ${type}`)).toEqual([
    `${SERVICE} PTR`,
    `${NAME} SRV`,
    `${NAME} TXT`,
    `${TARGET} A`,
  ])
  expect(answers.map((one) => 'ttl' in one && one.ttl)).toEqual([120, 120, 120, 120])
  expect(answers[0]).toMatchObject({ data: NAME })
  expect(answers[1]).toMatchObject({ data: { port: 5_000, target: TARGET } })
  expect(answers[2]).toMatchObject({ data: [Buffer.from(`id=${ID}`), Buffer.from('v=portmesh/1')] })
})

test('a question is answered by whom it means, unless it brings the answer', () => {
  expect(asksFor(sent(question()), ID)).toBe(true)
  const asks = (name: string, answers: Answer[] = []): boolean =>
    asksFor(sent({ type: 'query', questions: [{ name, type: 'PTR' }], answers }), ID)
  expect(asks(SERVICE.toUpperCase())).toBe(true)
  expect(asks(NAME)).toBe(true)
  expect(asks(TARGET)).toBe(true)
  expect(asks('_http._tcp.local')).toBe(false)
  expect(asks(`ffff456789abcdef.${SERVICE}`)).toBe(false)
  expect(asks(SERVICE, [ptr(NAME)])).toBe(false)
  expect(asks(SERVICE, [ptr(NAME, 30)])).toBe(true)
  expect(asks(SERVICE, [ptr(`other.${SERVICE}`)])).toBe(true)
  expect(asksFor(sent(announcement(SELF, [])), ID)).toBe(false)
})

test.each([
  ['no id', [ptr(NAME), srv(NAME, 1), txt(NAME, 'v=1')]],
  ['a short id', [ptr(NAME), srv(NAME, 1), txt(NAME, `id=${ID.slice(1)}`)]],
  ['an id with escapes', [ptr(NAME), srv(NAME, 1), txt(NAME, `id=\u001b[31m${ID.slice(5)}`)]],
  ['an id in capitals', [ptr(NAME), srv(NAME, 1), txt(NAME, `id=${ID.toUpperCase()}`)]],
  ['a second id behind a wrong one', [ptr(NAME), srv(NAME, 1), txt(NAME, 'id=', `id=${ID}`)]],
  ['no port', [ptr(NAME), txt(NAME, `id=${ID}`)]],
  ['port 0', [ptr(NAME), srv(NAME, 0), txt(NAME, `id=${ID}`)]],
  ['port 70000', [ptr(NAME), srv(NAME, 70_000), txt(NAME, `id=${ID}`)]],
  ['another service', [{ ...ptr(NAME), name: '_http._tcp.local' }, srv(NAME, 1), txt(NAME, `id=${ID}`)]],
  ['records of another instance', [ptr(NAME), srv(`x.${SERVICE}`, 1), txt(`x.${SERVICE}`, `id=${ID}`)]],
])('nothing is seen in a message with %s', (_what, answers) => {
  expect(sightings(response(...(answers as Answer[])))).toEqual([])
})

test('records are found in any order, among the additional ones too, under any name of an instance', () => {
  const odd = `\u001b[2J "a.b\\c".${SERVICE}`
  const packet = { ...response(txt(odd, 'x', `ID=${ID}`), ptr(odd)), additionals: [a('10.0.0.7'), srv(odd, 7)] }
  expect(sightings(packet)).toEqual([{ id: ID, port: 7, hosts: ['10.0.0.7'], leaving: false }])
})

test('addresses that nobody else can have are left out, and one of another target', () => {
  const lies = [
    '127.0.0.1',
    '0.0.0.0',
    '224.0.0.251',
    '239.1.1.1',
    '255.255.255.255',
    '::',
    '::1',
    'ff02::fb',
    'fe80::1',
  ]
  for (const lie of [...lies, '::ffff:127.0.0.1', '::ffff:7f00:1', 'not an address', ''])
    expect(isReachable(lie)).toBe(false)
  const answers = [
    ptr(NAME),
    srv(NAME, 1),
    txt(NAME, `id=${ID}`),
    ...lies.map((lie) => a(lie)),
    a('10.0.0.1', 'x.local'),
  ]
  expect(sightings(response(...answers))).toMatchObject([{ hosts: [] }])
  for (const good of ['10.0.0.1', '169.254.3.4', 'fd77::1', '2001:db8::1']) expect(isReachable(good)).toBe(true)
})

test('one message makes us look at so many nodes and addresses only', () => {
  const names = Array.from({ length: 100 }, (_, at) => `${at}.${SERVICE}`)
  const many = names.flatMap((name) => [ptr(name), srv(name, 9), txt(name, `id=${ID}`)])
  const hosts = Array.from({ length: 100 }, (_, at) => a(`10.0.1.${at}`))
  const seen = sightings(response(...many, ...hosts))
  expect(seen).toHaveLength(16)
  for (const { hosts } of seen) expect(hosts).toHaveLength(8)
})
