import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { request } from 'undici'
import { describe, expect, onTestFinished, test } from 'vitest'
import { until } from '../helpers/api.ts'
import { HTMX, idOf, type Scope, startScope } from './user-scope.ts'

const BEN = { id: idOf('Ben'), name: 'Ben’s desktop', address: '127.0.0.1:5001' }
const file = (name: string) => ({ name, bytes: Buffer.from(name) })

interface Message {
  readonly event: string
  readonly data: string
  readonly atMs: number
}

/** Read a stream as it comes. */
const listen = async (scope: Scope, path: string, headers: Record<string, string> = HTMX) => {
  const { body, headers: answer } = await request(scope.url + path, { headers, bodyTimeout: 0 })
  const messages: Message[] = []
  let open = true
  let text = ''
  onTestFinished(() => void body.on('error', () => {}).destroy())
  void (async () => {
    for await (const chunk of body) {
      text += chunk
      const blocks = text.split('\n\n')
      text = blocks.pop() ?? ''
      for (const block of blocks) {
        const lines = block.split('\n')
        const of = (field: string) =>
          lines.filter((line) => line.startsWith(`${field}: `)).map((line) => line.slice(field.length + 2))
        messages.push({ event: of('event').join(), data: of('data').join('\n'), atMs: performance.now() })
      }
    }
  })()
    .catch(() => {})
    .finally(() => {
      open = false
    })
  const next = async (count: number): Promise<Message> => {
    await until(
      async () => messages.length,
      (length) => length >= count,
    )
    return messages[count - 1] ?? { event: '', data: '', atMs: 0 }
  }
  return {
    messages,
    next,
    type: answer['content-type'],
    isOpen: () => open,
    close: () => body.on('error', () => {}).destroy(),
  }
}

const targetsOf = ({ data }: Message): string[] =>
  [...data.matchAll(/<hx-partial hx-target="([^"]+)"/g)].map(([, target = '']) => target)

describe('a page that is open', () => {
  test('gets its whole present state first, then what changed, and nothing else', async () => {
    const scope = await startScope()
    scope.meet({ ...BEN, files: [file('one.pdf')] })
    const stream = await listen(scope, '/events?view=home')
    expect(stream.type).toBe('text/event-stream')
    const first = await stream.next(1)
    expect(targetsOf(first)).toEqual([
      '#counts',
      '#q',
      '#notes',
      '#mesh',
      '#mine',
      '#reach',
      '#transfers',
      '#now',
      '#moving',
      '#catalogue',
    ])
    expect(first.data).toContain('one')
    expect(first.event).toBe('')

    scope.news.tell('table')
    await sleep(400)
    expect(stream.messages).toHaveLength(1)

    scope.meet({ ...BEN, files: [file('one.pdf'), file('two.pdf')] })
    const second = await stream.next(2)
    expect(targetsOf(second)).toEqual(['#counts', '#q', '#catalogue'])

    scope.table.gone(BEN.address)
    const third = await stream.next(3)
    expect(targetsOf(third)).toHaveLength(3)
    expect(targetsOf(third)).toContain('#mesh')
    expect(third.data).toContain('has it, away since')
    expect(third.data).not.toContain('#catalogue')

    scope.table.forget(BEN.id)
    const fourth = await stream.next(4)
    expect(fourth.data).toContain('No longer shared')
    expect(targetsOf(fourth).at(-1)).toBe('#catalogue')
  })

  test('gets a burst as one message, at most four times a second', async () => {
    const scope = await startScope()
    scope.meet({ ...BEN, files: [file('0.pdf')] })
    const stream = await listen(scope, '/events?view=home')
    await stream.next(1)
    const begin = performance.now()
    for (let at = 1; performance.now() - begin < 1_400; at += 1) {
      scope.meet({ ...BEN, files: [file(`${at}.pdf`)] })
      await sleep(10)
    }
    await sleep(400)
    expect(stream.messages.length).toBeGreaterThan(3)
    expect(stream.messages.length).toBeLessThan(9)
    const gaps = stream.messages.slice(2).map(({ atMs }, at) => atMs - (stream.messages[at + 1]?.atMs ?? 0))
    expect(Math.min(...gaps)).toBeGreaterThan(200)
  })

  test('sees only what its question asks for', async () => {
    const scope = await startScope()
    scope.meet({ ...BEN, files: [file('song.flac')] })
    const stream = await listen(scope, '/events?view=home&q=song&kind=music')
    await stream.next(1)
    scope.meet({ ...BEN, files: [file('song.flac'), file('report.pdf')] })
    const second = await stream.next(2)
    expect(targetsOf(second)).toEqual(['#counts', '#q'])
    expect(second.data).not.toContain('report')
  })

  test('of My files sees a file that another program puts there, and its preparing', async () => {
    const scope = await startScope()
    const stream = await listen(scope, '/events?view=myfiles')
    expect(targetsOf(await stream.next(1))).toEqual(['#counts', '#reach', '#q', '#moving', '#files'])
    await writeFile(join(scope.home, 'large.bin'), Buffer.alloc(256_000_000))
    expect((await stream.next(2)).data).toContain('large')
    await scope.published.publish('large.bin')
    await until(
      async () => stream.messages.at(-1)?.data ?? '',
      (data) => data.includes('Published</span>'),
    )
    const row = stream.messages.find(({ data }) => data.includes('Preparing'))
    expect(row?.data).toContain('<progress class="line" max="100"')
    const moves = stream.messages.filter(({ data }) => data.includes('Preparing'))
    const gaps = moves.slice(1).map(({ atMs }, at) => atMs - (moves[at]?.atMs ?? 0))
    expect(Math.min(500, ...gaps)).toBeGreaterThan(400)
  })

  test('is told when a file could not be published in the end', async () => {
    const scope = await startScope()
    const stream = await listen(scope, '/events?view=myfiles')
    await stream.next(1)
    await writeFile(join(scope.home, 'large <b>.bin'), Buffer.alloc(512_000_000))
    const answer = await scope.ask('/myfiles/large%20%3Cb%3E.bin/upload', { method: 'POST', headers: HTMX })
    expect(answer.text).toContain('Preparing')
    await writeFile(join(scope.home, 'large <b>.bin'), 'cut short')
    await until(
      async () => stream.messages.map(({ data }) => data).join(),
      (data) => data.includes('<bdi>large &lt;b&gt;.bin</bdi> was not published. That file has changed'),
    )
  })

  test('of Nodes sees who comes and goes', async () => {
    const scope = await startScope()
    const stream = await listen(scope, '/events?view=nodes')
    await stream.next(1)
    scope.meet(BEN)
    expect((await stream.next(2)).data).toContain('Here now, nothing published')
    scope.table.gone(BEN.address)
    const third = await stream.next(3)
    expect(third.data).toContain('Away since')
    expect(targetsOf(third)).toContain(`#n-${BEN.id.slice(0, 12)}`)
  })

  test('of one node sees what it publishes, when it goes, and when it is forgotten', async () => {
    const scope = await startScope()
    scope.meet({ ...BEN, files: [file('one.pdf')] })
    const stream = await listen(scope, `/events?view=node&id=${BEN.id}`)
    expect(targetsOf(await stream.next(1))).toEqual(['#node', '#notes', '#known', '#about', '#q', '#moving', '#shared'])
    scope.meet({ ...BEN, files: [file('one.pdf'), file('two.pdf')] })
    expect((await stream.next(2)).data).toContain('two')
    scope.table.gone(BEN.address)
    expect((await stream.next(3)).data).toContain('Away since')
    scope.table.forget(BEN.id)
    expect((await stream.next(4)).data).toContain('Not in the table any more')
    expect((await scope.ask(`/events?view=node&id=${BEN.id}`, { headers: HTMX })).status).toBe(404)
  })

  test('that welcomes becomes the list with the first file', async () => {
    const scope = await startScope()
    const stream = await listen(scope, '/events?view=first')
    expect(targetsOf(await stream.next(1))).toEqual(['#folder', '#notes', '#mesh', '#reach', '#moving'])
    scope.meet({ ...BEN, files: [file('one.pdf')] })
    const second = await stream.next(2)
    expect(targetsOf(second)).toEqual(['#main', '#live'])
    expect(second.data).toContain('/events?view=home')
  })
})

describe('a program', () => {
  test('gets each topic by its name, as JSON, and then only those that have news', async () => {
    const scope = await startScope()
    await writeFile(join(scope.home, 'plan.pdf'), 'plan')
    const stream = await listen(scope, '/events', {})
    await stream.next(4)
    expect(stream.messages.map(({ event }) => event)).toEqual(['table', 'catalogue', 'files', 'transfers'])
    expect(stream.messages.map(({ data }) => JSON.parse(data))).toEqual([
      (await scope.ask('/nodes')).json(),
      (await scope.ask('/getfile/available')).json(),
      (await scope.ask('/myfiles')).json(),
      (await scope.ask('/transfers')).json(),
    ])
    scope.meet({ ...BEN, files: [file('one.pdf')] })
    await stream.next(6)
    expect(stream.messages.slice(4).map(({ event }) => event)).toEqual(['table', 'catalogue'])
    expect(JSON.parse(stream.messages[5]?.data ?? '')).toMatchObject({ total: 1 })
  })
})

describe('too many streams', () => {
  test('end the oldest, whose page asks from time to time until there is room again', async () => {
    const scope = await startScope()
    scope.meet({ ...BEN, files: [file('one.pdf')] })
    const oldest = await listen(scope, '/events?view=home&q=one')
    await oldest.next(1)
    const others = []
    for (let at = 0; at < 4; at += 1) {
      const other = await listen(scope, '/events?view=nodes')
      await other.next(1)
      others.push(other)
    }
    await until(
      async () => oldest.isOpen(),
      (open) => !open,
    )
    expect(others.every(({ isOpen }) => isOpen())).toBe(true)
    const last = oldest.messages.at(-1)?.data ?? ''
    expect(last).toContain('hx-get="/events?view=home&amp;q=one&amp;once=1" hx-trigger="every 10s"')

    const full = await scope.ask('/events?view=home&q=one&once=1', { headers: HTMX })
    expect(full.headers['content-type']).toBe('text/html; charset=utf-8')
    expect(full.text).toContain('#catalogue')
    expect(full.text).not.toContain('#live')
    others[0]?.close()
    await until(
      async () => (await scope.ask('/events?view=home&q=one&once=1', { headers: HTMX })).text,
      (text) => text.includes('hx-sse:connect="/events?view=home&amp;q=one"'),
    )
  })

  test('of programs are told so by name', async () => {
    const scope = await startScope()
    const oldest = await listen(scope, '/events', {})
    for (let at = 0; at < 4; at += 1) await (await listen(scope, '/events', {})).next(3)
    await until(
      async () => oldest.isOpen(),
      (open) => !open,
    )
    expect(oldest.messages.at(-1)).toMatchObject({ event: 'full', data: '{"askAgainAfterSeconds":10}' })
  })
})

test('all streams end when the node stops', async () => {
  const scope = await startScope()
  const streams = [await listen(scope, '/events?view=home'), await listen(scope, '/events', {})]
  for (const stream of streams) await stream.next(1)
  scope.stopping.abort()
  await until(
    async () => streams.some(({ isOpen }) => isOpen()),
    (open) => !open,
    1_000,
  )
})

test('a reader who does not read is not written to, and costs nothing', async () => {
  const scope = await startScope()
  scope.meet({ ...BEN, files: [file('0.pdf')] })
  const socket = connect(scope.port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  socket.write(`GET /events?view=home&size=1000 HTTP/1.1\r\nhost: 127.0.0.1:${scope.port}\r\n\r\n`)
  socket.pause()
  let searches = 0
  const search = scope.catalogue.search.bind(scope.catalogue)
  scope.catalogue.search = (query) => {
    searches += 1
    return search(query)
  }
  // Each message has some megabytes: what the kernel takes is soon full.
  const long = 'x'.repeat(900)
  for (let at = 0; at < 10; at += 1) {
    scope.meet({
      ...BEN,
      files: Array.from({ length: 1000 }, (_, number) => file(`${at} ${number} ${long}${'<'.repeat(90)}.pdf`)),
    })
    await sleep(350)
  }
  const before = searches
  expect(before).toBeLessThan(7)
  socket.resume()
  await until(
    async () => searches,
    (now) => now > before,
  )
})
