/** Requests that nobody sends: every route of a node with the wrong everything, drawn by chance. */
import { METHODS } from 'node:http'
import type { Random } from './random.ts'
import type { Route } from './routes.ts'

/** What a request may name of a node, besides what chance brings. */
export interface Known {
  readonly port: number
  readonly routes: readonly Route[]
  readonly names: readonly string[]
  readonly hashes: readonly string[]
  readonly ids: readonly string[]
}

export interface HostileRequest {
  readonly bytes: Uint8Array
  readonly method: string
  readonly target: string
  /** The host it names is the node's own: it may be the person's. */
  readonly own: boolean
}

const ODD_NAMES = [
  'a\0b',
  'x'.repeat(256),
  ...'nothing.txt report.txt/x no/where .. ../x ../../etc/passwd .portmesh/state.db /etc/passwd a\\..\\b __proto__'.split(
    ' ',
  ),
]
const ODD_TARGETS = [
  '',
  ...'* / // /.. /% /%00 /? /# ? /%2e%2e/%2e%2e/etc/passwd /./myfiles/.. /\\..\\ /%c0%ae/ /%ff'.split(' '),
]
const QUERIES =
  'q page size kind sort show view id once publish epoch since files name pieces want __proto__ constructor'.split(' ')
const VALUES = [
  ...['', ...'0 1 2 -1 1e3 1000 1000001 0-1 0:AA %00 %ff []'.split(' ')],
  ...'home first myfiles nodes node new holders picture published'.split(' '),
]
const TYPES = [
  '',
  'application/json; charset=utf-16',
  'application/json\t; a=b',
  'multipart/form-data; boundary=AaB',
  'multipart/mixed; boundary=AaB',
  ...'application/json application/x-www-form-urlencoded application/octet-stream text/plain multipart/form-data'.split(
    ' ',
  ),
]

const USUAL_TYPES = ['application/json', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=AaB']

/** Bytes as a part of a target: plain where they may stand so, or in any spelling. */
const spelled = (random: Random, text: string): string => {
  const share = random.pick([0, 0, 0.1, 1])
  return [...Buffer.from(text.toWellFormed())]
    .map((byte) => {
      const character = String.fromCharCode(byte)
      if (/[\w.~-]/.test(character) && !random.chance(share)) return character
      const hex = byte.toString(16).padStart(2, '0')
      return `%${random.chance(0.5) ? hex.toUpperCase() : hex}`
    })
    .join('')
}

const parameterOf = (random: Random, parameter: string, known: Known): string => {
  const pools: Record<string, () => string> = {
    name: () => random.pick([...known.names, ...known.names, ...ODD_NAMES]),
    hash: () => random.pick([...known.hashes, 'A'.repeat(64), '0'.repeat(63)]),
    id: () => random.pick([...known.ids, '0'.repeat(64)]),
    sid: () => Buffer.from(random.bytes(16)).toString('base64url'),
    peer: () => random.pick([String(known.port), `127.0.0.1:${known.port}`, 'localhost:22', '0x50', '[::1]:80', '1']),
    '*': () => random.pick(['style.css', 'htmx/htmx.min.js', '../../package.json', 'htmx/../../../package.json', '.']),
  }
  // Of a route that came later: anything that is known may be what it means.
  const any = () => random.pick([...known.hashes, ...known.ids, ...known.names, ...VALUES])
  return random.chance(0.8) ? (pools[parameter] ?? any)() : random.text(random.chance(0.95) ? 60 : 4_000)
}

const queryOf = (random: Random, known: Known): string => {
  if (random.chance(0.4)) return ''
  const fields = random.list(5, () => {
    const value = random.chance(0.7)
      ? random.pick([...VALUES, ...known.ids, ...known.hashes])
      : spelled(random, random.text(40))
    return `${random.chance(0.9) ? random.pick(QUERIES) : spelled(random, random.text(10))}${random.pick(['=', '=', '=', '', '[]=', '[a]=', '=='])}${value}`
  })
  return `?${fields.join(random.pick(['&', '&', '&', ';', '&&']))}`
}

/** A route's path with values for its parameters. */
export const filled = (random: Random, url: string, known: Known): string =>
  url.replace(/:(\w+)|\*/g, (found, name: string | undefined) =>
    spelled(random, parameterOf(random, name ?? found, known)),
  )

export const targetOf = (random: Random, url: string, known: Known): string => {
  const target = filled(random, url, known) + queryOf(random, known)
  const kind = random.int(24)
  if (kind === 0) return random.pick(ODD_TARGETS)
  if (kind === 1) return `/${target}`
  if (kind === 2) return `http://127.0.0.1:${known.port}${target}`
  if (kind === 3) return random.mutatedText(target).replace(/[\r\n]/g, '')
  if (kind === 4) return target.toUpperCase()
  if (kind === 5) return `${target}/`
  if (kind === 6) return target.replaceAll('/', random.pick(['%2f', '%2F', '\\', '/./', '//', ';/']))
  if (kind === 7) return `${target}${'a'.repeat(random.int(20_000))}`
  return target
}

const headersOf = (random: Random, { port }: Known, own: boolean): string[] => {
  const origin = own ? `http://127.0.0.1:${port}` : 'http://evil.example'
  const pool: (() => string)[] = [
    () => `Accept: ${random.pick(['text/html', '*/*', 'application/json', 'text/html;q=0', random.text(30)])}`,
    () => `HX-Request-Type: ${random.pick(['partial', 'full', ''])}`,
    () => `HX-Current-URL: ${random.pick([`${origin}/`, `${origin}/nodes`, ':', 'data:,'])}`,
    () => `Origin: ${random.pick([origin, 'null', 'http://evil.example'])}`,
    () => `Referer: ${random.pick([`${origin}/myfiles?q=%00`, 'http://evil.example/', '::'])}`,
    () => `Sec-Fetch-Site: ${random.pick(['same-origin', 'none', 'cross-site', ''])}`,
    () => `Sec-Fetch-Mode: ${random.pick(['navigate', 'cors'])}`,
    () => 'Prefer: respond-async',
    () => `Range: bytes=${random.pick(['0-1', '-1', '5-', '9-1', '0-0,2-3', 'x'])}`,
    () => `If-None-Match: ${random.pick(['*', '"x"', 'W/""'])}`,
    () => `If-Modified-Since: ${random.text(20)}`,
    () => `Expect: ${random.pick(['100-continue', 'x'])}`,
    () => `Upgrade: ${random.pick(['websocket', 'h2c', ''])}\r\nConnection: Upgrade`,
    () => `Content-Encoding: ${random.pick(['gzip', 'identity', 'br'])}`,
    () =>
      `Portmesh-Auth: v=1; sid=${'A'.repeat(22)}; n=${random.pick(['1', '0', '01', '9'.repeat(11)])}; mac=${'A'.repeat(43)}`,
    () => `X-${random.text(10)}: ${random.text(100)}`,
    () => `A: ${'a'.repeat(random.int(20_000))}`,
    () => 'B: b\r\n'.repeat(random.int(300)).slice(0, -2) || 'B:',
    () => `Folded: a\r\n ${random.text(20)}`,
    () => `${random.pick([' ', '\t'])}Odd : ${random.pick(['\t', '  '])}b`,
    () => `Host: ${random.pick(['', 'evil.example', '127.0.0.1'])}`,
    () => `Cookie: ${random.text(100)}`,
  ]
  return [random.pick(pool)(), ...random.list(4, () => random.pick(pool)())]
}

const PART = (name: string, filename: string, content: string): string =>
  `--AaB\r\nContent-Disposition: form-data; name="${name}"; filename="${filename}"\r\n\r\n${content}\r\n`

export const bodyOf = (random: Random, type: string, known: Known): Uint8Array => {
  const name = (): string => (random.chance(0.6) ? random.pick([...known.names, ...ODD_NAMES]) : random.text(80))
  const whole = ((): string | Uint8Array => {
    if (random.chance(0.1)) return random.bytes(random.length(random.chance(0.9) ? 2_000 : 100_000))
    if (type.startsWith('multipart')) {
      const parts = random.list(4, () => PART(random.text(6), name(), random.text(500)))
      return `${parts.join('')}--AaB${random.pick(['--\r\n', '', '--', '\r\n'])}`
    }
    if (type.startsWith('application/x-www'))
      return random
        .list(6, () => `${random.pick(['name', 'name', 'name', '__proto__', 'name[]', ''])}=${spelled(random, name())}`)
        .join('&')
    const values = [
      random.value(4),
      { name: random.list(5, name) },
      { name: name() },
      { kind: 'changed', port: random.number() },
    ]
    const text = JSON.stringify(random.pick<unknown>(values)) ?? ''
    return random.pick([
      text,
      text,
      text,
      '{"__proto__":{"a":1}}',
      '{"constructor":{"prototype":{}}}',
      '['.repeat(random.int(8_000)),
    ])
  })()
  const bytes = Buffer.from(whole)
  return random.chance(0.25) ? random.mutated(bytes) : bytes
}

/** The head and body of a request; lengths and chunks that are wrong, now and then. */
const framed = (random: Random, head: string[], body: Uint8Array | undefined): Uint8Array => {
  if (!body) return Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1')
  const kind = random.int(12)
  const length = random.pick([0, body.length + 1, Math.max(0, body.length - 1), -1, 1e9, 2 ** 53])
  const framing =
    kind < 8
      ? `Content-Length: ${body.length}`
      : kind === 8
        ? `Content-Length: ${length}`
        : 'Transfer-Encoding: chunked'
  const more =
    kind === 9 ? [framing, 'Content-Length: 5'] : kind === 8 && random.chance(0.2) ? [framing, framing] : [framing]
  const chunks = random
    .chunks(body)
    .filter((chunk) => chunk.length > 0)
    .slice(0, 500)
  const coded = chunks.flatMap((chunk) => [
    Buffer.from(`${chunk.length.toString(16)}${random.chance(0.05) ? `;${random.text(20)}` : ''}\r\n`),
    chunk,
    Buffer.from('\r\n'),
  ])
  const end = Buffer.from(
    random.pick(['0\r\n\r\n', '0\r\n\r\n', '0\r\nA: b\r\n\r\n', '', 'zz\r\n', '-1\r\n\r\n', 'fffffffffffffffff\r\n']),
  )
  const sent = kind < 9 ? [body] : [...coded, end]
  return Buffer.concat([Buffer.from(`${[...head, ...more].join('\r\n')}\r\n\r\n`, 'latin1'), ...sent])
}

/** One of every two is polite: it is wrong in one thing at most, and comes to what lies behind all guards. */
export const hostileRequest = (random: Random, known: Known): HostileRequest =>
  (random.chance(0.5) ? polite : rude)(random, known)

const polite = (random: Random, known: Known): HostileRequest => {
  const { method, url } = random.pick(known.routes)
  const target = filled(random, url, known) + queryOf(random, known)
  const more = [
    () => `Accept: ${random.pick(['text/html', '*/*'])}`,
    () => 'Accept: text/html\r\nHX-Request-Type: partial',
    () => 'Prefer: respond-async',
    () => `Origin: http://127.0.0.1:${known.port}`,
    () => random.pick(headersOf(random, known, true)),
    () => 'Connection: close',
  ]
  const type = random.chance(0.9) ? random.pick(USUAL_TYPES) : random.pick(TYPES)
  const body = method === 'POST' && random.chance(0.6) ? bodyOf(random, type, known) : undefined
  const typed = body ? [`Content-Type: ${type}`, `Content-Length: ${body.length}`] : ['Content-Length: 0']
  const head = [
    `${method} ${target} HTTP/1.1`,
    `Host: 127.0.0.1:${known.port}`,
    'Connection: close',
    random.pick(more)(),
    ...typed,
  ]
  const bytes = Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), body ?? new Uint8Array()])
  return { bytes, method, target, own: true }
}

const rude = (random: Random, known: Known): HostileRequest => {
  const route = random.pick(known.routes)
  const method = random.chance(0.85) ? route.method : random.chance(0.8) ? random.pick(METHODS) : random.text(12)
  const target = targetOf(random, route.url, known)
  const own = random.chance(0.7)
  const host = own
    ? random.pick([`127.0.0.1:${known.port}`, `localhost:${known.port}`])
    : random.pick(['evil.example', '', `[::1]:${known.port}`])
  const version = random.chance(0.97) ? 'HTTP/1.1' : random.pick(['HTTP/1.0', 'HTTP/2.0', 'HTTP/9.9', 'http/1.1', ''])
  const head = [`${method} ${target} ${version}`, `Host: ${host}`, ...headersOf(random, known, own)]
  if (random.chance(0.8)) head.push('Connection: close')
  const type = random.pick(TYPES)
  const body = random.chance(method === 'GET' ? 0.1 : 0.85) ? bodyOf(random, type, known) : undefined
  if (body && random.chance(0.95)) head.push(`Content-Type: ${type}`)
  const bytes = framed(random, head, body)
  return { bytes: random.chance(0.1) ? random.mutated(bytes) : bytes, method, target, own }
}
