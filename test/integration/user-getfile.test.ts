import { once } from 'node:events'
import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { request } from 'undici'
import { describe, expect, test } from 'vitest'
import { NotPublished, PeerUnreachable } from '../../src/errors.ts'
import { until } from '../helpers/api.ts'
import { rootOf } from '../helpers/contents.ts'
import { BROWSER, hashOf, idOf, type Scope, startScope } from './user-scope.ts'

const LARGE = Buffer.alloc(1_000_000, 'portmesh ')
const LARGE_HASH = hashOf(LARGE)
/** Several runs of pieces. */
const LONG = Buffer.alloc(4_000_000, 'a long one ')
const BEN = { id: idOf('Ben'), name: 'Ben', address: '127.0.0.1:5001' }
const CHLOE = { id: idOf('Chloé'), name: 'Chloé', address: 'chloe.local:5002' }

const withLarge = async (name = 'Large one.bin') => {
  const scope = await startScope()
  scope.meet({ ...BEN, files: [{ name, bytes: LARGE }] })
  return scope
}

describe('a download', () => {
  test.each([
    ['its hash', () => LARGE_HASH],
    ['its hash in capitals', () => LARGE_HASH.toUpperCase()],
    ['the port of its holder', () => `5001/${encodeURIComponent('Large one.bin')}`],
    ['the address of its holder', () => `127.0.0.1:5001/${encodeURIComponent('Large one.bin')}`],
  ])('by %s is the bytes, to be saved and never shown', async (_by, path) => {
    const scope = await withLarge()
    const { statusCode, headers, body } = await request(`${scope.url}/getfile/${path()}`, { headers: BROWSER })
    expect(Buffer.from(await body.arrayBuffer()).equals(LARGE)).toBe(true)
    expect(statusCode).toBe(200)
    expect(headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-length': '1000000',
      'content-disposition': `attachment; filename="Large one.bin"; filename*=UTF-8''Large%20one.bin`,
      'content-security-policy': 'sandbox',
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
    })
  })

  test('called <img src=x onerror=alert(1)> or with folders is offered under a plain name', async () => {
    const scope = await withLarge('a/<img src=x onerror=alert(1)>')
    const { headers } = await scope.ask(`/getfile/${LARGE_HASH}`, { method: 'HEAD' })
    expect(headers['content-disposition']).toContain('filename="<img src=x onerror=alert(1)>"')
  })

  test('can be asked for its head without being fetched', async () => {
    const scope = await withLarge()
    scope.contents.before = () => {
      throw new Error('fetched')
    }
    for (const path of [LARGE_HASH, '5001/Large%20one.bin']) {
      const head = await scope.ask(`/getfile/${path}`, { method: 'HEAD' })
      expect([head.status, head.headers['content-length'], head.text]).toEqual([200, '1000000', ''])
    }
    expect((await scope.ask(`/getfile/${'0'.repeat(64)}`, { method: 'HEAD' })).status).toBe(404)
  })

  test('of an empty file is empty', async () => {
    const scope = await startScope()
    scope.meet({ ...BEN, files: [{ name: 'empty', bytes: Buffer.alloc(0) }] })
    const answer = await scope.ask(`/getfile/${hashOf(Buffer.alloc(0))}`)
    expect([answer.status, answer.headers['content-length'], answer.text]).toEqual([200, '0', ''])
  })

  test('of what we have published ourselves comes from our own disk', async () => {
    const scope = await startScope()
    await writeFile(join(scope.home, 'own.bin'), LARGE)
    await scope.published.publish('own.bin')
    const answer = await scope.ask(`/getfile/${LARGE_HASH}`)
    expect([answer.status, hashOf(Buffer.from(answer.text))]).toEqual([200, LARGE_HASH])
    expect(answer.headers['content-disposition']).toContain('own.bin')
    await writeFile(join(scope.home, 'own.bin'), 'something else')
    const changed = await scope.ask(`/getfile/${LARGE_HASH}`)
    expect([changed.status, changed.json()]).toMatchObject([409, { error: { code: 'PM_FILE_CHANGED' } }])
  })
})

describe('a holder', () => {
  test('who does not answer is passed over for the next one', async () => {
    const scope = await withLarge()
    scope.meet({ ...CHLOE, files: [{ name: 'same.bin', bytes: LARGE }] })
    const asked = new Set<string>()
    scope.contents.before = ({ peer }) => {
      asked.add(peer)
      if (asked.size === 1) throw new PeerUnreachable('')
    }
    const answer = await scope.ask(`/getfile/${LARGE_HASH}`)
    expect([answer.status, hashOf(Buffer.from(answer.text))]).toEqual([200, LARGE_HASH])
    expect(asked.size).toBe(2)
  })

  test('who goes away in the middle, lies, or falls silent is followed by the next one', async () => {
    const troubles: Record<string, (scope: Scope, peer: string) => void> = {
      'goes away': () => {
        throw new PeerUnreachable('')
      },
      lies: ({ contents }, peer) => void contents.liars.add(peer),
    }
    for (const [what, makes] of Object.entries(troubles)) {
      const scope = await startScope()
      for (const peer of [BEN, CHLOE]) scope.meet({ ...peer, files: [{ name: 'long.bin', bytes: LONG }] })
      let first: string | undefined
      scope.contents.before = ({ peer, piece }) => {
        first ??= peer
        if (peer === first && piece >= 16) makes(scope, peer)
      }
      const { body } = await request(`${scope.url}/getfile/${hashOf(LONG)}`)
      expect(Buffer.from(await body.arrayBuffer()).equals(LONG), what).toBe(true)
    }
  })

  test('who is away is not asked', async () => {
    const scope = await startScope()
    scope.meet({ ...BEN, files: [{ name: 'large.bin', bytes: LARGE }], alive: false })
    for (const path of [LARGE_HASH, '5001/large.bin']) {
      expect((await scope.ask(`/getfile/${path}`)).json()).toMatchObject({ error: { code: 'PM_NO_HOLDER' } })
    }
  })

  test.each([
    '22',
    '0',
    '0x50',
    '65536',
    '127.0.0.1:22',
    'localhost:5001',
    '127.0.0.1:05001',
    '127.1:5001',
    'evil.example:80',
    '5001%2f..',
    '%31%32%37.0.0.1:5002',
  ])('called %s is nobody of the table', async (peer) => {
    const scope = await withLarge()
    const answer = await scope.ask(`/getfile/${peer}/large.bin`)
    expect([answer.status, answer.json()]).toMatchObject([404, { error: { code: 'PM_UNKNOWN_PEER' } }])
  })

  test('is never ourselves', async () => {
    const scope = await withLarge()
    for (const peer of [String(scope.port), `127.0.0.1:${scope.port}`]) {
      expect((await scope.ask(`/getfile/${peer}/x`)).json()).toMatchObject({ error: { code: 'PM_UNKNOWN_PEER' } })
    }
  })

  test('who lies about a content leaves the choice to the person', async () => {
    const scope = await withLarge()
    const other = Buffer.from('another content under the same hash')
    scope.meet({ ...CHLOE, files: [{ name: 'lie.bin', bytes: other, hash: LARGE_HASH, root: 'f'.repeat(64) }] })
    const answer = await scope.ask(`/getfile/${LARGE_HASH}`)
    expect([answer.status, answer.json()]).toMatchObject([409, { error: { code: 'PM_AMBIGUOUS_HASH' } }])
    expect(answer.text).toContain(rootOf(LARGE))
    expect(answer.text).toContain('f'.repeat(64))
    // What the page offers for each of them still means one file.
    const page = await scope.ask('/', { headers: BROWSER })
    for (const root of [rootOf(LARGE), 'f'.repeat(64)]) {
      expect(page.text).toContain(`name="root" value="${root}"><input type="hidden" name="hash" value="${LARGE_HASH}"`)
    }
    expect((await scope.ask('/getfile/127.0.0.1%3A5001/Large%20one.bin')).status).toBe(200)
  })
})

describe('a failure', () => {
  test('before the first byte is said in words, to a person on a page', async () => {
    const scope = await startScope()
    scope.meet({ ...BEN, files: [{ name: 'small.txt', bytes: Buffer.from('small') }] })
    const hash = hashOf(Buffer.from('small'))
    scope.contents.liars.add(BEN.id)
    const page = await scope.ask(`/getfile/${hash}`, { headers: BROWSER })
    expect(page.status).toBe(502)
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8')
    expect(page.headers['content-disposition']).toBeUndefined()
    expect(page.headers['content-security-policy']).toContain("style-src 'self'")
    expect(page.text).toContain('The file that came was not the one that was promised')
    expect((await scope.ask(`/getfile/${hash}`)).json()).toMatchObject({ error: { code: 'PM_WRONG_PIECE' } })
  })

  test.each<[string, (scope: Scope) => void]>([
    ['wrong bytes', ({ contents }) => void contents.liars.add(BEN.id)],
    [
      'a file that is not there any more',
      () => {
        throw new NotPublished()
      },
    ],
  ])('in the middle (%s) breaks the connection, so that no download is finished', async (_what, makes) => {
    const scope = await startScope()
    scope.meet({ ...BEN, files: [{ name: 'long.bin', bytes: LONG }] })
    scope.contents.before = ({ piece }) => {
      if (piece >= 16) makes(scope)
    }
    const { statusCode, body } = await request(`${scope.url}/getfile/${hashOf(LONG)}`)
    expect(statusCode).toBe(200)
    await expect(body.arrayBuffer()).rejects.toThrow()
    expect(scope.troubles).toEqual(['a download broke off'])
  })

  test('of the hash to fit, although every piece fits the tree, never becomes a whole file', async () => {
    const scope = await startScope()
    const hash = 'd'.repeat(64)
    scope.meet({ ...BEN, files: [{ name: 'long.bin', bytes: LONG, hash, root: rootOf(LONG) }] })
    const { body } = await request(`${scope.url}/getfile/${hash}`)
    await expect(body.arrayBuffer()).rejects.toThrow()
  })

  test('of the person’s patience ends the fetching, also from somebody who has fallen silent', async () => {
    const scope = await startScope()
    scope.meet({ ...BEN, files: [{ name: 'long.bin', bytes: LONG }] })
    let ended = false
    scope.contents.before = async ({ piece, signal }) => {
      if (piece < 16) return
      await once(signal, 'abort')
      ended = true
    }
    const { body } = await request(`${scope.url}/getfile/${hashOf(LONG)}`)
    for await (const _ of body) break
    body.destroy()
    await until(async () => ended, Boolean)
    expect(scope.troubles).toEqual([])
  })

  test('of our own file to stay as it was breaks the connection', async () => {
    const scope = await startScope()
    const own = join(scope.home, 'own.bin')
    await writeFile(own, Buffer.alloc(64_000_000))
    const { hash } = await scope.published.publish('own.bin')
    const { body } = await request(`${scope.url}/getfile/${hash}`)
    // One byte near the end, in place: the length says nothing.
    const handle = await open(own, 'r+')
    await handle.write('x', 63_000_000)
    await handle.close()
    await expect(body.arrayBuffer()).rejects.toThrow()
  })

  test('to take what comes holds the sender back', async () => {
    const scope = await startScope()
    const huge = Buffer.alloc(64 * 1024 * 1024)
    const hash = hashOf(huge)
    let sent = 0
    scope.meet({ ...BEN, files: [{ name: 'huge.bin', bytes: huge }] })
    scope.contents.before = () => {
      sent += 128 * 1024
    }
    const { body } = await request(`${scope.url}/getfile/${hash}`)
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(sent).toBeLessThan(32 * 1024 * 1024)
    body.on('error', () => {}).destroy()
  })
})
