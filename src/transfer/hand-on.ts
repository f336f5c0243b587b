/**
 * Fetch a content for somebody who reads it from front to back: pieces in their order, each checked before it is handed on, from
 * whichever holder gives them; the end is handed on only when the hash of the whole is right.
 */
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  FileChanged,
  NoHolder,
  NotPublished,
  PeerMisbehaved,
  PeerUnreachable,
  publicError,
  WrongHash,
  WrongPiece,
} from '../errors.ts'
import type { ContentClient } from '../peer/contents.ts'
import { pieceBytesOf, pieceCountOf, type Run, runBytes } from '../store/pieces.ts'
import { askLayer, type Content } from './fetch.ts'
import type { Holder } from './following.ts'
import { isLie } from './standing.ts'
import { pieceFits } from './tree.ts'

/** A wrong file is never a finished download. */
const HELD_BACK_BYTES = 64 * 1024
const RUN_BYTES = 1024 * 1024
/** Runs that are asked for before the reader wants them. */
const AHEAD = 3
/** A holder that sends nothing for so long loses the run to another. */
const SILENT_MS = 5_000
/** A reader that has begun waits so long for anybody who goes on. */
const PATIENCE_MS = 30_000
const REST_MS = 500

export interface HandOnRequest {
  readonly content: Content
  /** Who has it and is there now, in the order in which they are asked. */
  readonly holders: () => readonly Holder[]
  readonly signal: AbortSignal
  /** A holder sent something wrong, and nobody else can have sent it. */
  readonly onLie?: (id: string, code: string) => void
}

export interface HandedOn {
  readonly size: number
  /** Ends normally only when every byte came and the hash was right. Throws NoHolder when nobody can go on, or the last one's error. */
  readonly body: AsyncIterable<Uint8Array>
}

/** @throws NoHolder, PeerMisbehaved, whatever the last holder failed with, when not even the beginning can be had */
export const handOn = async (request: HandOnRequest, client: ContentClient): Promise<HandedOn> => {
  const { content, holders, signal, onLie } = request
  if (holders().length === 0) throw new NoHolder()
  const liars = new Liars(onLie)
  const honest = (): readonly Holder[] => holders().filter(({ id }) => !liars.has(id))
  const lost = ({ id }: Holder, error: unknown): void => liars.note(id, error)
  const layer = await askLayer(content, { client, publishers: honest }, { lost }, signal)
  const over = new AbortController()
  const reader = new RunReader(
    { ...request, holders: honest, signal: AbortSignal.any([signal, over.signal]) },
    client,
    layer,
    liars,
  )
  const runs = runsOf(content.size)
  // The beginning decides whether there is an answer at all.
  const first = runs.length > 0 ? await reader.read(runs[0] ?? NOTHING) : new Uint8Array()
  return { size: content.size, body: checked(content, inOrder(runs, first, reader), () => over.abort()) }
}

const NOTHING: Run = { first: 0, count: 0 }

const runsOf = (size: number): readonly Run[] => {
  const pieces = pieceCountOf(size)
  const count = Math.max(1, RUN_BYTES / pieceBytesOf(size))
  return Array.from({ length: Math.ceil(pieces / count) }, (_, run) => ({
    first: run * count,
    count: Math.min(count, pieces - run * count),
  }))
}

async function* inOrder(runs: readonly Run[], first: Uint8Array, reader: RunReader): AsyncGenerator<Uint8Array> {
  const coming: Promise<Uint8Array>[] = [Promise.resolve(first)]
  for (let next = 1; coming.length > 0; ) {
    for (; coming.length <= AHEAD && next < runs.length; next++) {
      const run = reader.goOn(runs[next] ?? NOTHING)
      // Its failure is heard when its turn comes.
      run.catch(() => {})
      coming.push(run)
    }
    yield (await coming.shift()) ?? new Uint8Array()
  }
}

async function* checked(
  { hash }: Content,
  body: AsyncIterable<Uint8Array>,
  end: () => void,
): AsyncGenerator<Uint8Array> {
  const digest = createHash('sha256')
  let held = new Uint8Array()
  try {
    for await (const run of body) {
      digest.update(run)
      if (held.length > 0) yield held
      const cut = Math.max(0, run.length - HELD_BACK_BYTES)
      if (cut > 0) yield run.subarray(0, cut)
      held = run.slice(cut)
    }
    if (digest.digest('hex') !== hash) throw new WrongHash()
    if (held.length > 0) yield held
  } finally {
    end()
  }
}

class RunReader {
  readonly #request: HandOnRequest
  readonly #client: ContentClient
  readonly #layer: Uint8Array
  readonly #liars: Liars
  /** Who gave the last run comes first again; who failed comes last. */
  #failed: string[] = []

  constructor(request: HandOnRequest, client: ContentClient, layer: Uint8Array, liars: Liars) {
    this.#request = request
    this.#client = client
    this.#layer = layer
    this.#liars = liars
  }

  /** The bytes of a run, every piece of it right; asked for again while somebody may still come back. */
  async goOn(run: Run): Promise<Uint8Array> {
    const { signal } = this.#request
    const until = performance.now() + PATIENCE_MS
    for (;;) {
      try {
        return await this.read(run)
      } catch (error) {
        const nobodyLeft = this.#liars.size > 0 && this.#request.holders().length === 0
        if (signal.aborted || nobodyLeft || performance.now() > until) throw error
        await sleep(REST_MS, undefined, { signal })
      }
    }
  }

  /** As goOn, with each holder asked once. */
  async read(run: Run): Promise<Uint8Array> {
    const { signal } = this.#request
    const tried = new Set<string>()
    let failure: unknown = new NoHolder()
    for (let holder = this.#next(tried); holder; holder = this.#next(tried)) {
      tried.add(holder.id)
      try {
        return await this.#from(holder, run)
      } catch (error) {
        signal.throwIfAborted()
        failure = error
        this.#liars.note(holder.id, error)
        this.#failed = [...this.#failed.filter((id) => id !== holder?.id), holder.id]
      }
    }
    throw failure
  }

  #next(tried: ReadonlySet<string>): Holder | undefined {
    const left = this.#request.holders().filter(({ id }) => !tried.has(id))
    return left.sort((a, b) => this.#failed.indexOf(a.id) - this.#failed.indexOf(b.id))[0]
  }

  async #from(holder: Holder, run: Run): Promise<Uint8Array> {
    const { content, signal } = this.#request
    const { root, size } = content
    const { bytes } = runBytes(size, run)
    const into = new Uint8Array(bytes)
    const silent = new AbortController()
    let held = 0
    const timer = setTimeout(() => {
      // Whoever is slow because we hold it up is not silent.
      if (held > 0) timer.refresh()
      else silent.abort(new NoHolder())
    }, SILENT_MS)
    let at = 0
    let first = run.first
    try {
      while (at < bytes) {
        const rest = { first, count: run.first + run.count - first, want: undefined }
        const sink = {
          head: (from: number, count: number, announced: number) => {
            if (from !== first || count < 1 || count > rest.count) throw new PeerMisbehaved(holder.address)
            // The head was sealed, the length of the answer was not.
            if (runBytes(size, { first: from, count }).bytes !== announced) throw new PeerUnreachable(holder.address)
            first += count
          },
          frame: (parts: readonly Uint8Array[]) => {
            for (const part of parts) {
              into.set(part, at)
              at += part.length
            }
            return undefined
          },
          progress: () => void timer.refresh(),
          held: (wait: Promise<void>) => {
            held += 1
            void wait.finally(() => {
              held -= 1
            })
          },
        }
        await this.#client.pieces(holder, root, rest, sink, AbortSignal.any([signal, silent.signal]))
      }
    } finally {
      clearTimeout(timer)
    }
    const piece = pieceBytesOf(size)
    for (let index = 0; index < run.count; index++) {
      const part = into.subarray(index * piece, (index + 1) * piece)
      if (!pieceFits(this.#layer, size, run.first + index, part)) throw new WrongPiece(holder.address)
    }
    return into
  }
}

/** Who lied is not asked again; whose file is not what it was, neither. */
class Liars extends Set<string> {
  readonly #onLie: HandOnRequest['onLie']

  constructor(onLie: HandOnRequest['onLie']) {
    super()
    this.#onLie = onLie
  }

  note(id: string, error: unknown): void {
    if (isLie(error)) this.#onLie?.(id, publicError(error).code)
    if (isLie(error) || error instanceof FileChanged || error instanceof NotPublished) this.add(id)
  }
}
