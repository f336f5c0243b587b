import fc from 'fast-check'
import { expect, test } from 'vitest'
import { contentDisposition } from '../../../../src/routes/user/disposition.ts'

test.each([
  ['report.pdf', `attachment; filename="report.pdf"; filename*=UTF-8''report.pdf`],
  ['Chloé’s plan.pdf', `attachment; filename="Chlo__s plan.pdf"; filename*=UTF-8''Chlo%C3%A9%E2%80%99s%20plan.pdf`],
  ['a"b\\c.txt', `attachment; filename="c.txt"; filename*=UTF-8''c.txt`],
  ['say "hi".txt', `attachment; filename="say _hi_.txt"; filename*=UTF-8''say%20%22hi%22.txt`],
  ['100%.txt', `attachment; filename="100_.txt"; filename*=UTF-8''100%25.txt`],
  ["it's (1)*.txt", `attachment; filename="it's (1)*.txt"; filename*=UTF-8''it%27s%20%281%29%2A.txt`],
  [
    '<img src=x onerror=alert(1)>',
    `attachment; filename="<img src=x onerror=alert(1)>"; filename*=UTF-8''%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E`,
  ],
  ['album/../01.flac', `attachment; filename="01.flac"; filename*=UTF-8''01.flac`],
  ['..\\..\\evil.exe', `attachment; filename="evil.exe"; filename*=UTF-8''evil.exe`],
  [
    'photo\u202egpj.exe\r\nset-cookie: a',
    `attachment; filename="photogpj.exeset-cookie: a"; filename*=UTF-8''photogpj.exeset-cookie%3A%20a`,
  ],
  ['\u0000\u200b', `attachment; filename="file"; filename*=UTF-8''file`],
  ['', `attachment; filename="file"; filename*=UTF-8''file`],
  ['lone \ud800.txt', `attachment; filename="lone _.txt"; filename*=UTF-8''lone%20%EF%BF%BD.txt`],
])('%j is offered as it should be', (name, header) => {
  expect(contentDisposition(name)).toBe(header)
})

test('whatever the name, the header is one line of ASCII whose extended name can be read back', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (name) => {
      const header = contentDisposition(name)
      expect(header).toMatch(/^attachment; filename="[^"\\%]+"; filename\*=UTF-8''[\w!#$&+.^`|~%-]+$/)
      const read = decodeURIComponent(header.split("''")[1] ?? '')
      expect(read).not.toMatch(/[/\\\p{Cc}]/u)
    }),
  )
})
