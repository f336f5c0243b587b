/** Real nodes for tests: each a process of its own, in its own process group, gone without a trace when the test ends. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { blockedByBrowsers } from '../../src/discovery/ports.ts'

export const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

export type CleanUp = (work: () => Promise<void>) => void
export type Environment = Readonly<Record<string, string | undefined>>

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface RunOptions {
  readonly env?: Environment
  readonly cwd?: string
  /** Where cleaning up is registered; outside a test (`beforeAll`) give one of your own. */
  readonly cleanUp?: CleanUp
  /** A channel to the child, as the launcher and the mesh have one. */
  readonly channel?: boolean
}

/** A program that runs, with everything it has printed so far. */
export interface Running {
  readonly child: ChildProcess
  readonly pid: number
  output(): string
  stdout(): string
  stderr(): string
  /** Resolves once the output matches; rejects with the output when the program ends first, or after 20 s. */
  says(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>
  /** Resolves when the program has ended and said its last words. */
  readonly ended: Promise<Ended>
  /** Signal the process alone (not its group) and wait for its end. */
  stop(signal?: NodeJS.Signals): Promise<Ended>
  /** SIGKILL for the whole group. */
  kill(): Promise<void>
}

export interface NodeOptions extends RunOptions {
  /** A folder of the test's own when left out. */
  readonly home?: string
  /** The path of a list, or its lines; a list of three free ports when left out. */
  readonly ports?: string | readonly (number | string)[]
  readonly name?: string
  /** Seconds; 1 when left out. */
  readonly interval?: number
  readonly logLevel?: string
  /** Start with `npm start --` instead of the launcher. */
  readonly viaNpm?: boolean
  /** The Node that runs the launcher; the one of the tests when left out. */
  readonly runtime?: string
  /** Words before the launcher's path, where `runtime` is a program that starts another one. */
  readonly runtimeWords?: readonly string[]
  /** The top folder of the program; the repository when left out. */
  readonly top?: string
  /** More words for the command line. */
  readonly words?: readonly string[]
}

export interface RunningNode extends Running {
  readonly url: string
  readonly port: number
  readonly home: string
}

/** As the scripts of package.json start it. */
const NODE_FLAGS = ['--max-semi-space-size=4']
const READY = /^portmesh ready at (http:\/\/127\.0\.0\.1:(\d+)\/)$/m
const READY_WITHIN_MS = 20_000
const FREED_WITHIN_MS = 5_000
/** Below the range from which systems take ports for outgoing connections. A slice for each worker of the test run. */
const FIRST_PORT = 20_000
const PORTS_OF_A_WORKER = 1_000
const SLICES = 12

/** A folder of the test's own, removed when it ends. */
export const tempDir = async (cleanUp: CleanUp = onTestFinished): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'portmesh-test-'))
  cleanUp(() => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }))
  return folder
}

/** Write a list of ports into a folder of the test's own and return its path. */
export const portsFile = async (lines: readonly (number | string)[], cleanUp?: CleanUp): Promise<string> => {
  const file = join(await tempDir(cleanUp), 'ports.txt')
  await writeFile(file, `${lines.join('\n')}\n`)
  return file
}

let nextPort = Math.floor(Math.random() * PORTS_OF_A_WORKER)

/** Ports of 127.0.0.1 that are free, that browsers open, and that no call before has given out. */
export const freePorts = async (count: number): Promise<number[]> => {
  const slice = FIRST_PORT + (Number(process.env.VITEST_POOL_ID ?? 0) % SLICES) * PORTS_OF_A_WORKER
  const found: number[] = []
  for (let tried = 0; found.length < count && tried < PORTS_OF_A_WORKER; tried += 1) {
    const port = slice + (nextPort++ % PORTS_OF_A_WORKER)
    if (!blockedByBrowsers(port) && (await isFree(port))) found.push(port)
  }
  if (found.length < count) throw new Error(`only ${found.length} of ${count} ports are free`)
  return found
}

/** Start the real program and wait until it says that it is ready. */
export const startNode = async (options: NodeOptions = {}): Promise<RunningNode> => {
  const launched = await launchNode(options)
  const [, url = '', port = ''] = await launched.says(READY)
  return { ...launched, url, port: Number(port) }
}

/** Start the real program and wait for nothing. */
export const launchNode = async (options: NodeOptions = {}): Promise<Running & { readonly home: string }> => {
  const { cleanUp, interval = 1, top = REPOSITORY } = options
  const home = options.home ?? (await tempDir(cleanUp))
  const ports = options.ports ?? (await freePorts(3))
  const list = typeof ports === 'string' ? ports : await portsFile(ports, cleanUp)
  const words = [
    `--ports=${list}`,
    `--files=${home}`,
    `--interval=${interval}`,
    ...(options.name === undefined ? [] : [`--name=${options.name}`]),
    ...(options.logLevel === undefined ? [] : [`--log-level=${options.logLevel}`]),
    ...(options.words ?? []),
  ]
  const running = options.viaNpm
    ? run('npm', ['start', '--', ...words], { ...options, cwd: top })
    : run(
        options.runtime ?? process.execPath,
        [...(options.runtimeWords ?? []), ...NODE_FLAGS, join(top, 'bin', 'portmesh.js'), 'start', ...words],
        options,
      )
  return { ...running, home }
}

/** Several nodes with one list of ports; everything but their homes is the same. Not `portmesh mesh`: each is alone. */
export const startMesh = async (count: number, options: Omit<NodeOptions, 'home'> = {}): Promise<RunningNode[]> => {
  const lines = options.ports ?? (await freePorts(count + 2))
  const ports = typeof lines === 'string' ? lines : await portsFile(lines, options.cleanUp)
  return await Promise.all(
    Array.from({ length: count }, (_, index) =>
      startNode({ ...options, ports, name: `${options.name ?? 'node'} ${index + 1}` }),
    ),
  )
}

/** Run a program in its own process group; the group is killed when the test ends. */
export const run = (command: string, words: readonly string[], options: RunOptions = {}): Running => {
  const child = spawn(command, words, {
    cwd: options.cwd,
    env: cleanEnvironment(options.env),
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', ...(options.channel ? ['ipc' as const] : [])],
  })
  const text = { stdout: '', stderr: '', both: '' }
  const collect = (from: 'stdout' | 'stderr') => (chunk: Buffer) => {
    text[from] += chunk
    text.both += chunk
  }
  child.stdout?.on('data', collect('stdout'))
  child.stderr?.on('data', collect('stderr'))
  const ended = untilEnded(child)
  const kill = async () => {
    signalGroup(child, 'SIGKILL')
    await ended
  }
  const says = async (pattern: RegExp, timeoutMs = READY_WITHIN_MS): Promise<RegExpExecArray> => {
    let over = false
    void ended.then(() => {
      over = true
    })
    const until = performance.now() + timeoutMs
    for (;;) {
      const last = over || performance.now() > until
      const found = pattern.exec(text.both)
      if (found) return found
      if (last)
        throw new Error(`${command} did not say ${pattern} ${over ? 'before it ended' : 'in time'}:\n${text.both}`)
      await sleep(20)
    }
  }
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    child.kill(signal)
    return await ended
  }
  const cleanUp = options.cleanUp ?? onTestFinished
  cleanUp(async () => {
    await kill()
    for (const [, , port] of text.both.matchAll(new RegExp(READY.source.replace('^', ''), 'gm')))
      await freed(Number(port))
  })
  const output = { output: () => text.both, stdout: () => text.stdout, stderr: () => text.stderr }
  return { child, pid: child.pid ?? 0, ...output, says, ended, stop, kill }
}

/** True when nothing listens on that port of 127.0.0.1. */
export const isFree = async (port: number): Promise<boolean> => {
  const server = createServer()
  server.listen({ host: '127.0.0.1', port, exclusive: true })
  try {
    await once(server, 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}

/** True when something accepts connections there. */
export const listens = async (port: number): Promise<boolean> => {
  const socket = connect({ host: '127.0.0.1', port })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** Wait until nobody listens on a port any more; throws when somebody still does after 5 s. */
export const freed = async (port: number, withinMs = FREED_WITHIN_MS): Promise<void> => {
  const until = performance.now() + withinMs
  while (await listens(port)) {
    if (performance.now() > until) throw new Error(`something still listens on port ${port}`)
    await sleep(20)
  }
}

/** Wait until a process that is no child of ours has gone; throws when it is still there after 5 s. */
export const untilGone = async (pid: number, withinMs = FREED_WITHIN_MS): Promise<void> => {
  const until = performance.now() + withinMs
  while (await isAlive(pid)) {
    if (performance.now() > until) throw new Error(`process ${pid} is still there`)
    await sleep(20)
  }
}

/** A zombie has ended; that its new parent has not collected it yet is not our affair. */
const isAlive = async (pid: number): Promise<boolean> => {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  return !/^\d+ \(.*\) [ZX] /s.test(await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ''))
}

const signalGroup = (child: ChildProcess, signal: NodeJS.Signals): void => {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal)
  } catch {
    // The whole group is gone.
  }
}

const untilEnded = async (child: ChildProcess): Promise<Ended> =>
  await new Promise((resolve, reject) => {
    child.once('error', reject)
    let end: Ended = { code: null, signal: null }
    child.once('exit', (code, signal) => {
      end = { code, signal }
      // Grandchildren may hold the pipes open longer than the child lives: no reason to wait for ever.
      setTimeout(() => resolve(end), 1_000).unref()
    })
    child.once('close', () => resolve(end))
  })

/** The tests' own npm, and whatever portmesh variables the person has, must not reach the program under test. */
const cleanEnvironment = (more: Environment = {}): NodeJS.ProcessEnv => {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|INIT_CWD$|PORTMESH_|NODE_OPTIONS$|NODE_ENV$|VITEST)/i.test(name),
  )
  return { ...Object.fromEntries(own), ...more }
}
