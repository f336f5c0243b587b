/** Nodes on the computers of a lab, and talking with them from outside. */
import { join } from 'node:path'
import { Agent, type Dispatcher, request } from 'undici'
import { onTestFinished } from 'vitest'
import type { Lab } from './lab.ts'
import { type NodeOptions, portsFile, type RunningNode, startNode, tempDir } from './process.ts'

export const LAN_PORT = 5_000
const DOOR = new URL('lan-door.ts', import.meta.url).href

export interface Reached extends RunningNode {
  /** Undefined: the usual one. */
  readonly over?: Dispatcher
}

export interface LanNodeOptions extends Omit<NodeOptions, 'runtime' | 'runtimeWords'> {
  /** Words for Node itself. */
  readonly flags?: readonly string[]
  /** Answer on every address, as a node did before it had listeners of its own for them. */
  readonly everywhere?: boolean
}

/** Start the real program on a computer; on port 5000, knowing nobody, unless `ports` says more. */
export const startLanNode = async (lab: Lab, computer: number, options: LanNodeOptions = {}): Promise<Reached> => {
  const { cleanUp = onTestFinished, flags = [], everywhere = false, ...more } = options
  const socketPath = join(await tempDir(cleanUp), 'door')
  const [ip = 'ip', ...inside] = lab.inside(computer)
  const node = await startNode({
    name: `computer ${computer}`,
    ...more,
    cleanUp,
    ports: more.ports ?? (await portsFile([LAN_PORT], cleanUp)),
    runtime: ip,
    runtimeWords: [...inside, process.execPath, '--import', DOOR, ...flags],
    env: { ...more.env, LAB_SOCKET: socketPath, ...(everywhere && { LAB_EVERYWHERE: '1' }) },
  })
  const over = new Agent({ connect: { socketPath } })
  cleanUp(async () => await over.destroy())
  return { ...node, over }
}

/** GET, or POST when there is a body. @throws with the answer when it is no 2xx */
export const talk = async <Json>({ url, over }: Reached, path: string, body?: object): Promise<Json> => {
  const { statusCode, body: answer } = await request(new URL(path, url), {
    ...(over && { dispatcher: over }),
    ...(body && { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  if (statusCode >= 300) throw new Error(`${path}: ${statusCode} ${text}`)
  return JSON.parse(text) as Json
}
