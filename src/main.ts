/** The process: arguments, environment, signals, exit code. Nothing else reads or ends them. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { homedir, hostname, userInfo } from 'node:os'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Command, parseCommand } from './cli/args.ts'
import { HELP } from './cli/help.ts'
import { runMesh } from './cli/mesh.ts'
import { linePrinter } from './cli/show.ts'
import { firstPorts, runNode } from './cli/start.ts'
import { stopRequested } from './cli/stop.ts'
import { keepCompiled } from './compiled.ts'
import { type Config, type Options, resolveConfig } from './config.ts'
import { CannotStart, WrongUse } from './errors.ts'
import { createLog, type ProcessLog } from './log.ts'

const STOPPED = 0
const CANNOT_START = 1
const WRONG_USE = 2
/** 128 + SIGINT: what a shell says of a program that was ended by Ctrl-C. */
const FORCED = 130
/** Everything is built to end within 5 s; whatever still runs then is stuck. A mesh waits for its nodes, which need up to 10 s. */
const STOP_WITHIN_MS = { start: 10_000, mesh: 12_000 } as const
/** A reader of standard output that does not read must not keep the process. */
const LAST_WORDS_MS = 1_000

/** The longest that timers know: 24 days. */
const MAX_TIMER_MS = 2 ** 31 - 1

const self = fileURLToPath(import.meta.url)
const root = dirname(dirname(self))
const print = linePrinter(process.stdout)
const printError = linePrinter(process.stderr)
let log: ProcessLog | undefined
let failed = false

const stop = stopRequested(process, {
  byNpm: process.env.npm_lifecycle_event !== undefined,
  force: () => process.exit(FORCED),
})

const main = async (): Promise<number> => {
  const command = parseCommand(process.argv.slice(2), process.env)
  if (command.kind === 'help') {
    for (const line of HELP.trimEnd().split('\n')) print(line)
    return STOPPED
  }
  if (command.kind === 'version') {
    print(`portmesh ${version()}`)
    return STOPPED
  }
  const config = resolveConfig({
    options: command.options,
    env: process.env,
    cwd: process.cwd(),
    root,
    personHome: homedir(),
    user: userName(),
    host: hostname(),
  })
  log = createLog(config.logLevel, { write: (line) => process.stderr.write(line) })
  endInTime(STOP_WITHIN_MS[command.kind])
  await firstPorts(config, root)
  return command.kind === 'mesh' ? await mesh(command, config) : await start(config, log)
}

const start = async (config: Config, nodeLog: ProcessLog): Promise<number> => {
  // Loaded late: help and wrong use answer at once, and signals are heard while it loads.
  const create = async () => {
    const { createNode } = await import('./node.ts')
    return await createNode(config, { log: nodeLog, print, env: process.env })
  }
  await runNode(create, stop.signal, (node) => nodeLog.toHome(node.home))
  return STOPPED
}

const mesh = async ({ nodes, options }: Extract<Command, { kind: 'mesh' }>, config: Config): Promise<number> => {
  const name = config.fixed.name ? config.name : undefined
  const same: Options = { ...options, ports: config.portsFile, files: undefined, name }
  return await runMesh({
    nodes,
    homes: config.home ?? config.homes,
    options: same,
    // The channel tells a node when this process is gone, however it ended.
    spawn: (words) =>
      spawn(process.execPath, [...process.execArgv, self, ...words], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] }),
    print,
    printError,
    signal: stop.signal,
  })
}

/** One sentence for the person; stack and cause for the log only. */
const explain = (error: unknown): number => {
  if (error instanceof WrongUse || error instanceof CannotStart) {
    printError(`portmesh: ${error.message}`)
    return error instanceof WrongUse ? WRONG_USE : CANNOT_START
  }
  log?.error({ error }, 'something went wrong that nobody had thought of')
  const where =
    log?.file === undefined ? 'the log line above tells more, unless --log-level is silent' : `the log is ${log.file}`
  printError(`portmesh: something went wrong inside this node, and it ends now; ${where}`)
  return CANNOT_START
}

const fail = (error: unknown): void => {
  if (!failed) explain(error)
  else log?.error({ error }, 'something else went wrong while stopping')
  failed = true
  stop.abort('an unexpected error')
}

const endInTime = (milliseconds: number): void => {
  const end = () => {
    log?.error({}, `still not stopped after ${milliseconds} ms`)
    process.exit(CANNOT_START)
  }
  stop.signal.addEventListener('abort', () => setTimeout(end, milliseconds).unref(), { once: true })
}

const userName = (): string | undefined => {
  try {
    return userInfo().username
  } catch {
    // A container may run under a number that nobody has given a name.
    return undefined
  }
}

const version = (): string => {
  const found: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  return typeof found === 'object' && found !== null && 'version' in found ? String(found.version) : 'unknown'
}

process.on('uncaughtException', fail)
process.on('unhandledRejection', fail)
// Signals alone do not keep a process alive; whoever waits for one must not end by itself.
const alive = setInterval(() => {}, MAX_TIMER_MS)
keepCompiled()
const code = await main().catch(explain)
clearInterval(alive)
log?.close()
// Whatever is still open (a socket, a thread) must not keep a stopped node alive.
const leave = () => process.exit(failed ? CANNOT_START : code)
setTimeout(leave, LAST_WORDS_MS)
process.stdout.write('', leave)
