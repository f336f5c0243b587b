/** Two nodes on loopback, one that shares and one that fetches. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { freePorts, portsFile, type RunningNode, startNode } from '../../test/helpers/process.ts'
import { cleanUp } from '../measure.ts'
import { publish, untilHeld } from './talk.ts'

export interface Pair {
  readonly sender: RunningNode
  readonly receiver: RunningNode
}

export interface PairOptions {
  /** Words for Node itself, before the program. */
  readonly senderFlags?: readonly string[]
  readonly receiverFlags?: readonly string[]
}

/** Both with homes inside a folder. */
export const startPair = async (folder: string, options: PairOptions = {}): Promise<Pair> => {
  const ports = await portsFile(await freePorts(2), cleanUp)
  const start = async (name: string, flags: readonly string[] = []): Promise<RunningNode> => {
    const home = join(folder, name)
    await mkdir(home)
    const node = await startNode({ name, home, ports, interval: 10, cleanUp, channel: true, runtimeWords: flags })
    explainEnd(node, name)
    return node
  }
  return {
    sender: await start('sender', options.senderFlags),
    receiver: await start('receiver', options.receiverFlags),
  }
}

/** Publish a file of the sender's home. @returns its root, once the receiver knows it */
export const share = async ({ sender, receiver }: Pair, name: string): Promise<string> => {
  const root = await publish(sender, name)
  await untilHeld(receiver, root, 1)
  return root
}

/** A node that ends in the middle, or is about to, explains what the benchmark says next. */
export const explainEnd = ({ child, output }: RunningNode, name: string): void =>
  cleanUp(async () => {
    const ended = (child.exitCode ?? 0) !== 0 || child.signalCode !== null
    if (ended || output().includes('"level":"error"'))
      console.error(`${name} ${ended ? `ended with ${child.signalCode ?? child.exitCode}` : 'said'}:\n${output()}`)
  })
