import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Options, readPortsFile, resolveConfig, type Surroundings, whyNotName } from '../../src/config.ts'
import { readSettings, settingsFile, withSettings } from '../../src/settings.ts'
import { SettingsFile } from '../../src/settings-file.ts'
import { tempDir } from '../helpers/process.ts'

const CLONE = '/src/portmesh'
const INSTALLED = '/usr/lib/node_modules/portmesh'

const around = (more: Partial<Surroundings> = {}): Surroundings => ({
  options: {},
  env: {},
  cwd: '/somewhere/else',
  root: CLONE,
  personHome: '/home/ana',
  user: 'ana',
  host: 'laptop',
  ...more,
})
const withOptions = (options: Options) => resolveConfig(around({ options }))

describe('defaults', () => {
  it('lie beside package.json of a clone, wherever the shell stands', () => {
    expect(resolveConfig(around())).toEqual({
      portsFile: '/src/portmesh/ports.txt',
      home: undefined,
      homes: '/src/portmesh/files',
      name: 'ana’s laptop',
      intervalMs: 10_000,
      logLevel: 'warn',
      lan: false,
      hosts: [],
      limits: { up: 0, down: 0, upPeer: 0, downPeer: 0 },
      fixed: { name: false, interval: false, lan: false, limits: {} },
    })
  })

  it('lie in ~/portmesh for an installed package', () => {
    const { portsFile, homes } = resolveConfig(around({ root: INSTALLED }))
    expect([portsFile, homes]).toEqual(['/home/ana/portmesh/ports.txt', '/home/ana/portmesh/files'])
  })
})

describe('precedence', () => {
  const env = { PORTMESH_NAME: 'of the environment', PORTMESH_INTERVAL: '3', PORTMESH_LOG_LEVEL: 'info' }

  it('takes the environment over the defaults', () => {
    const found = resolveConfig(around({ env }))
    expect(found).toMatchObject({ name: 'of the environment', intervalMs: 3_000, logLevel: 'info' })
    expect(found.fixed).toEqual({ name: true, interval: true, lan: false, limits: {} })
  })

  it('takes an option over the environment', () => {
    const options = { name: 'of the option', interval: '0.2', logLevel: 'silent' }
    const found = resolveConfig(around({ env, options }))
    expect(found).toMatchObject({ name: 'of the option', intervalMs: 200, logLevel: 'silent' })
  })

  it('counts an empty variable as not set', () => {
    const found = resolveConfig(around({ env: { PORTMESH_NAME: '', PORTMESH_PORTS: '', PORTMESH_INTERVAL: '' } }))
    expect(found).toEqual(resolveConfig(around()))
  })

  it('takes settings.json of the home over the defaults only', async () => {
    const home = await homeWith('{ "name": "of the page", "interval": 2.5, "colour": "green" }')
    const plain = resolveConfig(around())
    const notices: string[] = []
    expect(await withSettings(plain, home, notices)).toEqual({ ...plain, name: 'of the page', intervalMs: 2_500 })
    const fixed = resolveConfig(around({ env }))
    expect(await withSettings(fixed, home, notices)).toEqual(fixed)
    const half = withOptions({ interval: '7' })
    expect(await withSettings(half, home, notices)).toMatchObject({ name: 'of the page', intervalMs: 7_000 })
    expect(notices).toEqual([])
  })
})

describe('a given path', () => {
  it('is relative to where the shell stands', () => {
    const found = withOptions({ ports: 'my/ports', files: '../shared' })
    expect([found.portsFile, found.home]).toEqual(['/somewhere/else/my/ports', '/somewhere/shared'])
    const fromEnv = resolveConfig(around({ env: { PORTMESH_PORTS: 'p', PORTMESH_FILES: '/f' } }))
    expect([fromEnv.portsFile, fromEnv.home]).toEqual(['/somewhere/else/p', '/f'])
  })

  it('is relative to where the person stood when npm was called', () => {
    const env = { npm_lifecycle_event: 'start', INIT_CWD: '/home/ana/music' }
    const found = resolveConfig(around({ cwd: CLONE, env, options: { files: 'shared' } }))
    expect(found.home).toBe('/home/ana/music/shared')
  })

  it('does not believe an INIT_CWD that another program left in the environment', () => {
    const env = { npm_lifecycle_event: 'dev', INIT_CWD: '/home/ana/project' }
    expect(resolveConfig(around({ env, options: { files: 'shared' } })).home).toBe('/somewhere/else/shared')
  })

  it('may begin with the ~ that a shell has left alone', () => {
    expect(withOptions({ files: '~/Shared' }).home).toBe('/home/ana/Shared')
    expect(withOptions({ files: '~' }).home).toBe('/home/ana')
    expect(withOptions({ files: '~other' }).home).toBe('/somewhere/else/~other')
  })
})

describe('the default name', () => {
  const name = (user: string | undefined, host: string) => resolveConfig(around({ user, host })).name

  it('is what a person would say', () => {
    expect(name('ana', 'laptop.home.example')).toBe('ana’s laptop')
    expect(name(undefined, 'laptop')).toBe('laptop')
    expect(name('ana', '')).toBe('ana')
    expect(name(undefined, '')).toBe('portmesh')
  })

  it('is always one that is allowed', () => {
    for (const [user, host] of [
      ['x'.repeat(200), 'y'],
      ['ä'.repeat(40), 'ö'],
      ['a\u202eb\u001b[31m', 'c\nd'],
    ] as const)
      expect(whyNotName(name(user, host))).toBeUndefined()
    expect(name('😀'.repeat(20), 'host')).toBe('😀'.repeat(16))
  })
})

describe('refused values', () => {
  const refused: [Options, RegExp][] = [
    [{ interval: '0.1' }, /^--interval "0.1" cannot be used: it must be from 0.2 to 3600 seconds$/],
    [{ interval: '3601' }, /--interval/],
    [{ interval: '-5' }, /--interval "-5"/],
    [{ interval: '1e3' }, /--interval/],
    [{ interval: 'ten' }, /--interval "ten"/],
    [{ interval: 'Infinity' }, /--interval/],
    [{ name: '   ' }, /^--name cannot be used: a name needs at least one character$/],
    [{ name: 'x'.repeat(65) }, /at most 64 bytes/],
    [{ name: 'ü'.repeat(33) }, /at most 64 bytes/],
    [{ name: 'a\u001b[2J' }, /control or direction characters/],
    [{ name: 'a\u202egnp.exe' }, /control or direction characters/],
    [{ name: 'a\u2028b' }, /control or direction characters/],
    [{ name: 'a\ud800' }, /control or direction characters/],
    [{ logLevel: 'loud' }, /^--log-level "loud" cannot be used: it is one of silent, error, warn, info, debug$/],
  ]
  it.each(refused)('refuses %j', (options, message) => {
    expect(() => withOptions(options)).toThrow(expect.objectContaining({ code: 'PM_WRONG_USE' }))
    expect(() => withOptions(options)).toThrow(message)
  })

  it('names the variable when the value came from the environment', () => {
    expect(() => resolveConfig(around({ env: { PORTMESH_INTERVAL: 'x' } }))).toThrow(/^PORTMESH_INTERVAL "x"/)
  })

  it('takes names and intervals up to the limits, and tidies names', () => {
    expect(withOptions({ name: 'ü'.repeat(32) }).name).toBe('ü'.repeat(32))
    expect(withOptions({ name: ' u\u0308 ' }).name).toBe('ü')
    expect(withOptions({ interval: '3600' }).intervalMs).toBe(3_600_000)
    expect(withOptions({ interval: '0.2' }).intervalMs).toBe(200)
  })
})

describe('settings.json', () => {
  it('need not be there', async () => {
    expect(await readSettings(await tempDir())).toEqual({})
    expect(await readSettings('/does/not/exist')).toEqual({})
  })

  it('may have a byte order mark', async () => {
    expect(await readSettings(await homeWith('\ufeff{"name":"Ana"}'))).toEqual({ name: 'Ana' })
  })

  it.each([
    ['', 'it is not JSON'],
    ['{"name":', 'it is not JSON'],
    ['[]', 'it is not a JSON object'],
    ['null', 'it is not a JSON object'],
    ['{"name":7}', '"name": it is not text'],
    ['{"name":null}', '"name": it is not text'],
    ['{"name":"\\u202e"}', '"name": a name has no control or direction characters'],
    ['{"interval":"7"}', '"interval": it is not a number'],
    ['{"name":"Ana","interval":0}', '"interval": it must be from 0.2 to 3600 seconds'],
    ['{"interval":null}', '"interval": it is not a number'],
  ])('is named, put aside and not used when it says %s', async (text, damage) => {
    const home = await homeWith(text)
    expect(await readSettings(home)).toEqual({ damage })
    expect(await readFile(settingsFile(home), 'utf8')).toBe(text)
    const notices: string[] = []
    const plain = resolveConfig(around())
    expect(await withSettings(plain, home, notices)).toEqual(plain)
    const [aside = ''] = await readdir(dirname(settingsFile(home)))
    expect(aside).toMatch(/^settings\.corrupt-\d{8}T\d{6}\.\d{3}Z$/)
    expect(await readFile(join(dirname(settingsFile(home)), aside), 'utf8')).toBe(text)
    expect(notices).toEqual([
      `${settingsFile(home)} cannot be used: ${damage}. The node starts with its usual settings; the old file is kept as ${aside}`,
    ])
    expect(await withSettings(plain, home, notices)).toEqual(plain)
    expect(notices.length).toBe(1)
  })

  it('is put aside, too, when it is a folder', async () => {
    const home = await tempDir()
    await mkdir(settingsFile(home), { recursive: true })
    const notices: string[] = []
    await withSettings(resolveConfig(around()), home, notices)
    expect(notices).toEqual([expect.stringContaining('settings.json cannot be used: it is a folder.')])
    expect(await readSettings(home)).toEqual({})
  })

  it('ends the start when it cannot be read, and stays where it is', async () => {
    const home = await tempDir()
    await mkdir(dirname(settingsFile(home)))
    await symlink('settings.json', settingsFile(home))
    const started = withSettings(resolveConfig(around()), home, [])
    await expect(started).rejects.toThrow(expect.objectContaining({ code: 'PM_CANNOT_START' }))
    await expect(started).rejects.toThrow(`${settingsFile(home)} cannot be used: it could not be read (ELOOP)`)
    expect(await readdir(dirname(settingsFile(home)))).toEqual(['settings.json'])
  })
})

describe('the list of ports', () => {
  it('is read as it is', async () => {
    const file = join(await tempDir(), 'p')
    await writeFile(file, '\ufeff5000\r\n')
    expect(await readPortsFile(file)).toContain('5000\r\n')
  })

  it('ends the start when it is not there or is a folder', async () => {
    const folder = await tempDir()
    await expect(readPortsFile(join(folder, 'none'))).rejects.toThrow(
      /none cannot be used: it is not there; --ports FILE/,
    )
    await expect(readPortsFile(folder)).rejects.toThrow(expect.objectContaining({ code: 'PM_CANNOT_START' }))
  })
})

const homeWith = async (settings: string): Promise<string> => {
  const home = await tempDir()
  await mkdir(join(home, '.portmesh'))
  await writeFile(settingsFile(home), settings)
  return home
}

describe('the network', () => {
  const found = (more: Partial<Surroundings>) => {
    const { lan, hosts, fixed } = resolveConfig(around(more))
    return [lan, hosts, fixed.lan]
  }

  it('is joined by an option, a variable or an address', () => {
    expect(found({})).toEqual([false, [], false])
    expect(found({ options: { lan: 'on' } })).toEqual([true, [], true])
    expect(found({ env: { PORTMESH_LAN: '1' } })).toEqual([true, [], true])
    expect(found({ env: { PORTMESH_LAN: '1' }, options: { lan: 'off' } })).toEqual([false, [], true])
    expect(found({ options: { host: '192.168.1.5,[fd00::1]' } })).toEqual([true, ['192.168.1.5', 'fd00::1'], true])
    expect(found({ options: { host: '0.0.0.0' } })).toEqual([true, [], true])
  })

  it.each([
    [{ options: { host: 'my-laptop' } }, 'it is an address like 192.168.1.5'],
    [{ options: { host: '127.0.0.1' } }, 'listens there anyway'],
    [{ env: { PORTMESH_LAN: 'perhaps' } }, 'it is 1 or 0'],
  ])('refuses %j', (more, sentence) => {
    expect(() => found(more)).toThrow(sentence)
  })

  it('is what the switch of the page says, unless an option says otherwise', async () => {
    const home = await tempDir()
    await mkdir(join(home, '.portmesh'))
    await writeFile(settingsFile(home), '{"name": "Ana", "future": [1]}')
    const settings = new SettingsFile(home)
    await settings.change({ lan: true })
    expect(JSON.parse(await readFile(settingsFile(home), 'utf8'))).toEqual({ name: 'Ana', future: [1], lan: true })
    expect((await withSettings(resolveConfig(around()), home, [])).lan).toBe(true)
    expect((await withSettings(resolveConfig(around({ options: { lan: 'off' } })), home, [])).lan).toBe(false)
    await Promise.all([settings.change({ lan: false }), settings.change({ name: 'Ben' })])
    expect(await readSettings(home)).toEqual({ lan: false, name: 'Ben' })
    expect(await readdir(join(home, '.portmesh'))).toEqual(['settings.json'])
  })
})

describe('limits', () => {
  it('are read as a person writes them, from options and the environment', () => {
    const env = { PORTMESH_UP: '50k', PORTMESH_DOWN: '2000000', PORTMESH_UP_PEER: '0' }
    const options = { up: '1.5M', downPeer: '1g' }
    const { limits, fixed } = resolveConfig(around({ env, options }))
    expect(limits).toEqual({ up: 1_500_000, down: 2_000_000, upPeer: 0, downPeer: 1_000_000_000 })
    expect(fixed.limits).toEqual(limits)
  })

  it.each(['', '49k', '49999', '-1', '1e6', '500 k', '10MB', '10M/s', 'much', '9999999G', '50.0001'])(
    'end the start in a sentence when they are %j',
    (value) => {
      if (value === '') expect(withOptions({}).limits.up).toBe(0)
      else
        expect(() => withOptions({ upPeer: value })).toThrow(
          `--up-peer ${JSON.stringify(value)} cannot be used: it is a number of bytes a second like 500k or 10M, at least 50k, or 0 for no limit`,
        )
    },
  )

  it('come from settings.json as numbers or text, below an option', async () => {
    const home = await homeWith(JSON.stringify({ up: 60_000, down: '70k', upPeer: '1M', other: 1 }))
    const config = await withSettings(withOptions({ down: '1M' }), home, [])
    expect(config.limits).toEqual({ up: 60_000, down: 1_000_000, upPeer: 1_000_000, downPeer: 0 })
  })

  it.each([{ up: -1 }, { down: '1 MB' }, { upPeer: null }, { downPeer: [] }, { up: 1e13 }])(
    'that are none are damage: %j',
    async (value) => {
      expect((await readSettings(await homeWith(JSON.stringify(value)))).damage).toMatch(
        /^"\w+": it is a number of bytes/,
      )
    },
  )
})
