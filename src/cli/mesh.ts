/** `portmesh mesh N`: several nodes on this computer, each a process of its own, to click through and to test with. */
import type { ChildProcess } from 'node:child_process'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Options, whyNotName } from '../config.ts'
import { CannotStart } from '../errors.ts'
import { readSettings } from '../settings.ts'
import { aborted } from './stop.ts'

export interface MeshOptions {
  readonly nodes: number
  /** The folder of the homes mesh-1, mesh-2, ...; absolute. */
  readonly homes: string
  /** What every node is told besides its home; paths absolute. */
  readonly options: Options
  /** Start this program once more with these words; the child has both outputs piped and a channel (`ipc`). */
  readonly spawn: (words: readonly string[]) => ChildProcess
  readonly print: (line: string) => void
  readonly printError: (line: string) => void
  readonly signal: AbortSignal
}

/** The first node starts alone and finds what is wrong with ports and options; then so many at a time: they all hash and probe. */
const STARTING_AT_ONCE = 4
/** A node ends itself within 10 s. */
const KILL_AFTER_MS = 11_000
/** Lines of a node that has ended may still be in its pipes. */
const LAST_LINES_MS = 500
const READY = /^portmesh ready at (\S+)$/

/**
 * Run the nodes until the signal, or until all have ended by themselves.
 * @returns the exit code: 0 when every node ended well, 1 when one could not start or failed.
 * @throws CannotStart when a home cannot be made.
 */
export const runMesh = async (mesh: MeshOptions): Promise<number> => {
  const members: Member[] = []
  const failed = new AbortController()
  const ending = AbortSignal.any([mesh.signal, failed.signal])
  const over = aborted(ending)
  const launch = async (order: number): Promise<void> => {
    if (ending.aborted) return
    const member = await startMember(order, mesh)
    members.push(member)
    if (ending.aborted) endMember(member)
    const url = await Promise.race([member.ready, over])
    if (url !== undefined || ending.aborted) return
    const end = await member.ended
    if (ending.aborted) return
    mesh.printError(`${member.name} could not start (${inWords(end)}), so all are stopped`)
    failed.abort()
  }
  try {
    await launch(1)
    await startSome(mesh.nodes, launch)
    if (!ending.aborted) await announce(members, mesh)
    await Promise.race([over, Promise.all(members.map(({ ended }) => ended))])
  } catch (error) {
    failed.abort()
    await endAll(members)
    throw error
  }
  const well = await endAll(members)
  return well && !failed.signal.aborted ? 0 : 1
}

interface End {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

interface Member {
  /** Counts from 1. */
  readonly order: number
  readonly name: string
  readonly child: ChildProcess
  /** The address it printed; undefined when it ended before. */
  readonly ready: Promise<string | undefined>
  readonly ended: Promise<End>
}

const startSome = async (nodes: number, launch: (order: number) => Promise<void>): Promise<void> => {
  let next = 2
  const lane = async () => {
    while (next <= nodes) await launch(next++)
  }
  await Promise.all(Array.from({ length: STARTING_AT_ONCE }, lane))
}

const startMember = async (order: number, { homes, options, spawn, ...mesh }: MeshOptions): Promise<Member> => {
  const name = `mesh-${order}`
  const home = join(homes, name)
  await prepareHome(home, name)
  const child = spawn(['start', ...wordsOf({ ...options, files: home, name: await nameFor(home, name, options) })])
  const ended = untilEnded(child)
  const ready = new Promise<string | undefined>((resolve) => {
    forEachLine(child.stdout, (line) => {
      mesh.print(`${name} | ${line}`)
      const url = READY.exec(line)?.[1]
      if (url !== undefined) resolve(url)
    })
    forEachLine(child.stderr, (line) => mesh.printError(`${name} | ${line}`))
    void ended.then(() => resolve(undefined))
  })
  return { order, name, child, ready, ended }
}

/** The pages show which node is which; a name that was set on a page stays, and one that is given becomes "Ana mesh-1". */
const nameFor = async (home: string, name: string, options: Options): Promise<string | undefined> => {
  if (options.name === undefined) return (await readSettings(home)).name === undefined ? name : undefined
  const whole = `${options.name} ${name}`
  return whyNotName(whole) === undefined ? whole : name
}

/** `close` would not do: it never comes for a child whose channel we closed ourselves, nor while a grandchild has its outputs. */
const untilEnded = async (child: ChildProcess): Promise<End> => {
  const silent = Promise.all([child.stdout, child.stderr].map(untilClosed))
  const end = await new Promise<End>((resolve) => {
    child.once('error', () => resolve({ code: 1, signal: null }))
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
  await Promise.race([silent, sleep(LAST_LINES_MS)])
  return end
}

const untilClosed = (stream: ChildProcess['stdout']): Promise<void> =>
  new Promise((resolve) => (stream ? stream.once('close', resolve) : resolve()))

const forEachLine = (stream: ChildProcess['stdout'], use: (line: string) => void): void => {
  if (stream) createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', use)
}

/** Make the home; an empty one gets a file to publish. Names that begin with a dot are never shared, so they do not count. */
const prepareHome = async (home: string, name: string): Promise<void> => {
  try {
    await mkdir(home, { recursive: true })
    const files = await readdir(home)
    if (files.some((file) => !file.startsWith('.'))) return
    const text = `This is a sample of ${name}.\n\nPublish it on the page of ${name}, and it appears on the pages of all others.\n`
    await writeFile(join(home, `sample of ${name}.txt`), text, { flag: 'wx' })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new CannotStart(`the folder ${home} cannot be used: ${reason}`, { cause })
  }
}

/** Said once the mesh is complete; from then on a node that ends alone is news, not a failure of the start. */
const announce = async (members: readonly Member[], mesh: MeshOptions): Promise<void> => {
  const inOrder = members.toSorted((a, b) => a.order - b.order)
  const urls = await Promise.all(inOrder.map(({ ready }) => ready))
  mesh.print(`mesh ready: ${urls.join(' ')}`)
  for (const { name, ended } of inOrder)
    void ended.then((end) => {
      if (!mesh.signal.aborted) mesh.print(`${name} has ended (${inWords(end)})`)
    })
}

/** @returns true when all ended without an error code; who was killed from outside did nothing wrong. */
const endAll = async (members: readonly Member[]): Promise<boolean> => {
  for (const member of members) endMember(member)
  let stuck = false
  const kill = setTimeout(() => {
    stuck = true
    for (const { child } of members) child.kill('SIGKILL')
  }, KILL_AFTER_MS)
  const ends = await Promise.all(members.map(({ ended }) => ended))
  clearTimeout(kill)
  return !stuck && ends.every(({ code }) => code === 0 || code === null)
}

const inWords = ({ code, signal }: End): string => signal ?? `exit code ${code}`

const endMember = ({ child }: Member): void => {
  // On Windows every signal is a kill: there the end of the channel is what asks a node to stop.
  if (process.platform !== 'win32') child.kill('SIGTERM')
  if (child.connected) child.disconnect()
}

const wordsOf = ({ lan, ...options }: Options): string[] => {
  const { ports, files, name, interval, host, logLevel, up, down, upPeer, downPeer } = options
  const values = Object.entries({
    ...{ ports, files, name, interval, host, 'log-level': logLevel },
    ...{ up, down, 'up-peer': upPeer, 'down-peer': downPeer },
  })
  const words = values.flatMap(([key, value]) => (value === undefined ? [] : [`--${key}=${value}`]))
  return lan === undefined ? words : [...words, lan === 'off' ? '--no-lan' : '--lan']
}
