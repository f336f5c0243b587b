import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkName, foldName, localName, numberedName } from '../../../src/store/names.ts'

const reasonOf = (name: string, platform?: NodeJS.Platform): string => {
  try {
    checkName(name, platform)
    return 'fine'
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'another error'
  }
}

/** Names that mean harm, and pieces of them. */
const nasty = fc.array(
  fc.oneof(
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.constantFrom(
      ...['..', '.', '/', '\\', '\0', '%2f', '.portmesh', 'con', 'NUL.txt', 'com1', 'COM¹', 'aux ', ':', '::$DATA'],
      ...['\u202e', '\u200b', '\ufeff', '\u2066', '\ud800', '\udc00', '\u0338', 'é', 'e\u0301', '<', ' ', '...', '~1'],
      ...['a'.repeat(200), 'ä'.repeat(130), '😀'.repeat(70), '.jpg', `.${'x'.repeat(40)}`, '\n', '\x1b[2J', '\x9b'],
    ),
  ),
  { maxLength: 12 },
)
const foreign = fc.oneof(
  nasty.map((parts) => parts.join('')),
  fc.string({ unit: 'binary', maxLength: 400 }),
)

describe('a published name', () => {
  test.each([
    'report.pdf',
    'album/01.flac',
    '<img src=x onerror=alert(1)>',
    '__proto__',
    'constructor',
    'a\\b',
    'C:x',
    'a b.',
    'new\nline',
    '\u202egpj.exe',
    'e\u0301',
    'é',
    '-rf',
    '~',
    'a'.repeat(255),
    'ä'.repeat(127),
    Array.from({ length: 16 }, () => 'folder').join('/'),
  ])('may be what the disk says: %j', (name) => {
    expect(reasonOf(name, 'linux')).toBe('fine')
  })

  test.each([
    '',
    '/',
    '/etc/passwd',
    '..',
    '../x',
    'a/../b',
    'a/./b',
    'a//b',
    'a/',
    '.portmesh/state.db',
    'a/.hidden',
    '.hidden',
    'a\0b',
    '\ud800',
    'a'.repeat(256),
    'ä'.repeat(128),
    Array.from({ length: 201 }, () => 'four').join('/'),
    'a'.repeat(10_000_000),
  ])('is refused when it leads elsewhere or nowhere', (name) => {
    expect(reasonOf(name, 'linux')).toBe('PM_BAD_NAME')
  })

  test.each(['a\\..\\..\\b', 'x:stream', 'con', 'a/NUL.txt', 'com¹', 'trailing.', 'trailing /x', 'a?'])(
    'is refused on Windows when it means something else there: %j',
    (name) => {
      expect(reasonOf(name, 'win32')).toBe('PM_BAD_NAME')
      expect(reasonOf(name, 'linux')).toBe('fine')
    },
  )
})

describe('a foreign name', () => {
  test.each([
    ['photo.jpg', 'photo.jpg'],
    ['Grüße.txt', 'Grüße.txt'],
    ['Gru\u0308ße.txt', 'Grüße.txt'],
    ['../../etc/passwd', 'passwd'],
    ['..', 'file'],
    ['/', 'file'],
    ['', 'file'],
    ['...', 'file'],
    ['.bashrc', 'bashrc'],
    ['. .x', 'x'],
    ['..\\..\\x', '_.._x'],
    ['a\0b', 'ab'],
    ['\u202egpj.exe', 'gpj.exe'],
    ['a\u200b\u200db', 'ab'],
    ['\ud800x', '\ufffdx'],
    ['x\u001b[2J', 'x[2J'],
    ['a:b', 'a_b'],
    ['<img src=x onerror=alert(1)>', '_img src=x onerror=alert(1)_'],
    ['CON', '_CON'],
    ['con.txt', '_con.txt'],
    ['com¹.log', '_com¹.log'],
    ['nul .txt', '_nul .txt'],
    ['console.txt', 'console.txt'],
    ['name. . ', 'name'],
    ['__proto__', '__proto__'],
    ['album/01.flac', '01.flac'],
  ])('%j becomes %j', (name, safe) => {
    expect(localName(name)).toBe(safe)
  })

  test.each([
    ['album/01.flac', 'album/01.flac'],
    ['../../a/./b/../c', 'a/b/c'],
    ['/etc/passwd', 'etc/passwd'],
    ['.portmesh/state.db', 'portmesh/state.db'],
    ['con/nul', '_con/_nul'],
    ['a /b', 'a/b'],
    ['\u200b/x', 'file/x'],
    ['', 'file'],
  ])('%j keeps its folders as %j', (name, safe) => {
    expect(localName(name, { keepFolders: true })).toBe(safe)
  })

  test('keeps its ending when it is cut, and no half character', () => {
    expect(localName(`${'a'.repeat(400)}.tar`)).toBe(`${'a'.repeat(251)}.tar`)
    expect(localName(`${'😀'.repeat(100)}.jpg`)).toBe(`${'😀'.repeat(62)}.jpg`)
    expect(Buffer.byteLength(localName(`a.${'b'.repeat(400)}`))).toBe(255)
  })

  test('keeps only its last part when the whole path is too long', () => {
    expect(localName(`${'folder/'.repeat(300)}x.txt`, { keepFolders: true })).toBe('x.txt')
  })

  test.each([{ keepFolders: false }, { keepFolders: true }])(
    'is safe whatever it was, on every system (%o)',
    (options) => {
      fc.assert(
        fc.property(foreign, (name) => {
          const safe = localName(name, options)
          expect(reasonOf(safe, 'linux')).toBe('fine')
          expect(reasonOf(safe, 'win32')).toBe('fine')
          expect(safe).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\\:*?"<>|]/u)
          expect(safe).toBe(safe.normalize('NFC'))
          expect(localName(safe, options)).toBe(safe)
          if (!options.keepFolders) expect(safe).not.toContain('/')
        }),
        { numRuns: 3_000 },
      )
    },
  )
})

describe('a number', () => {
  test('goes before the ending and keeps the name within its bounds', () => {
    expect(numberedName('photo.jpg', 2)).toBe('photo (2).jpg')
    expect(numberedName('photo', 12)).toBe('photo (12)')
    expect(numberedName('a.tar.gz', 2)).toBe('a.tar (2).gz')
    expect(Buffer.byteLength(numberedName('ä'.repeat(127), 1_000))).toBeLessThanOrEqual(255)
    fc.assert(
      fc.property(foreign, fc.integer({ min: 2, max: 1e6 }), (name, number) => {
        const numbered = numberedName(localName(name), number)
        expect(reasonOf(numbered, 'win32')).toBe('fine')
        expect(numbered).toContain(`(${number})`)
      }),
    )
  })
})

test('folds what some file systems take for one name', () => {
  for (const [a, b] of [
    ['README.md', 'readme.MD'],
    ['Grüße', 'GRU\u0308SSE'],
    ['ſ', 's'],
    ['İ', 'i̇'],
  ] as const) {
    expect(foldName(a)).toBe(foldName(b))
  }
  expect(foldName('a')).not.toBe(foldName('b'))
})
