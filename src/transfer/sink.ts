/** The main thread's side of a fetch's file: room for what arrives, and what became of it. */
import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { Busy, FileChanged, Internal, NotAFile } from '../errors.ts'
import { writeError } from '../store/disk.ts'
import { PieceSet } from '../store/piece-set.ts'
import { pieceBytesOf, pieceCountOf } from '../store/pieces.ts'
import { type WorkerPool, workerFile } from '../workers.ts'
import { movable } from './parts.ts'
import type { FromSink, SinkTask, ToSink } from './sink-worker.ts'

const WORKER = workerFile('sink-worker', import.meta.url)
const UNIT_BYTES = 1024 * 1024
/** What may wait for the thread; more stops the reading from the network. */
const UNITS = 4
/** Of pieces larger than a unit, each of which is a unit of its own. */
const LARGE_UNITS = 4

export interface SinkOptions {
  /** An absolute path. */
  readonly path: string
  /** Bytes. */
  readonly size: number
  readonly layer: Uint8Array
  /** Pieces that may be there already. */
  readonly maybe: PieceSet
  /** A piece is checked and written; `from` is what its unit was committed with. */
  readonly onRight: (piece: number, from: string) => void
  readonly onWrong: (piece: number, from: string) => void
}

/** What a unit is committed with. */
export interface Unit {
  /** The piece it begins with. */
  readonly first: number
  /** Whole pieces; they are handed on, nobody may look at them any more. */
  readonly parts: readonly Uint8Array[]
  /** Who sent them. */
  readonly from: string
  /** SHA-256 of each block of 16 KiB, 32 bytes each; without them the thread makes them. */
  readonly leaves?: Uint8Array
}

export class Sink {
  readonly pieceBytes: number
  /** What the file held when it was opened, checked. */
  readonly ready: Promise<PieceSet>
  /** SHA-256 of the whole, hex, once all of it is there and on the disk. */
  readonly whole: Promise<string>
  /** Settles when the thread has let go of the file. */
  readonly closed: Promise<void>
  readonly #port: MessagePort
  readonly #free: number[]
  /** Who sent what is in a unit. */
  readonly #from: string[] = []
  readonly #waiting: (() => void)[] = []
  readonly #failed = Promise.withResolvers<never>()
  #over = false

  /** @throws Busy when there is no thread for it; the promises reject with DiskFull, CannotWrite, FileChanged, Internal */
  constructor(pool: WorkerPool, { path, size, layer, maybe, onRight, onWrong }: SinkOptions) {
    this.pieceBytes = pieceBytesOf(size)
    const count = this.pieceBytes > UNIT_BYTES ? LARGE_UNITS : UNITS
    this.#free = Array.from({ length: count }, (_, unit) => unit)

    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    const ready = Promise.withResolvers<PieceSet>()
    const whole = Promise.withResolvers<string>()
    for (const promise of [ready.promise, whole.promise, this.#failed.promise]) promise.catch(() => {})
    const fail = (error: unknown): void => {
      this.#over = true
      for (const { reject } of [ready, whole, this.#failed]) reject(error)
      for (const wake of this.#waiting.splice(0)) wake()
    }
    const hear = (message: FromSink): void => {
      if (message.kind === 'ready') {
        const pieces = PieceSet.from(message.pieces, pieceCountOf(size))
        if (pieces) ready.resolve(pieces)
      } else if (message.kind === 'whole') whole.resolve(message.hash)
      else if (message.kind === 'failed') fail(rebuilt(message.code, message.message))
      else {
        const from = this.#from[message.unit] ?? ''
        this.release(message.unit)
        for (const piece of message.right) onRight(piece, from)
        for (const piece of message.wrong) onWrong(piece, from)
      }
    }
    port1.on('message', hear)
    this.ready = ready.promise
    this.whole = whole.promise
    const task: SinkTask = { path, size, layer, maybe: maybe.toBytes(), port: port2 }
    // The end of the thread's work and its last messages come on two ways: what is still here is heard first.
    const end = (error: unknown): void => {
      for (let last = receiveMessageOnPort(port1); last; last = receiveMessageOnPort(port1)) hear(last.message)
      port1.close()
      if (!this.#over) fail(error)
    }
    this.closed = pool.run<void>(WORKER, task, { transferList: [port2] }).then(
      () => end(new Internal()),
      (cause) => end(cause instanceof Busy ? cause : writeError(cause)),
    )
  }

  /** Rejects once nothing can be written any more. */
  get failed(): Promise<never> {
    return this.#failed.promise
  }

  /** A free unit; undefined: wait for one. */
  take(): number | undefined {
    return this.#free.pop()
  }

  /** Resolves when a unit may be free, or none ever will be. */
  async room(): Promise<void> {
    if (this.#free.length > 0 || this.#over) return
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  get over(): boolean {
    return this.#over
  }

  release(unit: number): void {
    this.#free.push(unit)
    this.#waiting.shift()?.()
  }

  /** To be checked and written. */
  commit(unit: number, { first, parts, from, leaves }: Unit): void {
    this.#from[unit] = from
    const moved = movable(parts)
    this.#port.postMessage({ unit, first, parts: moved.parts, leaves } satisfies ToSink, moved.buffers)
  }

  /** What was written is on the disk when it returns. */
  async close(): Promise<void> {
    this.#over = true
    for (const wake of this.#waiting.splice(0)) wake()
    this.#port.postMessage('close' satisfies ToSink)
    await this.closed
  }
}

/** Errors lose their class between threads, so they travel as codes. */
const rebuilt = (code: string, message: string): unknown => {
  if (code === 'PM_FILE_CHANGED') return new FileChanged()
  if (code === 'PM_NOT_A_FILE' || code === 'ELOOP') return new NotAFile()
  const cause = Object.assign(new Error(message), { code })
  const known = writeError(cause)
  return known === cause ? new Internal({ cause }) : known
}
