/** Contents that peers are said to have, given in pieces without a network: as fast as a test wants, or not at all, or wrong. */
import { once } from 'node:events'
import { toHex } from '../../src/bytes.ts'
import { PeerUnreachable } from '../../src/errors.ts'
import type { ContentClient } from '../../src/peer/contents.ts'
import { LayerBuilder } from '../../src/store/piece-layer.ts'
import { pieceBytesOf, runBytes } from '../../src/store/pieces.ts'

interface Content {
  readonly hash: string
  readonly root: string
  readonly bytes: Buffer
}

export interface PieceAsked {
  readonly peer: string
  readonly root: string
  readonly piece: number
  readonly signal: AbortSignal
}

export interface ContentsOf {
  readonly client: ContentClient
  put(peer: string, content: Content): void
  /** By hash or root. */
  get(peer: string, name: string): Buffer | undefined
  /** Called before each piece is given; what it throws, the holder answers. */
  before: (asked: PieceAsked) => Promise<void> | void
  /** Who gives wrong bytes. */
  readonly liars: Set<string>
}

export const contentsOf = (): ContentsOf => {
  const known = new Map<string, Buffer>()
  const find = (at: { address: string; id: string }, root: string): Buffer => {
    const bytes = known.get(`${at.id}${root}`)
    if (!bytes) throw new PeerUnreachable(at.address)
    return bytes
  }
  const client: Pick<ContentClient, 'tree' | 'have' | 'pieces'> = {
    tree: async (at, root) => layerOf(find(at, root)).layer,
    have: async function* (at, root, signal) {
      find(at, root)
      yield { all: true }
      if (!signal.aborted) await once(signal, 'abort')
    },
    pieces: async (at, root, { first, count }, sink, signal) => {
      const bytes = find(at, root)
      const { from, bytes: length } = runBytes(bytes.length, { first, count })
      sink.head(first, count, length)
      for (let position = from, piece = first; position < from + length; piece += 1) {
        await contents.before({ peer: at.id, root, piece, signal })
        signal.throwIfAborted()
        const part = Buffer.from(bytes.subarray(position, position + pieceBytesOf(bytes.length)))
        if (contents.liars.has(at.id)) part[0] = (part[0] ?? 0) ^ 1
        // Whoever gets a part may let go of its memory.
        const { length: taken } = part
        sink.progress(taken)
        await sink.frame([part], taken)
        position += taken
      }
    },
  }
  const contents: ContentsOf = {
    client: client as unknown as ContentClient,
    put: (peer, { hash, root, bytes }) => {
      for (const name of [hash, root]) known.set(peer + name, bytes)
    },
    get: (peer, name) => known.get(peer + name),
    before: () => {},
    liars: new Set(),
  }
  return contents
}

const layerOf = (bytes: Buffer): { root: Uint8Array; layer: Uint8Array } => {
  const builder = new LayerBuilder(bytes.length)
  builder.addBlocks(bytes)
  const { root, layer } = builder.result()
  return { root, layer: layer ?? root }
}

export const rootOf = (bytes: Buffer): string => toHex(layerOf(bytes).root)
