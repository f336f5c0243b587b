/**
 * Fetch one content into the home, from top to bottom: its tree, its partial file, its pieces from everybody who has some, the
 * hash of the whole, its name. Where it is, is where this function is; ending it early leaves a partial file to go on with.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { DiskFull, NoHolder, PeerMisbehaved, WrongHash } from '../errors.ts'
import type { ContentClient } from '../peer/contents.ts'
import type { PieceSet } from '../store/piece-set.ts'
import { pieceCountOf, runBytes } from '../store/pieces.ts'
import type { Place } from '../store/place.ts'
import type { WorkerPool } from '../workers.ts'
import { type Holder, isFarewell } from './following.ts'
import { gather } from './gather.ts'
import type { OrderLimits } from './order-choice.ts'
import { Sink } from './sink.ts'
import { layerFits } from './tree.ts'

/** Who has not told the tree after so long is not waited for alone. */
const TREE_MS = 1_000

export interface Content {
  /** 64 hex characters each. */
  readonly root: string
  readonly hash: string
  /** Bytes. */
  readonly size: number
}

export interface FetchTask {
  readonly content: Content
  /** As the mesh calls it; made safe when it is placed. */
  readonly name: string
  /** The partial file, an absolute path in the home's partial folder. */
  readonly partial: string
  /** As an earlier run found it; a damaged one is asked anew. */
  readonly layer: Uint8Array | undefined
  /** Pieces that may be in the partial file. */
  readonly maybe: PieceSet
}

/** What a fetch needs of others. */
export interface FetchDeps {
  /** Requests to an address that may run at the same time; as many as help when it is undefined. */
  readonly atOnce?: ((address: string) => OrderLimits | undefined) | undefined
  readonly client: ContentClient
  readonly place: Place
  readonly pool: WorkerPool
  /** Who publishes the content and is there now. */
  readonly publishers: () => readonly Holder[]
  /** A live node of our own table by its address. */
  readonly at: (address: string) => Holder | undefined
}

/** What a fetch says while it runs. */
export interface FetchEvents {
  /** The layer is known, and these pieces are here: a live set. */
  begun(layer: Uint8Array, have: PieceSet, gathering: { named(address: string): void }): void
  /** Nobody has what is missing; or somebody has again. */
  waiting(waits: boolean): void
  received(holder: Holder, bytes: number): void
  piece(piece: number, holder: Holder): void
  /** A holder is not asked any more: it lied, or its file is not what it was. */
  lost(holder: Holder, error: unknown): void
  verifying(): void
  /** It has its name in the home; what comes after that is tidying up. */
  placed(name: string): void
}

/**
 * @returns the name of the finished file in the home
 * @throws NoHolder when nobody helps for long; DiskFull (with `missingBytes`), CannotWrite; WrongHash; FileChanged or NotAFile
 *   when something else was put in the place of the partial file; Busy; the signal's reason
 */
export const fetchContent = async (
  { content, name, partial, layer: known, maybe }: FetchTask,
  deps: FetchDeps,
  events: FetchEvents,
  signal: AbortSignal,
): Promise<string> => {
  const layer = known && layerFits(known, content) ? known : await layerOf(content, deps, events, signal)
  const gathering = gather(content, deps, events, signal)
  const sink = new Sink(deps.pool, {
    path: partial,
    size: content.size,
    layer,
    maybe,
    onRight: gathering.right,
    onWrong: gathering.wrong,
  })
  try {
    const have = await unlessAborted(sink.ready, signal)
    events.begun(layer, have, gathering)
    await enoughRoom(deps.place, content.size, have)
    await gathering.run(sink, have)
    events.verifying()
    const hash = await unlessAborted(sink.whole, signal)
    if (hash !== content.hash) throw new WrongHash()
  } finally {
    await sink.close()
  }
  return await deps.place.settle(partial, name, { keepFolders: true, onPlaced: (placed) => events.placed(placed) })
}

/** Who has no right one does not end a fetch: somebody else may come. */
const layerOf = async (...asked: Parameters<typeof askLayer>): Promise<Uint8Array> => {
  try {
    return await askLayer(...asked)
  } catch (cause) {
    throw isFarewell(cause) ? new NoHolder({ cause }) : cause
  }
}

/**
 * The first layer that fits the root, from whoever is there; one piece needs none.
 * @throws NoHolder, or what speaks against the last one; the signal's reason
 */
export const askLayer = async (
  { root, size }: Content,
  { client, publishers }: Pick<FetchDeps, 'client' | 'publishers'>,
  events: Pick<FetchEvents, 'lost'>,
  signal: AbortSignal,
): Promise<Uint8Array> => {
  if (pieceCountOf(size) <= 1) return Buffer.from(root, 'hex')
  const found = Promise.withResolvers<Uint8Array>()
  const end = new AbortController()
  const over = AbortSignal.any([signal, end.signal])
  let failure: unknown
  const askOne = async (holder: Holder): Promise<void> => {
    try {
      const layer = await client.tree(holder, root, over)
      if (!layerFits(layer, { root, size })) throw new PeerMisbehaved(holder.address)
      found.resolve(layer)
    } catch (error) {
      if (over.aborted) return
      if (!isFarewell(error)) return
      failure = error
      events.lost(holder, error)
    }
  }
  try {
    const asked: Promise<void>[] = []
    let layer: Uint8Array | undefined
    for (const holder of publishers()) {
      const one = askOne(holder)
      asked.push(one)
      const late = sleep(TREE_MS, undefined, { signal: over, ref: false }).catch(() => {})
      layer = (await Promise.race([found.promise, one, late])) ?? undefined
      if (layer || over.aborted) break
    }
    layer ??= (await Promise.race([found.promise, Promise.all(asked).then(() => undefined)])) ?? undefined
    signal.throwIfAborted()
    if (layer) return layer
    throw failure ?? new NoHolder()
  } finally {
    end.abort()
  }
}

const enoughRoom = async (place: Place, size: number, have: PieceSet): Promise<void> => {
  const missing = size - bytesOf(size, have) - (await place.freeSpace())
  if (missing > 0) throw Object.assign(new DiskFull(), { missingBytes: missing })
}

/** Bytes of the pieces in a set. */
export const bytesOf = (size: number, pieces: PieceSet): number => {
  const last = pieces.length - 1
  if (last < 0 || pieces.size === 0) return 0
  const whole = runBytes(size, { first: 0, count: 1 }).bytes
  return pieces.size * whole - (pieces.has(last) ? whole - runBytes(size, { first: last, count: 1 }).bytes : 0)
}

const unlessAborted = async <Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> => {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    signal.throwIfAborted()
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
