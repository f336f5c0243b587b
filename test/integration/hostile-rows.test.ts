import { expect, test } from 'vitest'
import { toB64u } from '../../src/bytes.ts'
import { OwnRow } from '../../src/dht/row.ts'
import { strangerIdentity } from '../helpers/stranger.ts'
import { signedPage } from '../helpers/stranger-server.ts'
import { acquainted, lie, sends, whole } from './hostile-acquainted.ts'

test('a row that somebody else signed, or that is another’s, is refused, and the old one stays', async () => {
  const { stranger, room, names, news } = await acquainted()
  const other = strangerIdentity()
  const others = new OwnRow({ id: other.id, name: 'other', epoch: 9, sign: () => new Uint8Array(64) })
  const lies: Record<string, () => unknown> = {
    'another’s row': () => signedPage(other, others.page({}), {}),
    'our own row': () => signedPage(room.identity, room.row.page({}), {}),
    'another’s id, signed by itself': () =>
      signedPage(stranger.identity, whole(stranger), { id: toB64u(other.id), epoch: 9 }),
    'its id, signed by another': () => signedPage(other, whole(stranger), { epoch: 9 }),
    'a signature of zeroes': () => ({
      ...signedPage(stranger.identity, whole(stranger), { epoch: 9 }),
      sig: 'A'.repeat(86),
    }),
    'a head with a byte more': () => ({ ...whole(stranger), head: `${whole(stranger).head}AA` }),
  }
  for (const [what, page] of Object.entries(lies)) {
    sends(stranger, page)
    await news()
    expect(room.troubles.pop(), what).toBe('PM_PEER_MISBEHAVED')
    expect(names(), what).toEqual(['true.txt'])
    expect(
      room.table.all().map(({ id }) => id),
      what,
    ).toEqual([stranger.id])
    expect(room.table.get(stranger.id), what).toMatchObject({ epoch: 1, name: 'a stranger' })
  }
  stranger.does.delete('table')
  await news()
  expect(room.table.get(stranger.id)?.alive).toBe(true)
})

test('a row that goes back, or a second head under one version, is refused', async () => {
  const { stranger, room, names, news } = await acquainted()
  const { identity } = stranger
  for (const head of [{ epoch: 0 }, { version: 0 }, { name: 'another' }, { epoch: 0, version: 99 }]) {
    sends(stranger, () => ({ ...signedPage(identity, whole(stranger), head), upTo: head.version ?? 1, whole: true }))
    await news()
    expect(room.troubles.pop(), JSON.stringify(head)).toBe('PM_PEER_MISBEHAVED')
    expect(room.table.get(stranger.id)).toMatchObject({ epoch: 1, version: 1, name: 'a stranger' })
    expect(names()).toEqual(['true.txt'])
  }
})

test('what does not add up to the signed digest is asked for once more, and then not kept', async () => {
  const { stranger, room, names, news } = await acquainted()
  const { identity } = stranger
  const head = { version: 2 }
  const lies: Record<string, () => object> = {
    'a file more': () => ({ whole: false, files: [lie('false.txt')], gone: [] }),
    'all files others': () => ({ whole: true, files: [lie('false.txt')], gone: [] }),
    'a file less': () => ({ whole: false, files: [], gone: ['true.txt'] }),
    'a name no row may have': () => ({ whole: true, files: [lie('fine.txt'), lie('../up')], gone: ['true.txt'] }),
    'a name of 1,001 bytes': () => ({ whole: true, files: [lie(`${'é'.repeat(499)}/ab`)], gone: [] }),
    'half a character': () => ({ whole: true, files: [lie('\ud800')], gone: [] }),
    'one name twice': () => ({ whole: true, files: [lie('a'), lie('a', { size: 5 })], gone: [] }),
  }
  for (const [what, pages] of Object.entries(lies)) {
    sends(stranger, () => ({ ...signedPage(identity, whole(stranger), head), upTo: 2, ...pages() }))
    await news()
    expect(room.troubles.pop(), what).toBe('PM_PEER_MISBEHAVED')
    expect(stranger.asked.splice(0).filter((step) => step === 'table').length, what).toBe(2)
    expect(names(), what).toEqual(['true.txt'])
    expect([...(room.table.get(stranger.id)?.files.keys() ?? [])], what).toEqual(['true.txt'])
  }
  // An honest row after all that is taken as if nothing had been.
  stranger.does.delete('table')
  stranger.publish('more.txt', 'more')
  await news()
  expect(names().sort()).toEqual(['more.txt', 'true.txt'])
})

test('count and size of the head must be those of the files', async () => {
  const { stranger, room, names, news } = await acquainted()
  for (const head of [{ count: 2 }, { count: 0 }, { size: 5 }, { size: 2 ** 53 - 1 }]) {
    sends(stranger, () => ({ ...signedPage(stranger.identity, whole(stranger), { version: 2, ...head }), upTo: 2 }))
    await news()
    expect(room.troubles.pop(), JSON.stringify(head)).toBe('PM_PEER_MISBEHAVED')
    expect(names()).toEqual(['true.txt'])
  }
})

test('what does not have the form of a page is refused', async () => {
  const { stranger, room, names, news } = await acquainted()
  const head = (lies: object) => signedPage(stranger.identity, whole(stranger), { version: 2, ...lies })
  const pages: unknown[] = [
    null,
    [],
    {},
    { ...head({}), upTo: -1 },
    { ...head({}), upTo: 3 },
    { ...head({}), upTo: 2, files: {} },
    { ...head({}), upTo: 2, files: [lie('a', { size: -1 })] },
    { ...head({}), upTo: 2, files: [lie('a', { size: 1.5 })] },
    { ...head({}), upTo: 2, files: [lie('a', { hash: 'A'.repeat(64) })] },
    { ...head({}), upTo: 2, files: [lie('a', { published: 2 ** 53 })] },
    { ...head({}), upTo: 2, files: [{ ...lie('a'), more: 1 }] },
    { ...head({}), upTo: 2, gone: [1] },
    { ...head({ v: 'portmesh/2' }), upTo: 2 },
    { ...head({ name: '' }), upTo: 2 },
    { ...head({ name: 'é'.repeat(33) }), upTo: 2 },
    { ...head({ name: '\ud800' }), upTo: 2 },
    { ...head({ count: 100_001 }), upTo: 2 },
    { ...head({ epoch: 2 ** 53 }), upTo: 2 },
    { ...head({ files: 'x' }), upTo: 2 },
    { ...whole(stranger), head: 'x'.repeat(5_000) },
    { ...whole(stranger), head: toB64u(Buffer.from('[]')) },
  ]
  for (const [index, page] of pages.entries()) {
    sends(stranger, () => page)
    await news()
    expect(room.troubles.pop(), `page ${index}`).toBe('PM_PEER_MISBEHAVED')
    expect(names(), `page ${index}`).toEqual(['true.txt'])
  }
})

test('a million entries, or names of ten million characters, are never read to their end', async () => {
  const { stranger, room, names, news } = await acquainted()
  const head = signedPage(stranger.identity, whole(stranger), { version: 2 })
  const entry = JSON.stringify(lie('a'))
  const texts = [
    `{"head":"${head.head}","sig":"${head.sig}","whole":true,"upTo":2,"gone":[],"files":[${`${entry},`.repeat(20_000)}${entry}]}`,
    JSON.stringify({ ...head, whole: true, upTo: 2, files: [lie('a'.repeat(10 * 2 ** 20))] }),
    JSON.stringify({ ...head, whole: true, upTo: 2, gone: ['a'.repeat(1_001)] }),
    '['.repeat(2 ** 20),
  ]
  for (const [index, text] of texts.entries()) {
    stranger.does.set('table', ({ send, sealed }) => send(sealed(200, text)))
    await news()
    expect(room.troubles.pop(), `text ${index}`).toBe('PM_PEER_MISBEHAVED')
    expect(names()).toEqual(['true.txt'])
  }
})

test('pages that never come to an end are left: upTo must grow, and the whole must end', async () => {
  const { stranger, room, names, news } = await acquainted()
  const page = (upTo: number, more: object) => ({
    ...signedPage(stranger.identity, whole(stranger), { version: 1_000_000 }),
    whole: false,
    files: [],
    gone: [],
    upTo,
    ...more,
  })
  const many = Array.from({ length: 90_000 }, (_, index) => `${index}`)
  let asked = 0
  const shapes: Record<string, [atMost: number, next: () => object]> = {
    'upTo stays': [2, () => page(5, { whole: asked === 1, files: [lie('a')] })],
    'upTo goes back': [2, () => page(asked === 1 ? 9 : 8, { files: [lie('a')] })],
    'nothing is brought': [1, () => page(asked + 1, {})],
    'far more than a row has': [3, () => page(asked + 1, { gone: many })],
  }
  for (const [what, [atMost, next]] of Object.entries(shapes)) {
    asked = 0
    sends(stranger, () => {
      asked += 1
      return next()
    })
    await news()
    expect(room.troubles.pop(), what).toBe('PM_PEER_MISBEHAVED')
    expect(asked, what).toBeLessThanOrEqual(atMost)
    expect(names()).toEqual(['true.txt'])
  }
})

test('a name no row may have is refused, though everything else fits', async () => {
  for (const name of ['../up', '.portmesh/state.db', '/etc/passwd', 'a//b', 'a\0b', `${'é'.repeat(128)}`]) {
    const { stranger, room, names, news } = await acquainted()
    stranger.publish(name, 'x')
    await news()
    expect(room.troubles.pop(), name).toBe('PM_PEER_MISBEHAVED')
    expect(names(), name).toEqual(['true.txt'])
  }
})
