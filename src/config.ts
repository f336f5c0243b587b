/** What a node is told at its start. The command line, the environment, settings.json and the defaults become one Config. */
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { isAbsolute, join, resolve, sep } from 'node:path'
import { CannotStart, WrongUse } from './errors.ts'
import { LIMIT_NAMES, type Limits, parseLimit, UNLIMITED, whyNotLimit } from './rate-words.ts'

export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export interface Config {
  /** The file with the authorized ports; an absolute path. */
  readonly portsFile: string
  /** The home; undefined: `<homes>/<port>`. An absolute path. */
  readonly home: string | undefined
  /** Where homes without a name of their own lie: `<homes>/<port>`. An absolute path. */
  readonly homes: string
  /** What others see of this node; at most 64 bytes of UTF-8. */
  readonly name: string
  /** Pause between two rounds of the keep-alive loop. */
  readonly intervalMs: number
  readonly logLevel: LogLevel
  /** Whether the network sees this node, and at which addresses only; none named: at all of them. */
  readonly lan: boolean
  readonly hosts: readonly string[]
  /** Bytes a second to and from other computers; 0 is no limit. */
  readonly limits: Limits
  /** What an option or the environment decided: settings.json does not change it (see `withSettings`). */
  readonly fixed: {
    readonly name: boolean
    readonly interval: boolean
    readonly lan: boolean
    readonly limits: Partial<Limits>
  }
}

/** Options of the command line as they were typed; numbers are checked here, together with those of the environment. */
export interface Options {
  readonly ports?: string | undefined
  readonly files?: string | undefined
  readonly name?: string | undefined
  readonly interval?: string | undefined
  readonly lan?: string | undefined
  readonly host?: string | undefined
  readonly logLevel?: string | undefined
  readonly up?: string | undefined
  readonly down?: string | undefined
  readonly upPeer?: string | undefined
  readonly downPeer?: string | undefined
}

/** Where and by whom the program was started; all paths absolute. */
export interface Surroundings {
  readonly options: Options
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** The folder of package.json: the clone, or the installed package. */
  readonly root: string
  /** The person's own folder (`~`). */
  readonly personHome: string
  readonly user: string | undefined
  readonly host: string
}

/** The environment variable of each option. */
export const ENVIRONMENT = {
  ports: 'PORTMESH_PORTS',
  files: 'PORTMESH_FILES',
  name: 'PORTMESH_NAME',
  interval: 'PORTMESH_INTERVAL',
  lan: 'PORTMESH_LAN',
  host: 'PORTMESH_HOST',
  logLevel: 'PORTMESH_LOG_LEVEL',
  up: 'PORTMESH_UP',
  down: 'PORTMESH_DOWN',
  upPeer: 'PORTMESH_UP_PEER',
  downPeer: 'PORTMESH_DOWN_PEER',
} as const satisfies Record<keyof Options, string>

export const DEFAULT_INTERVAL_MS = 10_000
export const DEFAULT_LOG_LEVEL: LogLevel = 'warn'
/** Shorter: a node would do nothing but ask. Longer: a silent peer would look alive for more than an hour. */
export const MIN_INTERVAL_MS = 200
export const MAX_INTERVAL_MS = 3_600_000
/** UTF-8; what a page can show in one line. */
export const MAX_NAME_BYTES = 64

/** C0, DEL, C1; zero-width and bidirectional controls; line and paragraph separators; lone surrogates. */
const NOT_FOR_NAMES = /[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|\p{Cs}/gu
const DECIMAL = /^\d{1,9}(\.\d{1,9})?$/

/**
 * Options win over the environment, the environment over the defaults. Disk is not touched.
 * A given relative path is relative to where the person stands; default paths never are.
 * @throws WrongUse when an option or a variable has a value that is not allowed.
 */
export const resolveConfig = (surroundings: Surroundings): Config => {
  const { env, cwd, root, options, personHome } = surroundings
  const base = defaultBase(root, personHome)
  const stand = standing(env, cwd, root)
  const given = (key: keyof Options) => pick(options[key], env[ENVIRONMENT[key]], key)
  const path = (key: 'ports' | 'files') => {
    const found = given(key)
    return found && absolute(found.value, stand, personHome)
  }
  const name = given('name')
  const interval = given('interval')
  const logLevel = given('logLevel')
  const lan = given('lan')
  const hosts = hostsOf(given('host'))
  const limits: Partial<Limits> = Object.fromEntries(
    LIMIT_NAMES.flatMap((key) => [given(key)].flatMap((found) => (found ? [[key, limitOf(found)]] : []))),
  )
  return {
    portsFile: path('ports') ?? join(base, 'ports.txt'),
    home: path('files'),
    homes: join(base, 'files'),
    name: name ? nameOf(name) : defaultName(surroundings.user, surroundings.host),
    intervalMs: interval ? intervalOf(interval) : DEFAULT_INTERVAL_MS,
    logLevel: logLevel ? logLevelOf(logLevel) : DEFAULT_LOG_LEVEL,
    lan: lan ? isOn(lan) : hosts !== undefined,
    hosts: hosts ?? [],
    limits: { ...UNLIMITED, ...limits },
    fixed: {
      name: name !== undefined,
      interval: interval !== undefined,
      lan: lan !== undefined || hosts !== undefined,
      limits,
    },
  }
}

/**
 * Read the list of ports; its lines are for `parsePorts`.
 * @throws CannotStart when it is not there or cannot be read.
 */
export const readPortsFile = async (file: string): Promise<string> => {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    const reason = codeOf(cause) === 'ENOENT' ? 'it is not there' : `it could not be read (${codeOf(cause)})`
    throw new CannotStart(`the list of ports ${file} cannot be used: ${reason}; --ports FILE names another`, { cause })
  }
}

/** Why a text cannot be the name of a node, in words; undefined when it can. */
export const whyNotName = (text: string): string | undefined => {
  if (tidyName(text) === '') return 'a name needs at least one character'
  if (text.search(NOT_FOR_NAMES) >= 0) return 'a name has no control or direction characters'
  if (Buffer.byteLength(tidyName(text)) > MAX_NAME_BYTES) return `a name has at most ${MAX_NAME_BYTES} bytes`
  return undefined
}

/** True for a package that lies in some node_modules, not in a clone. */
export const isInstalled = (root: string): boolean => root.split(sep).includes('node_modules')

/** Where ports.txt and files/ lie when nothing else is said: the clone, or ~/portmesh for an installed package. */
const defaultBase = (root: string, personHome: string): string =>
  isInstalled(root) ? join(personHome, 'portmesh') : root

/** Where the person stands: npm runs scripts in the package's folder and keeps the place in INIT_CWD. */
const standing = (env: Surroundings['env'], cwd: string, root: string): string => {
  const before = env.INIT_CWD
  // A shell inside an editor that npm started has an INIT_CWD, too: only our own script stands in our own folder.
  const byNpm = env.npm_lifecycle_event !== undefined && cwd === root
  return byNpm && before !== undefined && isAbsolute(before) ? before : cwd
}

interface Given {
  readonly value: string
  /** Option or variable, for the error text. */
  readonly from: string
}

/** An empty variable counts as not set: that is how many shells unset one. */
const pick = (option: string | undefined, variable: string | undefined, key: keyof Options): Given | undefined => {
  if (option !== undefined)
    return { value: option, from: `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}` }
  return variable ? { value: variable, from: ENVIRONMENT[key] } : undefined
}

const absolute = (path: string, stand: string, personHome: string): string => {
  // Shells leave the ~ of --files=~/x alone; nobody wants a folder called ~.
  if (path === '~') return personHome
  if (path.startsWith('~/')) return join(personHome, path.slice(2))
  return resolve(stand, path)
}

export const tidyName = (text: string): string => text.trim().normalize('NFC')

const nameOf = ({ value, from }: Given): string => {
  const reason = whyNotName(value)
  if (reason) throw new WrongUse(`${from} cannot be used: ${reason}`)
  return tidyName(value)
}

export const whyNotInterval = (milliseconds: number): string | undefined =>
  milliseconds >= MIN_INTERVAL_MS && milliseconds <= MAX_INTERVAL_MS
    ? undefined
    : `it must be from ${MIN_INTERVAL_MS / 1_000} to ${MAX_INTERVAL_MS / 1_000} seconds`

const intervalOf = ({ value, from }: Given): number => {
  const milliseconds = DECIMAL.test(value) ? Math.round(Number(value) * 1_000) : Number.NaN
  const reason = whyNotInterval(milliseconds)
  if (reason) throw new WrongUse(`${from} ${JSON.stringify(value)} cannot be used: ${reason}`)
  return milliseconds
}

const isOn = ({ value, from }: Given): boolean => {
  if (['1', 'true', 'yes', 'on'].includes(value)) return true
  if (['0', 'false', 'no', 'off'].includes(value)) return false
  throw new WrongUse(`${from} ${JSON.stringify(value)} cannot be used: it is 1 or 0`)
}

/** @returns no addresses for "all of them". */
const hostsOf = (given: Given | undefined): readonly string[] | undefined => {
  if (!given) return undefined
  const hosts = given.value.split(',').map((host) => host.trim().replace(/^\[(.*)\]$/, '$1'))
  for (const host of hosts) {
    if (isIP(host) === 0)
      throw new WrongUse(`${given.from} ${JSON.stringify(host)} cannot be used: it is an address like 192.168.1.5`)
    if (host.startsWith('127.') || host === '::1')
      throw new WrongUse(`${given.from} ${host} cannot be used: this node listens there anyway`)
  }
  return hosts.includes('0.0.0.0') || hosts.includes('::') ? [] : hosts
}

const limitOf = ({ value, from }: Given): number => {
  const limit = parseLimit(value)
  const reason = whyNotLimit(limit)
  if (reason) throw new WrongUse(`${from} ${JSON.stringify(value)} cannot be used: ${reason}`)
  return limit
}

const logLevelOf = ({ value, from }: Given): LogLevel => {
  const level = LOG_LEVELS.find((known) => known === value)
  if (level) return level
  throw new WrongUse(`${from} ${JSON.stringify(value)} cannot be used: it is one of ${LOG_LEVELS.join(', ')}`)
}

/** "ana’s laptop": who sits there and at what, as a person would say it; cut to what a name may be. */
const defaultName = (user: string | undefined, host: string): string => {
  const clean = (text: string) => tidyName(text.replace(NOT_FOR_NAMES, ''))
  const machine = clean(host.split('.')[0] ?? '')
  const person = clean(user ?? '')
  const whole = person && machine ? `${person}’s ${machine}` : person || machine || 'portmesh'
  let cut = ''
  for (const character of whole) {
    if (Buffer.byteLength(cut + character) > MAX_NAME_BYTES) break
    cut += character
  }
  return cut.trim()
}

export const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown'
