/** Whatever stands in the list of ports, on the command line, in the environment, in the settings: a use of it, or one sentence. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { expect, test } from 'vitest'
import { MAX_MESH_NODES, parseCommand } from '../../src/cli/args.ts'
import { forTerminal } from '../../src/cli/show.ts'
import {
  MAX_INTERVAL_MS,
  MAX_NAME_BYTES,
  MIN_INTERVAL_MS,
  readPortsFile,
  resolveConfig,
  whyNotName,
} from '../../src/config.ts'
import { addressOf, parsePorts } from '../../src/discovery/ports.ts'
import { publicError } from '../../src/errors.ts'
import { readSettings } from '../../src/settings.ts'
import { loadSecret, saveSecret } from '../../src/store/secret.ts'
import { tempDir } from '../helpers/process.ts'
import { attempt, attemptLater, fuzz, PATIENT, type Random } from '../helpers/random.ts'
import { strangerIdentity } from '../helpers/stranger.ts'

const LINES = [
  ...[
    '5000',
    '5001 # mine',
    '# all',
    '127.0.0.1:5001',
    '[::1]:5001',
    'host.example:80',
    'localhost:1',
    '65535',
    '65536',
  ],
  ...[
    '[fe80::1%eth0]:1',
    '[::ffff:1.2.3.4]:9',
    '0x7f.1:80',
    '1.2.3:80',
    'xn--a:80',
    'a_b:1',
    '::1:5',
    'a:',
    ':1',
    '[]:1',
  ],
]

const tidyNumber = (value: number, from: number, to: number): void => {
  expect(Number.isInteger(value) && value >= from && value <= to, String(value)).toBe(true)
}

const listOf = (random: Random): string => {
  const ends = ['\n', '\r\n', '\r', '\n\n', ' ', '']
  const lines = random.list(12, () =>
    random.chance(0.6)
      ? random.pick(LINES)
      : random.chance(0.5)
        ? random.mutatedText(random.pick(LINES))
        : random.text(),
  )
  return lines.map((line) => line + random.pick(ends)).join('')
}

test('a list of ports is ports and addresses of one spelling, or a sentence', PATIENT, async () => {
  await fuzz({ rounds: 1_500 }, (random) => {
    const read = attempt(() => parsePorts(listOf(random)))
    if ('code' in read) return expect(read.code).toBe('PM_CANNOT_START')
    const { candidates, addresses } = read.value
    for (const port of candidates) tidyNumber(port, 1, 65_535)
    expect(new Set(candidates).size).toBe(candidates.length)
    for (const address of addresses) expect(addressOf(address)).toBe(address)
    expect(parsePorts([...candidates, ...addresses].join('\n'))).toEqual(read.value)
  })
})

test('an address is kept in the spelling in which it is asked', PATIENT, async () => {
  await fuzz({ rounds: 1_500 }, (random) => {
    const address = addressOf(random.chance(0.7) ? random.mutatedText(random.pick(LINES)) : random.text())
    if (address === undefined) return
    expect(addressOf(address)).toBe(address)
    expect(address).toMatch(/^[\x21-\x7e]+$/)
    // A name that is no name to anybody is asked in vain; it is never another one.
    const url = URL.parse(`http://${address}/`)
    if (url) expect(`${url.hostname}:${url.port || 80}`).toBe(address)
  })
})

test('any words make a command, or a sentence', PATIENT, async () => {
  const known = [
    'start',
    'mesh',
    'help',
    '3',
    '50',
    '51',
    '--',
    '-h',
    '-v',
    '--help',
    '--version',
    '--no-help',
    '--help=1',
  ]
  const options = [
    '--ports',
    '--files',
    '--name',
    '--interval',
    '--log-level',
    '-p',
    '--portsx',
    '--__proto__',
    '--no-ports',
  ]
  const word = (random: Random): string =>
    random.pick([
      () => random.pick(known),
      () => random.pick(options),
      () => `${random.pick(options)}=${random.text(20)}`,
      () => random.text(40),
      () => random.mutatedText(random.pick([...known, ...options])),
    ])()
  await fuzz({ rounds: 1_500 }, (random) => {
    const env = Object.fromEntries(
      random.list(4, () => [
        random.pick(['npm_lifecycle_event', 'npm_config_ports', 'npm_config_log_level', 'npm_config_name']),
        random.pick(['start', 'mesh', 'true', '', random.text(10)]),
      ]),
    )
    const read = attempt(() =>
      parseCommand(
        random.list(6, () => word(random)),
        env,
      ),
    )
    if ('code' in read) return expect(read.code).toBe('PM_WRONG_USE')
    const command = read.value
    if (command.kind === 'mesh') tidyNumber(command.nodes, 1, MAX_MESH_NODES)
    if (command.kind === 'start' || command.kind === 'mesh')
      for (const value of Object.values(command.options)) expect(value === undefined || value.length > 0).toBe(true)
  })
})

test('any options and variables make a configuration, or a sentence', PATIENT, async () => {
  const some = (random: Random): string | undefined =>
    random.pick([undefined, '', '0.2', '3600', '10', '1e3', 'warn', '~', '~/x', '/a/../b', 'Ana', random.text(90)])
  await fuzz({ rounds: 1_500 }, (random) => {
    const read = attempt(() =>
      resolveConfig({
        options: { ports: some(random), files: some(random), name: some(random), interval: some(random) },
        env: {
          PORTMESH_NAME: some(random),
          PORTMESH_LOG_LEVEL: some(random),
          PORTMESH_FILES: some(random),
          INIT_CWD: some(random),
          npm_lifecycle_event: some(random),
        },
        cwd: '/here',
        root: random.pick(['/here', '/there', '/a/node_modules/portmesh']),
        personHome: '/person',
        user: some(random),
        host: random.text(100),
      }),
    )
    if ('code' in read) return expect(read.code).toBe('PM_WRONG_USE')
    const { portsFile, home, homes, name, intervalMs } = read.value
    for (const path of [portsFile, home ?? '/', homes]) expect(isAbsolute(path), path).toBe(true)
    expect(whyNotName(name), name).toBeUndefined()
    expect(forTerminal(name)).toBe(name)
    expect(Buffer.byteLength(name)).toBeLessThanOrEqual(MAX_NAME_BYTES)
    tidyNumber(intervalMs, MIN_INTERVAL_MS, MAX_INTERVAL_MS)
  })
})

test('settings that were damaged are a sentence; what is read of them is allowed', PATIENT, async () => {
  const home = await tempDir()
  await mkdir(join(home, '.portmesh'))
  await fuzz({ rounds: 80 }, async (random) => {
    const settings = {
      name: random.pick(['Ana', random.text(80), random.value()]),
      interval: random.pick([1, random.number()]),
    }
    const text = JSON.stringify(random.chance(0.5) ? settings : random.mutatedFields(settings)) ?? ''
    const bytes = random.chance(0.5) ? Buffer.from(text) : random.mutated(Buffer.from(text))
    await writeFile(join(home, '.portmesh', 'settings.json'), bytes)
    const read = await attemptLater(async () => await readSettings(home))
    if ('code' in read) return expect(read.code).toBe('PM_CANNOT_START')
    const { name, intervalMs } = read.value
    if (name !== undefined) expect(whyNotName(name), name).toBeUndefined()
    if (intervalMs !== undefined) tidyNumber(intervalMs, MIN_INTERVAL_MS, MAX_INTERVAL_MS)
  })
})

test('a path that cannot be one is a sentence', PATIENT, async () => {
  await fuzz({ rounds: 50 }, async (random) => {
    const read = await attemptLater(async () => await readPortsFile(`/nowhere/${random.text(300)}/ports.txt`))
    expect(read).toEqual({ code: 'PM_CANNOT_START' })
  })
})

test('an identity that was damaged is never another one', PATIENT, async () => {
  const folder = await tempDir()
  const { seed, modulus } = strangerIdentity()
  await saveSecret(folder, { seed, modulus })
  const whole = await readFile(join(folder, 'identity.json'))
  await fuzz({ rounds: 50 }, async (random) => {
    await writeFile(join(folder, 'identity.json'), random.mutated(whole))
    const read = await attemptLater(async () => await loadSecret(folder))
    if ('code' in read) return expect(read.code).toBe('PM_CANNOT_START')
    expect(read.value).toEqual({ seed, modulus })
  })
})

test('whatever is thrown becomes a status, a code and a sentence without what was sent', PATIENT, async () => {
  await fuzz({ rounds: 500 }, (random) => {
    const message = `${random.text(40)}-sent-by-them`
    const fields = { code: random.value(0), statusCode: random.value(0), name: random.text(10) }
    const thrown = random.pick<unknown>([message, random.value(), Object.assign(new Error(message), fields)])
    const { statusCode, code, message: told } = publicError(thrown)
    // What has a code of ours is ours, and may say what it likes.
    if (typeof fields.code === 'string' && fields.code.startsWith('PM_')) return
    tidyNumber(statusCode, 400, 599)
    expect(code).toMatch(/^PM_[A-Z_]+$/)
    expect(told).not.toContain('sent-by-them')
  })
})
