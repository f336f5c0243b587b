import { readdir, readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { until } from '../helpers/api.ts'
import { BROWSER, HTMX, hashOf, type Scope, startScope } from './user-scope.ts'

const BOUNDARY = 'the-boundary'
const TYPE = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` }

const part = (filename: string, bytes: Buffer | string): Buffer =>
  Buffer.concat([
    Buffer.from(
      `--${BOUNDARY}\r\ncontent-disposition: form-data; name="files"; filename="${filename}"\r\ncontent-type: text/html\r\n\r\n`,
    ),
    Buffer.from(bytes),
    Buffer.from('\r\n'),
  ])
const END = Buffer.from(`--${BOUNDARY}--\r\n`)

const upload = (scope: Scope, parts: readonly Buffer[], query = '', headers: Record<string, string> = {}) =>
  scope.ask(`/myfiles${query}`, {
    method: 'POST',
    headers: { ...TYPE, ...headers },
    body: Buffer.concat([...parts, END]),
  })

const inHome = async ({ home }: Scope): Promise<string[]> =>
  (await readdir(home, { recursive: true })).filter((name) => !name.startsWith('.portmesh')).sort()

describe('files from the browser', () => {
  test('lie in the folder, private, byte for byte', async () => {
    const scope = await startScope()
    const large = Buffer.alloc(3_000_000, 'portmesh ')
    const answer = await upload(scope, [part('large.bin', large), part('empty.txt', ''), part('small.txt', 'x')])
    expect(answer.status).toBe(201)
    expect(answer.json()).toEqual({
      files: [
        { name: 'large.bin', size: 3_000_000 },
        { name: 'empty.txt', size: 0 },
        { name: 'small.txt', size: 1 },
      ],
    })
    expect(await inHome(scope)).toEqual(['empty.txt', 'large.bin', 'small.txt'])
    expect((await readFile(join(scope.home, 'large.bin'))).equals(large)).toBe(true)
    expect(scope.published.entries()).toEqual([])
  })

  test('are published when that is asked for, and a program hears their hashes', async () => {
    const scope = await startScope()
    const files = ['one', 'two', 'three', 'four', 'five', 'six']
    const answer = await upload(
      scope,
      files.map((text) => part(`${text}.txt`, text)),
      '?publish=1',
    )
    const hashes = files.map((text) => hashOf(Buffer.from(text)))
    expect(answer.json<{ files: { hash: string }[] }>().files.map(({ hash }) => hash)).toEqual(hashes)
    expect(scope.published.files().size).toBe(6)
  })

  test('never replace what is there', async () => {
    const scope = await startScope()
    await upload(scope, [part('report.pdf', 'first')])
    const answer = await upload(scope, [part('report.pdf', 'second'), part('REPORT.pdf', 'third')])
    expect(answer.json()).toMatchObject({ files: [{ name: 'report (2).pdf' }, { name: 'REPORT (3).pdf' }] })
    expect(await readFile(join(scope.home, 'report.pdf'), 'utf8')).toBe('first')
  })

  test.each([
    ['../../outside.txt', 'outside.txt'],
    ['/etc/passwd', 'etc/passwd'],
    ['album/01.flac', 'album/01.flac'],
    ['.portmesh/state.db', 'portmesh/state.db'],
    ['<img src=x onerror=alert(1)>', '_img src=x onerror=alert(1)_'],
    ['CON', '_CON'],
    ['a %22fine%22 name%0A.txt', 'a _fine_ name.txt'],
    ['in\u202evoice.txt', 'invoice.txt'],
  ])('called %j become %j', async (filename, name) => {
    const scope = await startScope()
    const answer = await upload(scope, [part(filename, 'x')])
    expect(answer.json()).toEqual({ files: [{ name, size: 1 }] })
    expect(await inHome(scope)).toContain(name)
    expect((await readdir(join(scope.home, '..'))).includes('outside.txt')).toBe(false)
  })

  test('that break off are not kept', async () => {
    const scope = await startScope()
    const socket = connect(scope.port, '127.0.0.1')
    const body = Buffer.concat([
      part('whole.txt', 'whole'),
      part('cut.bin', Buffer.alloc(200_000)).subarray(0, 150_000),
    ])
    socket.write(
      `POST /myfiles HTTP/1.1\r\nhost: 127.0.0.1:${scope.port}\r\ncontent-type: ${TYPE['content-type']}\r\ncontent-length: 999999\r\n\r\n`,
    )
    socket.write(body)
    await until(
      () => inHome(scope),
      (names) => names.includes('whole.txt'),
    )
    socket.destroy()
    await until(
      () => readdir(join(scope.home, '.portmesh', 'partial')),
      (names) => names.length === 0,
    )
    expect(await inHome(scope)).toEqual(['whole.txt'])
  })

  test('that end before their own end are refused', async () => {
    const scope = await startScope()
    const body = Buffer.concat([part('a.txt', 'a'), part('cut.bin', 'no end')]).subarray(0, -4)
    const answer = await scope.ask('/myfiles', { method: 'POST', headers: TYPE, body })
    expect([answer.status, answer.json()]).toEqual([
      400,
      { error: { code: 'PM_UPLOAD_INCOMPLETE', message: expect.any(String) } },
    ])
    expect(await inHome(scope)).toEqual(['a.txt'])
  })

  test('that are larger than the room on the disk are cut, noticed and not kept', async () => {
    const scope = await startScope()
    scope.place.freeSpace = async () => 1_000
    const answer = await upload(scope, [part('fits.txt', 'x'), part('large.bin', Buffer.alloc(5_000))])
    expect([answer.status, answer.json()]).toMatchObject([507, { error: { code: 'PM_DISK_FULL' } }])
    expect(await inHome(scope)).toEqual(['fits.txt'])
  })

  test('may not be called by a form without a file, or by something that is no upload', async () => {
    const scope = await startScope()
    expect((await upload(scope, [part('', '')])).status).toBe(400)
    expect(
      (await scope.ask('/myfiles', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }))
        .status,
    ).toBe(415)
    expect((await scope.ask('/myfiles', { method: 'POST' })).status).toBe(415)
    expect(await inHome(scope)).toEqual([])
  })
})

describe('a body that stalls', () => {
  /** Send the head of a request, then a piece of the body from time to time. @returns what is answered until the end. */
  const trickle = async (scope: Scope, path: string, type: string, pieces: Iterable<Buffer>, pauseMs = 50) => {
    const length = path === '/myfiles' ? 9_000_000 : 7_000
    const socket = connect(scope.port, '127.0.0.1')
    let answer = ''
    let ended = false
    socket.on('data', (chunk) => {
      answer += chunk
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      ended = true
    })
    socket.write(
      `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1:${scope.port}\r\ncontent-type: ${type}\r\ncontent-length: ${length}\r\n\r\n`,
    )
    for (const piece of pieces) {
      if (ended) break
      socket.write(piece)
      await sleep(pauseMs)
    }
    await until(
      async () => ended,
      (is) => is,
    )
    return answer
  }
  const cut = (bytes: number) => part('slow.bin', Buffer.alloc(bytes + 1_000)).subarray(0, bytes)

  test.each([
    ['in the middle of a file', [cut(100_000)]],
    ['before the first file', [Buffer.from(`--${BOUNDARY}\r\n`)]],
    ['a little at a time', [cut(1_000), ...Array.from({ length: 40 }, () => Buffer.alloc(1_000))]],
  ])('%s is ended with a word, and nothing of it is kept', async (_where, pieces) => {
    const scope = await startScope({ stallMs: 300 })
    const begin = performance.now()
    const answer = await trickle(scope, '/myfiles', TYPE['content-type'], pieces)
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(answer).toContain('PM_UPLOAD_INCOMPLETE')
    expect(performance.now() - begin).toBeLessThan(10_000)
    expect(await inHome(scope)).toEqual([])
    expect(await readdir(join(scope.home, '.portmesh', 'partial'))).toEqual([])
  })

  test('is let be as long as it keeps coming', async () => {
    // The pauses come to more than it may stall for, and each is far shorter: a busy machine makes them longer.
    const scope = await startScope({ stallMs: 2_000 })
    const body = Buffer.concat([part('steady.bin', Buffer.alloc(1_500_000)), END])
    const answer = await scope.ask('/myfiles', {
      method: 'POST',
      headers: TYPE,
      body: Readable.from(
        (async function* () {
          for (let at = 0; at < body.length; at += 150_000) {
            yield body.subarray(at, at + 150_000)
            await sleep(300)
          }
        })(),
      ),
    })
    expect(answer.status).toBe(201)
    expect(await inHome(scope)).toEqual(['steady.bin'])
  })

  test('is ended for every other address too', async () => {
    const scope = await startScope({ stallMs: 300 })
    const type = 'application/x-www-form-urlencoded'
    expect(await trickle(scope, '/uploaded', type, [Buffer.from('name=')])).not.toContain(' 200 ')
  })
})

describe('several files at once', () => {
  const publish = (scope: Scope, names: readonly string[], headers: Record<string, string> = {}) =>
    scope.ask('/uploaded', {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body: new URLSearchParams(names.map((name): [string, string] => ['name', name])).toString(),
    })

  test('are published by one request, also by their names alone', async () => {
    const scope = await startScope()
    await upload(scope, [part('a.txt', 'a'), part('album/b.txt', 'b')])
    const answer = await publish(scope, ['a.txt', 'album/b.txt', 'a.txt'])
    expect(answer.json<{ files: { name: string }[] }>().files.map(({ name }) => name)).toEqual(['a.txt', 'album/b.txt'])
    const none = await publish(scope, ['none.txt'])
    expect([none.status, none.json()]).toMatchObject([404, { error: { code: 'PM_NO_SUCH_FILE' } }])
    expect((await publish(scope, [])).status).toBe(400)
  })

  test('as JSON are the same', async () => {
    const scope = await startScope()
    await upload(scope, [part('a.txt', 'a')])
    const options = { method: 'POST', headers: { 'content-type': 'application/json' } } as const
    const answer = await scope.ask('/uploaded', { ...options, body: JSON.stringify({ name: ['a.txt'] }) })
    expect(answer.json()).toMatchObject({ files: [{ name: 'a.txt', alreadyOn: [] }] })
  })

  test('from a page are told as one, and what could not be published does not hold up the others', async () => {
    const scope = await startScope()
    await upload(scope, [part('a.txt', 'a'), part('b.txt', 'b')])
    const answer = await publish(scope, ['a.txt', 'none.txt', 'b.txt'], HTMX)
    expect(answer.text).toMatch(/2 files (published|are being prepared)/)
    await until(
      async () => scope.published.files().size,
      (size) => size === 2,
    )
    expect((await publish(scope, ['none.txt', 'nothing.txt'], HTMX)).text).toContain('Nothing was published.')
  })

  test('ten thousand of them fit into one request', async () => {
    const scope = await startScope()
    const names = Array.from({ length: 10_000 }, (_, at) => `album/a long name of a song that has a number ${at}.flac`)
    expect((await publish(scope, names)).json()).toMatchObject({ error: { code: 'PM_NO_SUCH_FILE' } })
    expect((await publish(scope, [...names, 'one more'])).status).toBe(400)
  })
})

test('an uploaded file is in the next list without another walk, and not twice after it', async () => {
  const scope = await startScope()
  const list = async () =>
    (await scope.ask('/myfiles')).json<{ files: { name: string }[] }>().files.map(({ name }) => name)
  await upload(scope, [part('a.txt', 'a')])
  expect(await list()).toEqual(['a.txt'])
  for (const name of ['b.txt', 'c.txt']) await upload(scope, [part(name, name)])
  expect(await list()).toEqual(['c.txt', 'b.txt', 'a.txt'])
  await scope.published.publish('a.txt')
  await sleep(2_100)
  // In the order of the disk now, whose clock may tick more slowly than files come.
  expect((await list()).toSorted()).toEqual(['a.txt', 'b.txt', 'c.txt'])
})

describe('a page', () => {
  test('without JavaScript comes back to where it was', async () => {
    const scope = await startScope()
    const headers = {
      ...BROWSER,
      'sec-fetch-site': 'same-origin',
      referer: `${scope.url}/myfiles?q=a`,
      origin: scope.url,
    }
    const answer = await upload(scope, [part('a.txt', 'a')], '?publish=1', headers)
    expect(answer.status).toBe(303)
    expect(answer.headers.location).toMatch(/^\/myfiles\?q=a#my-\w+$/)
    const none = await upload(scope, [part('', '')], '', { ...headers, referer: `${scope.url}/` })
    expect([none.status, none.headers.location]).toEqual([303, '/'])
  })

  test('with it gets a word about it, with the way back', async () => {
    const scope = await startScope()
    const one = await upload(scope, [part('<b>.txt', 'a')], '?publish=1', HTMX)
    expect(one.text).toMatch(/<bdi>_b_\.txt<\/bdi> is (published|being prepared)/)
    expect(one.text).toContain('hx-post="/myfiles/_b_.txt/clear"')
    const many = await upload(scope, [part('b.txt', 'b'), part('c.txt', 'c')], '?publish=1', HTMX)
    expect(many.text).toMatch(/2 files (published|are being prepared)/)
    await until(
      async () => scope.published.files().size,
      (size) => size === 3,
    )
  })
})
