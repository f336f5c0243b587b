import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { LogLevel } from '../../src/config.ts'
import { BadRequest } from '../../src/errors.ts'
import { createLog, type ProcessLog } from '../../src/log.ts'
import { tempDir } from '../helpers/process.ts'

const collected = (level: LogLevel = 'debug', maxFileBytes?: number) => {
  const lines: string[] = []
  const write = (line: string) => void lines.push(line)
  const log = createLog(level, { write, ...(maxFileBytes === undefined ? {} : { maxFileBytes }) })
  return { log, lines }
}
const logged = (fields: object): Record<string, unknown> => {
  const { log, lines } = collected()
  log.info(fields, 'x')
  return parsed(lines[0])
}
const parsed = (line = ''): Record<string, unknown> => JSON.parse(line)

describe('lines', () => {
  it('are JSON with level, time, fields and message, each on its own line', () => {
    const { log, lines } = collected()
    log.warn({ address: '127.0.0.1:5001', tries: 3 }, 'no answer')
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^\{.*\}\n$/)
    const { time, ...rest } = parsed(lines[0])
    expect(rest).toEqual({ level: 'warn', address: '127.0.0.1:5001', tries: 3, msg: 'no answer' })
    expect(time).toBe(new Date(String(time)).toISOString())
  })

  it.each([
    ['silent', []],
    ['error', ['error']],
    ['warn', ['error', 'warn']],
    ['info', ['error', 'warn', 'info']],
    ['debug', ['error', 'warn', 'info', 'debug']],
  ] as const)('at level %s are those of %j', (level, expected) => {
    const { log, lines } = collected(level)
    for (const name of ['error', 'warn', 'info', 'debug'] as const) log[name]({}, 'x')
    expect(lines.map((line) => parsed(line).level)).toEqual(expected)
  })

  it('cannot make a terminal obey', () => {
    const { log, lines } = collected()
    log.warn({ name: 'a\u001b[2J\u009b31m\u202e\u2028\nb' }, 'evil \u001b]0;x\u0007')
    expect(lines[0]).toMatch(/^[\x20-\x7e]+\n$/)
    expect(parsed(lines[0]).name).toBe('a\u001b[2J\u009b31m\u202e\u2028\nb')
  })
})

describe('fields', () => {
  it('hide keys, seeds and what authenticates, in every spelling and depth', () => {
    const secret = 'very secret'
    const fields = {
      key: secret,
      privateKey: secret,
      mesh_key: secret,
      seed: secret,
      'Portmesh-Auth': secret,
      headers: { 'portmesh-auth': secret, authorization: secret, cookie: secret },
      list: [{ token: secret, password: secret, mac: secret }],
      error: new BadRequest('x', { cause: Object.assign(new Error('y'), { seed: secret }) }),
    }
    expect(JSON.stringify(logged(fields))).not.toContain(secret)
    expect(logged({ keyCount: 3, monkey: 'yes', isNew: true })).toMatchObject({ keyCount: 3, isNew: true })
  })

  it('hold no contents', () => {
    const bytes = new Uint8Array(3)
    expect(logged({ a: bytes, b: Buffer.from('hello'), c: new ArrayBuffer(2), d: 12n ** 40n })).toMatchObject({
      a: '[3 bytes]',
      b: '[5 bytes]',
      c: '[2 bytes]',
      d: '[number]',
    })
  })

  it('tell errors with code, stack and causes', () => {
    const error = new BadRequest('no', { cause: new TypeError('inner', { cause: 'text' }) })
    expect(logged({ error })).toMatchObject({
      error: {
        code: 'PM_BAD_REQUEST',
        message: 'bad request: no',
        stack: expect.stringContaining('log.test.ts'),
        cause: { name: 'TypeError', message: 'inner', cause: 'text' },
      },
    })
    expect(logged(error)).toMatchObject({ error: { code: 'PM_BAD_REQUEST' } })
  })

  it('are never too long, too deep or circular', () => {
    const circle: Record<string, unknown> = { text: 'x'.repeat(100_000), list: Array.from({ length: 1_000 }, () => 1) }
    circle.itself = circle
    const error = new Error('loop')
    error.cause = error
    let deep: object = {}
    for (let depth = 0; depth < 100; depth += 1) deep = { deep }
    expect(JSON.stringify(logged({ circle, error, deep })).length).toBeLessThan(20_000)
  })

  it('that throw when they are read lose their line and nothing else', () => {
    const { log, lines } = collected()
    const trap = {
      get x() {
        throw new Error('trap')
      },
    }
    expect(() => log.warn(trap, 'x')).not.toThrow()
    log.warn({}, 'after')
    expect(parsed(lines.at(-1)).msg).toBe('after')
  })
})

describe('the file', () => {
  it('begins with what was logged before the home was known, and is for nobody else', async () => {
    const home = await tempDir()
    const { log, lines } = collected('warn')
    log.warn({}, 'early')
    expect(log.file).toBeUndefined()
    log.toHome(home)
    log.warn({}, 'late')
    log.info({}, 'not at this level')
    const file = join(home, '.portmesh', 'log.jsonl')
    expect(log.file).toBe(file)
    expect(await readFile(file, 'utf8')).toBe(lines.join(''))
    expect(lines).toHaveLength(2)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect((await stat(join(home, '.portmesh'))).mode & 0o777).toBe(0o700)
  })

  it('goes on where an earlier run has stopped', async () => {
    const home = await tempDir()
    for (const message of ['first', 'second']) {
      const { log } = collected()
      log.toHome(home)
      log.warn({}, message)
      log.close()
    }
    expect((await messages(home)).sort()).toEqual(['first', 'second'])
  })

  it('is two files of limited length, and keeps the newest lines', async () => {
    const home = await tempDir()
    const { log } = collected('debug', 2_000)
    log.toHome(home)
    for (let count = 0; count < 200; count += 1) log.info({ count }, 'x')
    const files = await readdir(join(home, '.portmesh'))
    expect(files.sort()).toEqual(['log.1.jsonl', 'log.jsonl'])
    for (const file of files) {
      const { size, mode } = await stat(join(home, '.portmesh', file))
      expect(size).toBeLessThanOrEqual(2_000)
      expect(mode & 0o777).toBe(0o600)
    }
    const counts = await linesOf(home, 'log.jsonl')
    expect(counts.at(-1)?.count).toBe(199)
    const before = await linesOf(home, 'log.1.jsonl')
    expect([...before, ...counts].map(({ count }) => count)).toEqual(
      Array.from({ length: before.length + counts.length }, (_, index) => 200 - before.length - counts.length + index),
    )
  })

  it('that cannot be opened does not disturb anybody', async () => {
    const blocked = await tempDir()
    await writeFile(join(blocked, '.portmesh'), '')
    const linked = await tempDir()
    await mkdir(join(linked, '.portmesh'))
    await writeFile(join(linked, 'target'), '')
    await symlink(join(linked, 'target'), join(linked, '.portmesh', 'log.jsonl'))
    for (const home of [blocked, linked, '/proc/none', 'a\0b']) {
      const { log, lines } = collected()
      log.toHome(home)
      log.warn({}, 'still told')
      expect(log.file).toBeUndefined()
      expect(lines).toHaveLength(1)
    }
    expect(await readFile(join(linked, 'target'), 'utf8')).toBe('')
  })

  it('does not need standard error', async () => {
    const home = await tempDir()
    const closed = () => {
      throw new Error('EPIPE')
    }
    const log: ProcessLog = createLog('warn', { write: closed })
    log.toHome(home)
    expect(() => log.warn({}, 'kept')).not.toThrow()
    expect(await messages(home)).toEqual(['kept'])
  })

  it('is written by the time the call returns, and not after close', async () => {
    const home = await tempDir()
    const { log } = collected()
    log.toHome(home)
    log.error({}, 'last words')
    log.close()
    log.error({}, 'too late')
    log.close()
    expect(await messages(home)).toEqual(['last words'])
  })
})

const linesOf = async (home: string, file = 'log.jsonl'): Promise<Record<string, unknown>[]> =>
  (await readFile(join(home, '.portmesh', file), 'utf8')).trimEnd().split('\n').map(parsed)

const messages = async (home: string): Promise<unknown[]> => (await linesOf(home)).map(({ msg }) => msg)
