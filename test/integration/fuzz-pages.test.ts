/** Pages that show what others wrote: names of any kind, searched and listed by any parameters, are text and nothing else. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isRowName } from '../../src/protocol/messages.ts'
import { checkName } from '../../src/store/names.ts'
import { attempt, fuzz, PATIENT, type Random } from '../helpers/random.ts'
import { answersIn, send } from '../helpers/wire.ts'
import { BROWSER, HTMX, idOf, type Scope, startScope } from './user-scope.ts'

/** In every hostile name: raw it would be a tag, the end of an attribute, a line of its own in a stream of events. */
const MARK = `<qz0>"qz1'>\ndata: qz2\r\nevent: qz\n\n`
const BROKEN = [/<\/?qz0/, /"qz1/, /qz1'/]
/** What stands in a stream of events is data, line by line. */
const EVENT_LINE = /^(event: (?!qz)[a-z]+|data: .*|:|)$/s
const SITES = ['javascript:', 'http://evil.example', '//evil.example', 'data:text/html,']

const nameOf = (random: Random, allowed: (name: string) => boolean): string => {
  for (;;) {
    const name = [random.text(20), MARK, random.pick(SITES), random.text(60), '.', random.text(5)]
      .filter(() => random.chance(0.7))
      .join('')
    if (allowed(name)) return name
  }
}

const isOnDisk = (name: string): boolean => !name.includes('/') && 'value' in attempt(() => checkName(name))

const some = (random: Random): string => encodeURIComponent(random.pick([MARK, random.text(80)]).toWellFormed())

/** Every address that shows something, with parameters that fit its schema and some that do not. */
const addressOf = (random: Random, ids: readonly string[]): string => {
  const path = random.pick([
    '/',
    '/myfiles',
    '/nodes',
    `/nodes/${random.pick(ids)}`,
    '/getfile/available',
    '/help',
    '/events',
    '/events',
    '/myfiles/uploaded',
  ])
  const query = random.list(5, () =>
    random.pick([
      () => `q=${some(random)}`,
      () => `page=${random.pick(['1', '2', '1000000', '0', 'x'])}`,
      () => `size=${random.pick(['1', '1000', '0'])}`,
      () => `kind=${random.pick(['', 'picture', 'other', some(random)])}`,
      () => `sort=${random.pick(['', 'name', 'holders', some(random)])}`,
      () => `show=${random.pick(['', 'published', 'private', some(random)])}`,
      () => `view=${random.pick(['home', 'first', 'myfiles', 'nodes', 'node'])}`,
      () => `id=${random.pick([...ids, some(random)])}`,
    ])(),
  )
  if (path === '/events') query.push('once=1', `view=${random.pick(['home', 'first', 'myfiles', 'nodes', 'node'])}`)
  return `${path}?${query.join('&')}`
}

const look = async (scope: Scope, random: Random, ids: readonly string[]): Promise<void> => {
  const asked = addressOf(random, ids)
  const headers = random.pick([BROWSER, HTMX, { accept: '*/*' }])
  // A stream without `once` has no end: it is not asked for here.
  if (asked.startsWith('/events?') && asked.split('view=').length !== 2) return
  const { status, text, headers: told } = await scope.ask(asked, { headers })
  const shown = `${asked} as ${headers.accept}: ${status}`
  expect([200, 303, 400, 404], `${shown}\n${text.slice(0, 300)}`).toContain(status)
  if (told['content-type']?.startsWith('application/json')) JSON.parse(text)
  if (!told['content-type']?.startsWith('text/html')) return
  for (const broken of BROKEN) expect(broken.exec(text)?.[0], `${shown} ${broken}`).toBeUndefined()
  for (const [, link = ''] of text.matchAll(/(?:href|src|action|hx-get|hx-post|hx-push-url|sse-connect)="([^"]*)"/g))
    expect(link, shown).toMatch(/^(\/(?!\/)|#|http:\/\/127\.0\.0\.1)[\x21-\x7e]*$/)
}

/** What an open page is told first. */
const listen = async (scope: Scope, view: string): Promise<void> => {
  const head = `GET /events?${view} HTTP/1.1\r\nHost: 127.0.0.1:${scope.port}\r\n\r\n`
  const [answer] = answersIn(
    await send({ port: scope.port, pieces: [Buffer.from(head)], silenceMs: 3_000, enough: '\n\n' }),
  )
  expect(answer?.headers.get('content-type'), view).toBe('text/event-stream')
  const lines = answer?.body.toString('utf8').split(/\r\n|\r|\n/) ?? []
  expect(lines.length, view).toBeGreaterThan(2)
  expect(lines.filter((line) => !EVENT_LINE.test(line))).toEqual([])
}

test('names and parameters of any kind are text on every page', PATIENT, async () => {
  await fuzz({ rounds: 2, weight: 2, limitMs: 30_000 }, async (random) => {
    const scope = await startScope({ name: nameOf(random, (name) => name.length < 60) })
    const own = Array.from({ length: 6 }, () => nameOf(random, isOnDisk))
    for (const name of own) await writeFile(join(scope.home, name), name)
    await Promise.all(own.slice(0, 4).map((name) => scope.published.publish(name)))
    const ids = ['a', 'b', 'c'].map((peer) => {
      const files = Array.from({ length: 5 }, () => ({
        name: nameOf(random, isRowName),
        bytes: Buffer.from(random.bytes(9)),
      }))
      const name = nameOf(random, (one) => one.isWellFormed() && one.length > 0 && Buffer.byteLength(one) <= 64)
      scope.meet({
        id: idOf(peer),
        name,
        address: `127.0.0.1:${1 + random.int(65_535)}`,
        files,
        alive: random.chance(0.7),
      })
      return idOf(peer)
    })
    await listen(scope, random.pick(['', 'view=home', 'view=myfiles', 'view=nodes', `view=node&id=${ids[0]}`]))
    for (let looks = 0; looks < 40; looks++) await look(scope, random, [...ids, '0'.repeat(64)])
    for (const name of own) {
      const path = `/myfiles/${encodeURIComponent(name)}/${random.pick(['upload', 'clear'])}`
      const asks = [
        { method: 'GET', headers: BROWSER },
        { method: 'POST', headers: random.pick([BROWSER, HTMX, {}]) },
      ] as const
      const { status, text } = await scope.ask(path, random.pick(asks))
      expect([200, 303], `${JSON.stringify(name)}: ${text.slice(0, 300)}`).toContain(status)
      for (const broken of BROKEN) if (text.startsWith('<')) expect(broken.exec(text)?.[0], path).toBeUndefined()
    }
    expect(scope.troubles).toEqual([])
  })
})
