/** `portmesh start`: one node, from its creation to its end. */
import { constants } from 'node:fs'
import { copyFile, mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Config, isInstalled } from '../config.ts'
import { aborted } from './stop.ts'

/** What is needed of a node here. */
export interface Startable {
  start(): Promise<void>
  stop(): Promise<void>
}

/** Who asks to stop during the start waits so long for it to come to an end; then `stop()` is called all the same. */
const START_GRACE_MS = 2_000

/**
 * Create a node, start it, wait for the signal, stop it. A request to stop during the start is no failure.
 * @throws whatever creation, start or stop throw.
 */
export const runNode = async <N extends Startable>(
  create: () => Promise<N>,
  signal: AbortSignal,
  created: (node: N) => void = () => {},
): Promise<void> => {
  if (signal.aborted) return
  const node = await unlessStopped(create(), signal)
  if (node === undefined) return
  created(node)
  try {
    if (!signal.aborted) await unlessStopped(node.start(), signal)
    await aborted(signal)
  } finally {
    await node.stop()
  }
}

/** An installed package has its list of ports in the person's folder; the first start puts the usual one there. */
export const firstPorts = async (config: Config, root: string): Promise<void> => {
  const folder = dirname(config.homes)
  if (!isInstalled(root) || config.portsFile !== join(folder, 'ports.txt')) return
  await mkdir(folder, { recursive: true })
  // There already, or cannot be written: reading it says what is wrong.
  await copyFile(join(root, 'ports.txt'), config.portsFile, constants.COPYFILE_EXCL).catch(() => {})
}

/** The result; or undefined when the signal came first, and either the work failed then or did not end in time. */
const unlessStopped = async <T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> => {
  const settled = new AbortController()
  const late = async (): Promise<undefined> => {
    await aborted(signal)
    await sleep(START_GRACE_MS, undefined, { signal: settled.signal }).catch(() => {})
    return undefined
  }
  try {
    return await Promise.race([work, late()])
  } catch (error) {
    if (signal.aborted) return undefined
    throw error
  } finally {
    settled.abort()
  }
}
