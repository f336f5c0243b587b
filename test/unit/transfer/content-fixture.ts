/** Contents, and the file one of them arrives in, for the tests of the taking side. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { toHex } from '../../../src/bytes.ts'
import { LayerBuilder } from '../../../src/store/piece-layer.ts'
import { PieceSet } from '../../../src/store/piece-set.ts'
import { pieceCountOf } from '../../../src/store/pieces.ts'
import { Sink, type SinkOptions } from '../../../src/transfer/sink.ts'
import { WorkerPool } from '../../../src/workers.ts'
import { until } from '../../helpers/api.ts'
import { tempDir } from '../../helpers/process.ts'

export const PIECE = 128 * 1024
export const MIB = 1024 * 1024

export interface Made {
  readonly bytes: Buffer
  readonly size: number
  readonly root: string
  readonly hash: string
  readonly layer: Uint8Array
}

/** Different bytes in every piece, the same each time. */
export const contentOf = (size: number, seed = 1): Made => {
  const bytes = Buffer.alloc(size, seed)
  for (let at = 0; at + 4 <= size; at += 4)
    bytes.writeUInt32LE((Math.imul(at + seed, 2_654_435_761) ^ (at >>> 7)) >>> 0, at)
  const builder = new LayerBuilder(size)
  builder.addBlocks(bytes)
  const { root, layer } = builder.result()
  const hash = createHash('sha256').update(bytes).digest('hex')
  return { bytes, size, root: toHex(root), hash, layer: layer ?? root }
}

export const setOf = (size: number, pieces: Iterable<number>): PieceSet => {
  const set = new PieceSet(pieceCountOf(size))
  for (const piece of pieces) set.add(piece)
  return set
}

export const membersOf = (set: PieceSet): number[] =>
  Array.from({ length: set.length }, (_, piece) => piece).filter((piece) => set.has(piece))

export const codeOf = async (work: Promise<unknown>): Promise<string> =>
  await work.then(
    () => 'none',
    (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : String(error)),
  )

export interface Arrival {
  readonly sink: Sink
  readonly path: string
  /** What the sink said, in order: a piece and who sent it. */
  readonly right: [piece: number, from: string][]
  readonly wrong: [piece: number, from: string][]
  /** Commit pieces that lie in the content, as one unit. */
  readonly put: (content: Uint8Array, first: number, count?: number, from?: string) => Promise<void>
  /** Wait until so many pieces were judged. */
  readonly judged: (count: number) => Promise<void>
  readonly file: () => Promise<Buffer>
}

let pool: WorkerPool | undefined

/** A real thread and a real file; let go of when the test ends. */
export const arrivalOf = async (
  { size, layer }: Pick<Made, 'size' | 'layer'>,
  options: Partial<SinkOptions> & { readonly found?: Iterable<number> } = {},
): Promise<Arrival> => {
  pool ??= new WorkerPool({ threads: 3, queue: 3 })
  const right: Arrival['right'] = []
  const wrong: Arrival['wrong'] = []
  const path = options.path ?? join(await tempDir(), 'partial')
  const sink = new Sink(pool, {
    ...{ path, size, layer, maybe: setOf(size, options.found ?? []) },
    onRight: (piece, from) => void right.push([piece, from]),
    onWrong: (piece, from) => void wrong.push([piece, from]),
    ...options,
  })
  onTestFinished(() => sink.close())
  return {
    ...{ sink, path, right, wrong },
    put: async (content, first, count = 1, from = 'somebody') => {
      let unit = sink.take()
      while (unit === undefined) {
        await sink.room()
        unit = sink.take()
      }
      // Memory of its own: it is handed on to the thread.
      const part = new Uint8Array(content.subarray(first * sink.pieceBytes, (first + count) * sink.pieceBytes))
      sink.commit(unit, { first, parts: [part], from })
    },
    judged: async (count) => {
      await until(
        async () => right.length + wrong.length,
        (judged) => judged >= count,
      )
    },
    file: async () => await readFile(path),
  }
}
