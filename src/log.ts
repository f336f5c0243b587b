/** The log: JSON lines to standard error, and to the home once it is known. A log that cannot be written never stops a node. */
import { closeSync, constants, fstatSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { types } from 'node:util'
import { pino } from 'pino'
import type { LogLevel } from './config.ts'

export interface Log {
  error(fields: object, message: string): void
  warn(fields: object, message: string): void
  info(fields: object, message: string): void
  debug(fields: object, message: string): void
}

/** The log of the whole process; every line is on its way when the call returns, so there is nothing to flush. */
export interface ProcessLog extends Log {
  /** Write to `<home>/.portmesh/log.jsonl` from now on, beginning with what was logged so far. Only for a home that is ours. */
  toHome(home: string): void
  /** Where the log lies; undefined as long as it goes to standard error only. */
  readonly file: string | undefined
  close(): void
}

export interface LogOptions {
  /** Standard error, or what takes its place; it may be closed at any time. */
  readonly write: (line: string) => void
  /** One of the two files is at most so long, and one line more. */
  readonly maxFileBytes?: number
}

/** 2 x 5 MB is weeks at `warn`, and an evening at `debug`. */
const MAX_FILE_BYTES = 5_000_000
/** Lines from before the home is known; a start logs a handful. */
const MAX_EARLY_LINES = 100
const MAX_DEPTH = 6
const MAX_ITEMS = 50
/** A log names things, it does not hold contents. */
const MAX_TEXT_CHARACTERS = 4_000
/** Names of fields that are never written, in any spelling and at any depth. */
const SECRET = /(key|seed|secret|token|password|passphrase|mac|authorization|portmeshauth|cookie)$/i
/** What JSON leaves as it is and a terminal would obey. */
const UNSHOWABLE = /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g

/** Build the log; nothing is opened before `toHome`. */
export const createLog = (level: LogLevel, { write, maxFileBytes = MAX_FILE_BYTES }: LogOptions): ProcessLog => {
  const file = new LogFile(maxFileBytes)
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    {
      write: (line: string) => {
        const safe = line.replace(
          UNSHOWABLE,
          (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
        )
        quietly(() => write(safe))
        file.write(safe)
      },
    },
  )
  const at = (name: Exclude<LogLevel, 'silent'>) => (fields: object, message: string) =>
    quietly(() => logger.isLevelEnabled(name) && logger[name](clean(fields), message))
  return {
    error: at('error'),
    warn: at('warn'),
    info: at('info'),
    debug: at('debug'),
    toHome: (home) => file.open(join(home, '.portmesh')),
    get file() {
      return file.path
    },
    close: () => file.close(),
  }
}

/** A log that keeps nothing, for tests and for rooms that run alone. */
export const silentLog: Log = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} }

/** log.jsonl and log.1.jsonl. Written synchronously: a line of a node that dies is the one that is needed. */
class LogFile {
  readonly #maxBytes: number
  #early: string[] = []
  #folder: string | undefined
  #descriptor: number | undefined
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get path(): string | undefined {
    return this.#descriptor === undefined || this.#folder === undefined ? undefined : join(this.#folder, 'log.jsonl')
  }

  open(folder: string): void {
    if (this.#folder !== undefined) return
    this.#folder = folder
    // It is there already in a home that is in use; a home that is missing is not made here.
    quietly(() => mkdirSync(folder, { mode: 0o700 }))
    quietly(() => this.#append(folder))
    for (const line of this.#early.splice(0)) this.write(line)
  }

  write(line: string): void {
    if (this.#folder === undefined) {
      if (this.#early.length < MAX_EARLY_LINES) this.#early.push(line)
      return
    }
    if (this.#descriptor === undefined) return
    const bytes = Buffer.from(line)
    if (this.#bytes > 0 && this.#bytes + bytes.length > this.#maxBytes) this.#rotate(this.#folder)
    quietly(() => {
      if (this.#descriptor === undefined) return
      this.#bytes += bytes.length
      // A full disk may take half a line; the next one begins anew when there is room again.
      writeSync(this.#descriptor, bytes)
    })
  }

  close(): void {
    const descriptor = this.#descriptor
    this.#descriptor = undefined
    if (descriptor !== undefined) quietly(() => closeSync(descriptor))
  }

  #append(folder: string): void {
    const { O_APPEND, O_CREAT, O_WRONLY } = constants
    // Windows has no O_NOFOLLOW; elsewhere a link in place of the log would make us write into another file.
    const flags = O_APPEND | O_CREAT | O_WRONLY | (constants.O_NOFOLLOW ?? 0)
    this.#descriptor = openSync(join(folder, 'log.jsonl'), flags, 0o600)
    this.#bytes = fstatSync(this.#descriptor).size
  }

  /** When this fails there is no descriptor any more, and standard error alone has the rest: better than a file without end. */
  #rotate(folder: string): void {
    this.close()
    quietly(() => {
      renameSync(join(folder, 'log.jsonl'), join(folder, 'log.1.jsonl'))
      this.#append(folder)
    })
  }
}

/** Fields as they may be written: no secrets, no bytes, errors with their causes, nothing deep, long or circular. */
const clean = (fields: object): Record<string, unknown> =>
  fields instanceof Error ? { error: cleanError(fields, 1, new Set()) } : cleanObject(fields, 0, new Set())

const cleanValue = (value: unknown, depth: number, above: ReadonlySet<object>): unknown => {
  if (typeof value === 'string')
    return value.length > MAX_TEXT_CHARACTERS ? `${value.slice(0, MAX_TEXT_CHARACTERS)}...` : value
  if (typeof value === 'bigint') return '[number]'
  if (typeof value !== 'object' || value === null) return value
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
  if (types.isAnyArrayBuffer(value)) return `[${value.byteLength} bytes]`
  if (depth >= MAX_DEPTH || above.has(value)) return '[...]'
  if (value instanceof Error) return cleanError(value, depth, above)
  if (value instanceof Date || value instanceof URL) return String(value)
  const path = new Set(above).add(value)
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map((item) => cleanValue(item, depth + 1, path))
  return cleanObject(value, depth, path)
}

const cleanObject = (value: object, depth: number, above: ReadonlySet<object>): Record<string, unknown> => {
  const result: Record<string, unknown> = {}
  for (const [name, item] of Object.entries(value).slice(0, MAX_ITEMS)) {
    const secret = SECRET.test(name.replace(/[-_]/g, '')) && item !== undefined && typeof item !== 'boolean'
    result[name] = secret ? '[hidden]' : cleanValue(item, depth + 1, above)
  }
  return result
}

const cleanError = (error: Error, depth: number, above: ReadonlySet<object>): Record<string, unknown> => {
  const path = new Set(above).add(error)
  const { name, message, stack, cause } = error
  const code = 'code' in error ? error.code : undefined
  const text = { name, message: cleanValue(message, depth, path), stack: cleanValue(stack, depth, path) }
  return {
    ...text,
    ...(code === undefined ? {} : { code: cleanValue(code, depth, path) }),
    ...(cause === undefined ? {} : { cause: cleanValue(cause, depth + 1, path) }),
  }
}

const quietly = (action: () => unknown): void => {
  try {
    action()
  } catch {
    // There is nobody left to tell: this was the place where failures are told.
  }
}
