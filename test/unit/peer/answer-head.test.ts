import { expect, test } from 'vitest'
import { type AnswerHead, HeadReader, MAX_HEAD_BYTES } from '../../../src/peer/answer-head.ts'

const GOOD = 'HTTP/1.1 200 OK\r\nContent-Length: 12\r\nPortmesh-Sealed: v=1\r\n\r\n'

const headOf = (text: string): AnswerHead | undefined => new HeadReader().push(Buffer.from(text, 'latin1'))?.head
const withLines = (...lines: readonly string[]): string => `HTTP/1.1 200 OK\r\n${lines.join('\r\n')}\r\n\r\n`

test('a head comes in any two parts, and what follows it is not its own', () => {
  const bytes = Buffer.from(`${GOOD}the body`)
  const reader = new HeadReader()
  for (let cut = 0; cut <= bytes.length; cut++) {
    const first = reader.push(bytes.subarray(0, cut))
    const found = first ?? reader.push(bytes.subarray(cut))
    expect(found?.head, `${cut}`).toEqual({ status: 200, length: 12, sealed: true, last: false })
    expect((first ? 0 : cut) + (found?.taken ?? 0), `${cut}`).toBe(GOOD.length)
  }
})

test('a head comes byte by byte', () => {
  const reader = new HeadReader()
  const found = [...Buffer.from(GOOD)].map((byte) => reader.push(new Uint8Array([byte])))
  expect(found.filter(Boolean)).toHaveLength(1)
  expect(found.at(-1)?.taken).toBe(1)
})

test.each<[string, Partial<AnswerHead>]>([
  [withLines('CONTENT-LENGTH: 0', 'pOrTmEsH-sEaLeD: v=1'), { length: 0, sealed: true }],
  [withLines('content-length:7 \t'), { length: 7, sealed: false }],
  [withLines('Content-Length: 7', 'Portmesh-Sealed: v=2'), { sealed: false }],
  [withLines('Content-Length: 7', 'Portmesh-Sealed: v=1', 'Portmesh-Sealed: v=1'), { sealed: false }],
  [withLines('Content-Length: 7', 'Connection: keep-alive'), { last: false }],
  [withLines('Content-Length: 7', 'Connection: Close'), { last: true }],
  [withLines('Content-Length: 7', 'Connection: x, close ,y'), { last: true }],
  [withLines('Content-Length: 7', 'Connection: enclosed'), { last: false }],
  [withLines('Content-Length: 7', 'X-Odd: \xe9\xff', 'X-Empty:'), { length: 7 }],
  ['HTTP/1.1 401\r\nContent-Length: 7\r\n\r\n', { status: 401 }],
  ['HTTP/1.1 503 \r\nContent-Length: 7\r\n\r\n', { status: 503 }],
])('%j is read', (text, expected) => expect(headOf(text)).toMatchObject(expected))

const WRONG = [
  ...['100 Continue', '101 Switching', '103 Early', '204 None', '206', '301 Moved', '304 Same', '399', '600', '0200']
    .filter((line) => line !== '206')
    .map((line) => `HTTP/1.1 ${line}\r\nContent-Length: 1\r\n\r\n`),
  ...['HTTP/1.0 200 OK', 'HTTP/2 200 OK', 'http/1.1 200 OK', 'HTTP/1.1  200 OK', 'HTTP/1.1 2e2 OK', ' HTTP/1.1 200 OK']
    .concat(['HTTP/1.1 200OK', 'HTTP/1.1\t200 OK', 'HTTP/1.1 200 O\x01K', 'HTTP/1.1 200 O\nK', 'HTTP/1.1 200 O\rK', ''])
    .map((line) => `${line}\r\nContent-Length: 1\r\n\r\n`),
  'HTTP/1.1 200 OK\r\n\r\n',
  ...['', '-1', '+1', '1.0', '1e3', '0x10', '1 1', '1,1', '1;', '٣', '1'.repeat(16), ' ', 'one'].map((length) =>
    withLines(`Content-Length: ${length}`),
  ),
  withLines('Content-Length: 1', 'Content-Length: 1'),
  withLines('Content-Length: 1', 'content-length: 2'),
  ...['Transfer-Encoding: chunked', 'transfer-encoding: identity', 'Content-Encoding: gzip', 'CONTENT-ENCODING:'].map(
    (line) => withLines('Content-Length: 1', line),
  ),
  ...[
    'No-Colon',
    ': nameless',
    'Sp ace: 1',
    'Name : 1',
    ' folded',
    '\tfolded',
    'A: \x00',
    'A: 1\n',
    'A: 1\rB: 2',
    'Ä: 1',
  ].map((line) => withLines('Content-Length: 1', line)),
]

test.each(WRONG)('%j is no answer', (text) => expect(() => headOf(text)).toThrow())

test('a head has at most so many bytes, however they come', () => {
  const filled = (bytes: number): string => {
    const start = 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nA: '
    return `${start}${'a'.repeat(bytes - start.length - 4)}\r\n\r\n`
  }
  expect(headOf(filled(MAX_HEAD_BYTES))).toMatchObject({ length: 1 })
  expect(() => headOf(filled(MAX_HEAD_BYTES + 1))).toThrow('too long')
  const reader = new HeadReader()
  const endless = (): void => {
    for (let bytes = 0; bytes <= MAX_HEAD_BYTES; bytes++) reader.push(Buffer.from('a'))
  }
  expect(endless).toThrow('too long')
})
