import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { expect, test } from 'vitest'

/** Who may import whom; a room is a folder of src or a file directly in it. Downwards only. */
const FOUNDATION = [
  ...['errors', 'bytes', 'news', 'metrics', 'workers', 'compiled', 'log', 'allowance', 'connections', 'refusals'],
]
const MAY: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  bytes: [],
  news: [],
  metrics: [],
  workers: ['errors'],
  allowance: [],
  connections: [],
  compiled: [],
  refusals: ['metrics'],
  'rate-words': [],
  traffic: ['allowance', 'protocol', 'rate-words', 'settings-file'],
  log: ['config'],
  config: ['errors', 'rate-words'],
  crypto: ['errors', 'bytes'],
  protocol: ['errors', 'bytes'],
  api: ['errors', 'protocol'],
  dht: ['protocol', 'errors', 'bytes', 'news'],
  store: ['errors', 'bytes', 'config', 'news', 'workers', 'compiled'],
  session: ['crypto', 'protocol', 'errors', 'bytes', 'metrics', 'workers', 'compiled'],
  trust: ['crypto', 'protocol', 'errors', 'bytes', 'news'],
  peer: ['session', 'protocol', 'errors', 'bytes', 'metrics', 'workers', 'allowance', 'compiled'],
  settings: ['config', 'errors', 'rate-words'],
  'settings-file': ['errors', 'settings', 'store'],
  'on-disk': ['crypto', 'first-start', 'log', 'news', 'store', 'transfer', 'workers'],
  speaking: ['crypto', 'metrics', 'peer', 'session', 'workers'],
  'own-rows': ['dht', 'store', 'news'],
  'network-side': ['discovery', 'neighbours', 'routes/user', 'settings-file', 'store'],
  doctor: ['dht', 'lan', 'peer', 'protocol'],
  neighbours: ['connections', 'dht', 'discovery', 'doctor', 'lan', 'news', 'peer', 'protocol', 'store', 'trust'],
  discovery: ['dht', 'peer', 'protocol', 'errors', 'bytes', 'news'],
  transfer: ['store', 'peer', 'protocol', 'errors', 'bytes', 'news', 'metrics', 'workers', 'allowance', 'compiled'],
  'http-server': ['protocol', 'connections'],
  lan: ['http-server', 'discovery', 'protocol', 'errors', 'bytes', 'news', 'connections'],
  claim: ['http-server', 'store', 'protocol', 'errors', 'config', 'connections'],
  remember: ['dht', 'store', 'news'],
  'who-is-who': ['dht', 'store', 'trust', 'errors', 'news'],
  'first-start': ['crypto', 'store'],
  sharing: ['dht', 'store', 'peer', 'protocol', 'transfer', 'news', 'workers'],
  'routes/peer': ['session', 'transfer', 'dht', 'store', 'protocol', 'errors', 'bytes', 'allowance', 'connections'],
  'routes/user': [
    ...['transfer', 'lan', 'doctor', 'dht', 'store', 'trust', 'api', 'protocol', 'errors', 'news', 'metrics'],
    'rate-words',
  ],
  app: ['routes/peer', 'routes/user', 'errors', 'config', 'bytes', 'protocol', 'log'],
  cli: ['api', 'config', 'settings', 'errors', 'bytes', 'rate-words'],
  node: [
    ...FOUNDATION,
    'config',
    'crypto',
    'protocol',
    'dht',
    'store',
    'session',
    'peer',
    'discovery',
    'lan',
    'transfer',
    'claim',
    'remember',
    'sharing',
    'settings',
    'traffic',
    'rate-words',
    'who-is-who',
    'speaking',
    'http-server',
    'first-start',
    'settings',
    'settings-file',
    'on-disk',
    'own-rows',
    'connections',
    'neighbours',
    'network-side',
    'routes/peer',
    'app',
  ],
  main: ['cli', 'node', 'config', 'errors', 'log', 'compiled'],
}

/** Modules a room must never touch, by the start of their names. */
const NETWORK = ['undici', 'node:http', 'node:net', 'node:https', 'node:dgram']
const DISK = ['node:fs', 'node:sqlite']
const FASTIFY = ['fastify', '@fastify/']
const NEVER: Readonly<Record<string, readonly string[]>> = {
  config: NETWORK,
  crypto: [...NETWORK, ...DISK, ...FASTIFY],
  protocol: [...NETWORK, ...DISK, ...FASTIFY],
  api: [...NETWORK, ...DISK, ...FASTIFY, 'node:crypto'],
  dht: [...NETWORK, ...DISK, ...FASTIFY],
  store: [...NETWORK, ...FASTIFY],
  session: [...NETWORK, ...DISK, ...FASTIFY],
  trust: [...NETWORK, ...DISK, ...FASTIFY],
  peer: [...DISK, ...FASTIFY],
  discovery: [...DISK, ...FASTIFY],
  'http-server': [...DISK, ...FASTIFY],
  lan: [...DISK, ...FASTIFY],
  transfer: FASTIFY,
  'routes/peer': ['undici', ...DISK, 'node:crypto'],
  'routes/user': ['undici', ...DISK, 'node:crypto'],
  app: ['undici', ...DISK],
}

/** Pure look-ups of the network module, and errors as a class, are no network and no Fastify. */
const HARMLESS: Readonly<Record<string, readonly string[]>> = {
  config: ['node:net'],
  discovery: ['node:net'],
  protocol: [],
  dht: [],
}

const src = resolve(import.meta.dirname, '../../src')
const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))

const roomOf = (file: string): string => {
  const parts = file.split('/')
  if (parts[0] === 'routes') return `routes/${parts[1]}`
  return (parts[0] ?? '').replace(/\.ts$/, '')
}

const importsOf = (file: string): string[] => {
  const text = readFileSync(join(src, file), 'utf8')
  return [...text.matchAll(/(?:from|import\()\s*'([^']+)'/g)].map((match) => match[1] ?? '')
}

test('every room is known to the plan', () => {
  const unknown = files.filter((file) => MAY[roomOf(file)] === undefined)
  expect(unknown).toEqual([])
})

test('imports go downwards only', () => {
  const forbidden = files.flatMap((file) => {
    const room = roomOf(file)
    return importsOf(file)
      .filter((name) => name.startsWith('.') && name.endsWith('.ts'))
      .map((name) => roomOf(relative(src, resolve(src, dirname(file), name))))
      .filter((target) => target !== room && !MAY[room]?.includes(target))
      .map((target) => `${file} -> ${target}`)
  })
  expect(forbidden).toEqual([])
})

test('no room touches what it must never touch', () => {
  const forbidden = files.flatMap((file) => {
    const room = roomOf(file)
    return importsOf(file)
      .filter((name) =>
        NEVER[room]?.some((start) => name === start || name.startsWith(start.endsWith('/') ? start : `${start}/`)),
      )
      .filter((name) => !HARMLESS[room]?.includes(name))
      .map((name) => `${file} -> ${name}`)
  })
  expect(forbidden).toEqual([])
})

test('only main reads the process', () => {
  const readers = files
    .filter((file) => file !== 'main.ts')
    .filter((file) => /\bprocess\.(argv|env|exit)\b/.test(readFileSync(join(src, file), 'utf8')))
  expect(readers).toEqual([])
})

test('no file is a hall', () => {
  const halls = files.filter((file) => readFileSync(join(src, file), 'utf8').split('\n').length > 301)
  expect(halls).toEqual([])
})
