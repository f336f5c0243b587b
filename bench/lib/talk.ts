/** Talking with a node as the person's programs do: over loopback, or over a socket file where it lives in a network of its own. */
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TransferAnswer } from '../../src/api/transfer.ts'
import type { CatalogueJson } from '../../test/helpers/api.ts'
import { type Reached, talk } from '../../test/helpers/lan-node.ts'

/** How often a transfer is looked at. Its own clock says when it was done, so this adds nothing to the figures. */
const LOOK_MS = 50
const ENDED: ReadonlySet<string> = new Set(['done', 'failed', 'cancelled'])

/** Publish a file of the node's home. @returns its root */
export const publish = async (node: Reached, name: string): Promise<string> =>
  (await talk<{ root: string }>(node, `/myfiles/${encodeURIComponent(name)}/upload`, {})).root

/** Wait until a node knows so many live holders of a content, or none. */
export const untilHeld = async (node: Reached, root: string, holders: number, withinMs = 30_000): Promise<void> => {
  const end = performance.now() + withinMs
  for (;;) {
    const { files } = await talk<CatalogueJson>(node, '/getfile/available?size=1000')
    const known = files.find((file) => file.root === root)?.holders.filter(({ alive }) => alive).length ?? 0
    if (known === holders) return
    if (performance.now() > end) throw new Error(`${known} of ${holders} holders are known`)
    await sleep(LOOK_MS)
  }
}

export interface Fetched {
  /** From the order to the finished file. */
  readonly seconds: number
  readonly transfer: TransferAnswer
}

/** Fetch a content into the home. */
export const fetchInto = async (node: Reached, root: string, signal?: AbortSignal): Promise<Fetched> => {
  const began = Date.now()
  let transfer = await talk<TransferAnswer>(node, '/transfers', { root })
  while (!ENDED.has(transfer.state)) {
    await sleep(LOOK_MS, undefined, { ...(signal && { signal }) })
    transfer = await talk(node, `/transfers/${transfer.id}`)
  }
  if (transfer.state !== 'done' || transfer.endedMs === undefined)
    throw new Error(`the transfer ${transfer.state}: ${transfer.error?.message}`)
  return { seconds: (transfer.endedMs - began) / 1_000, transfer }
}

/** Fetch as above, and take the file away again, so that the next fetch is a whole one. @returns seconds */
export const fetchOnce = async (node: Reached, root: string): Promise<number> => {
  const { seconds, transfer } = await fetchInto(node, root)
  const file = join(node.home, transfer.file ?? '')
  const { size } = await stat(file)
  if (size !== transfer.size) throw new Error(`${size} bytes came instead of ${transfer.size}`)
  await rm(file)
  return seconds
}
