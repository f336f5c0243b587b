/** The command line: words and options become one Command; their values are checked in config.ts. */
import { parseArgs } from 'node:util'
import type { Options } from '../config.ts'
import { WrongUse } from '../errors.ts'

export type Command =
  | { readonly kind: 'start'; readonly options: Options }
  | { readonly kind: 'mesh'; readonly nodes: number; readonly options: Options }
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }

type Environment = Readonly<Record<string, string | undefined>>

export const DEFAULT_MESH_NODES = 3
/** Fifty processes are what a small computer still carries. */
export const MAX_MESH_NODES = 50

const VALUES = {
  ports: 'FILE',
  files: 'DIR',
  name: 'NAME',
  interval: 'SECONDS',
  host: 'ADDRESS',
  'log-level': 'LEVEL',
  up: 'BYTES',
  down: 'BYTES',
  'up-peer': 'BYTES',
  'down-peer': 'BYTES',
} as const
/** Options without a value. */
const FLAGS = ['lan', 'no-lan'] as const
const COMMANDS: readonly string[] = ['start', 'mesh', 'help']

/**
 * Read the words after the program's name.
 * @param env - only to recognise options that npm kept for itself (`npm start --ports X` without `--`).
 * @throws WrongUse with one sentence for unknown options, missing values and words that mean nothing.
 */
export const parseCommand = (argv: readonly string[], env: Environment = {}): Command => {
  const { values, words } = readWords(argv)
  if (values.has('help')) return { kind: 'help' }
  if (values.has('version')) return { kind: 'version' }
  // `npm start -- mesh 3` arrives as `start mesh 3`: the script's word yields to the person's.
  const [first = 'start', ...others] = words
  const doubled = (first === 'start' || first === others[0]) && COMMANDS.includes(others[0] ?? '')
  const [command = first, ...rest] = doubled ? others : [first, ...others]
  if (command === 'help') return { kind: 'help' }
  const options: Options = {
    ports: values.get('ports'),
    files: values.get('files'),
    name: values.get('name'),
    interval: values.get('interval'),
    lan: values.has('lan') ? 'on' : values.has('no-lan') ? 'off' : undefined,
    host: values.get('host'),
    logLevel: values.get('log-level'),
    up: values.get('up'),
    down: values.get('down'),
    upPeer: values.get('up-peer'),
    downPeer: values.get('down-peer'),
  }
  if (command === 'mesh') {
    const [count, ...tooMuch] = rest
    refuseWords(tooMuch, 'npm run mesh -- 3', env)
    const nodes = count === undefined ? DEFAULT_MESH_NODES : nodesOf(count)
    return { kind: 'mesh', nodes, options }
  }
  refuseWords(COMMANDS.includes(command) ? rest : [command, ...rest], 'npm start --', env)
  return { kind: 'start', options }
}

const readWords = (argv: readonly string[]): { values: Map<string, string>; words: string[] } => {
  const { tokens } = parseArgs({
    args: [...argv],
    options: {
      ...Object.fromEntries(Object.keys(VALUES).map((name) => [name, { type: 'string' }] as const)),
      ...Object.fromEntries(FLAGS.map((name) => [name, { type: 'boolean' }] as const)),
      help: { type: 'boolean', short: 'h' },
      version: { type: 'boolean', short: 'v' },
    },
    // Its own errors are several sentences long and do not know our options' arguments.
    strict: false,
    tokens: true,
    allowPositionals: true,
  })
  const values = new Map<string, string>()
  const words: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value)
    if (token.kind !== 'option') continue
    const { name, rawName, value, inlineValue } = token
    if (name === 'help' || name === 'version' || isFlag(name)) {
      if (inlineValue) throw new WrongUse(`${rawName} takes no value`)
      values.set(name, '')
    } else if (isValueName(name)) {
      // `--ports --files x`: the next option is not a value.
      const missing = value === undefined || value === '' || (!inlineValue && value.startsWith('--'))
      if (missing) throw new WrongUse(`${rawName} needs a value: ${rawName} ${VALUES[name]}`)
      // Several addresses may be named.
      const before = name === 'host' ? values.get(name) : undefined
      values.set(name, before === undefined ? value : `${before},${value}`)
    } else throw new WrongUse(`there is no option ${rawName}; --help shows them all`)
  }
  return { values, words }
}

const isFlag = (name: string): name is (typeof FLAGS)[number] => FLAGS.some((flag) => flag === name)

const isValueName = (name: string): name is keyof typeof VALUES => Object.hasOwn(VALUES, name)

const nodesOf = (word: string): number => {
  const nodes = /^\d{1,3}$/.test(word) ? Number(word) : 0
  if (nodes >= 1 && nodes <= MAX_MESH_NODES) return nodes
  throw new WrongUse(`mesh takes a number of nodes from 1 to ${MAX_MESH_NODES}, not ${JSON.stringify(word)}`)
}

/** npm keeps `--ports` of `npm start --ports X` and hands over `X` alone; with `--ports=X` it hands over nothing. */
const refuseWords = (words: readonly string[], script: string, env: Environment): void => {
  const kept = keptByNpm(env)
  const [word] = words
  if (word === undefined && kept.length === 0 && !FLAGS.some((flag) => keepsFlag(env, flag))) return
  const waiting = kept.filter(([, value]) => value === undefined)
  const [only] = waiting
  const flags = FLAGS.filter((flag) => keepsFlag(env, flag)).map((flag) => `--${flag}`)
  const meant = kept.map(([name, value]) => {
    const shown = value ?? (waiting.length === 1 && only?.[0] === name ? word : undefined) ?? VALUES[name]
    return `--${name} ${/\s/.test(shown) ? JSON.stringify(shown) : shown}`
  })
  const hint = `did you mean: ${script} ${[...flags, ...meant].join(' ') || `--ports ${word}`}`
  const said = word === undefined ? 'npm kept an option for itself' : `${JSON.stringify(word)} is not a command`
  throw new WrongUse(`${said}; ${hint}`)
}

/** npm hands over a flag it knows nothing of as `npm_config_lan=true`, and `--no-lan` as an empty one. */
const keepsFlag = (env: Environment, flag: (typeof FLAGS)[number]): boolean => {
  if (env.npm_lifecycle_event !== 'start' && env.npm_lifecycle_event !== 'mesh') return false
  return flag === 'lan' ? env.npm_config_lan === 'true' : env.npm_config_lan === ''
}

const keptByNpm = (env: Environment): [keyof typeof VALUES, string | undefined][] => {
  if (env.npm_lifecycle_event !== 'start' && env.npm_lifecycle_event !== 'mesh') return []
  return Object.keys(VALUES)
    .filter(isValueName)
    .flatMap((name) => {
      const value = env[`npm_config_${name.replace('-', '_')}`]
      // npm says `true` for an option whose value it took for a word.
      return value ? [[name, value === 'true' ? undefined : value]] : []
    })
}
