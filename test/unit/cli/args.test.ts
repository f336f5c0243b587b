import { describe, expect, it } from 'vitest'
import { parseCommand } from '../../../src/cli/args.ts'
import { HELP } from '../../../src/cli/help.ts'
import { ENVIRONMENT, type Options } from '../../../src/config.ts'

const NONE: Options = { ports: undefined, files: undefined, name: undefined, interval: undefined, logLevel: undefined }

describe('commands', () => {
  it.each([[[]], [['start']], [['start', 'start']]])('%j starts one node', (argv) => {
    expect(parseCommand(argv)).toEqual({ kind: 'start', options: NONE })
  })

  it.each([
    [['mesh'], 3],
    [['mesh', '1'], 1],
    [['mesh', '50'], 50],
    [['start', 'mesh', '5'], 5],
    [['start', 'mesh'], 3],
    [['mesh', 'mesh', '4'], 4],
  ])('%j starts a mesh', (argv, nodes) => {
    expect(parseCommand(argv)).toEqual({ kind: 'mesh', nodes, options: NONE })
  })

  it.each([
    [['--help']],
    [['-h']],
    [['help']],
    [['start', '--help']],
    [['mesh', '3', '-h']],
    [['start', 'help']],
    [['nonsense', '--help']],
  ])('%j asks for help', (argv) => {
    expect(parseCommand(argv)).toEqual({ kind: 'help' })
  })

  it('gives the version', () => {
    expect(parseCommand(['start', '--version'])).toEqual({ kind: 'version' })
    expect(parseCommand(['-v'])).toEqual({ kind: 'version' })
  })
})

describe('options', () => {
  it('are taken before and after the command, with = or without', () => {
    const argv = ['--ports', 'p.txt', 'mesh', '2', '--files=d', '--name', 'Ana', '--interval', '5', '--log-level=debug']
    const options = { ports: 'p.txt', files: 'd', name: 'Ana', interval: '5', logLevel: 'debug' }
    expect(parseCommand(argv)).toEqual({ kind: 'mesh', nodes: 2, options })
  })

  it('may have values with spaces and with a dash in front', () => {
    expect(parseCommand(['--name', 'my own node'])).toMatchObject({ options: { name: 'my own node' } })
    expect(parseCommand(['--interval', '-5'])).toMatchObject({ options: { interval: '-5' } })
    expect(parseCommand(['--name=--x'])).toMatchObject({ options: { name: '--x' } })
  })

  it('count as written last', () => {
    expect(parseCommand(['--name', 'a', '--name', 'b'])).toMatchObject({ options: { name: 'b' } })
  })
})

describe('wrong use', () => {
  it.each([
    [['--port', '5000'], 'there is no option --port; --help shows them all'],
    [['-x'], 'there is no option -x; --help shows them all'],
    [['--toString'], 'there is no option --toString; --help shows them all'],
    [['--constructor=1'], 'there is no option --constructor; --help shows them all'],
    [['--ports'], '--ports needs a value: --ports FILE'],
    [['--ports='], '--ports needs a value: --ports FILE'],
    [['--ports', '--name', 'x'], '--ports needs a value: --ports FILE'],
    [['--interval'], '--interval needs a value: --interval SECONDS'],
    [['--help=me'], '--help takes no value'],
    [['mesh', '0'], 'mesh takes a number of nodes from 1 to 50, not "0"'],
    [['mesh', '51'], 'mesh takes a number of nodes from 1 to 50, not "51"'],
    [['mesh', '2.5'], 'mesh takes a number of nodes from 1 to 50, not "2.5"'],
    [['mesh', 'three'], 'mesh takes a number of nodes from 1 to 50, not "three"'],
    [['mesh', '3', '4'], '"4" is not a command; did you mean: npm run mesh -- 3 --ports 4'],
    [['my-ports.txt'], '"my-ports.txt" is not a command; did you mean: npm start -- --ports my-ports.txt'],
    [['start', 'X'], '"X" is not a command; did you mean: npm start -- --ports X'],
  ])('%j is answered in one sentence', (argv, message) => {
    const read = () => parseCommand(argv)
    expect(read).toThrow(expect.objectContaining({ code: 'PM_WRONG_USE', message }))
  })

  it.each([
    [['start', 'X'], { npm_config_ports: 'true' }, '"X" is not a command; did you mean: npm start -- --ports X'],
    [
      ['start', 'my dir'],
      { npm_config_files: 'true' },
      '"my dir" is not a command; did you mean: npm start -- --files "my dir"',
    ],
    [['start'], { npm_config_name: 'Ana' }, 'npm kept an option for itself; did you mean: npm start -- --name Ana'],
    [
      ['start', 'd', '3'],
      { npm_config_files: 'true', npm_config_interval: 'true' },
      '"d" is not a command; did you mean: npm start -- --files DIR --interval SECONDS',
    ],
    [
      ['start', 'd'],
      { npm_config_files: 'true', npm_config_log_level: 'debug' },
      '"d" is not a command; did you mean: npm start -- --files d --log-level debug',
    ],
  ])('recognises what npm kept of %j', (argv, kept, message) => {
    expect(() => parseCommand(argv, { npm_lifecycle_event: 'start', ...kept })).toThrow(
      expect.objectContaining({ message }),
    )
  })

  it('does not take the value of an option that npm kept for the number of nodes', () => {
    const env = { npm_lifecycle_event: 'mesh', npm_config_interval: 'true' }
    expect(() => parseCommand(['mesh', '3'], env)).toThrow('did you mean: npm run mesh -- 3 --interval SECONDS')
  })

  it('does not mind such variables when npm runs something else', () => {
    expect(parseCommand([], { npm_lifecycle_event: 'test', npm_config_ports: 'x' })).toMatchObject({ kind: 'start' })
  })
})

describe('help', () => {
  it('explains every option and its variable', () => {
    for (const option of [
      '--ports FILE',
      '--files DIR',
      '--name NAME',
      '--interval SECONDS',
      '--log-level LEVEL',
      '--help',
      '--version',
    ])
      expect(HELP).toContain(option)
    for (const variable of Object.values(ENVIRONMENT)) expect(HELP).toContain(variable)
  })

  it('fits into 90 columns of plain text', () => {
    expect(HELP.split('\n').filter((line) => line.length > 90)).toEqual([])
    expect(HELP).toMatch(/^[\x20-\x7e\n]+$/)
  })
})
