/**
 * Where the bytes of one fetch end up, in a thread of its own: each piece is checked against the layer, written, and only then
 * counts; the hash of the whole follows the front of what is there.
 */
import { createHash } from 'node:crypto'
import {
  closeSync,
  constants,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { MessagePort } from 'node:worker_threads'
import { keepCompiled } from '../compiled.ts'
import { BLOCK_BYTES, RootBuilder } from '../store/merkle.ts'
import { PieceSet } from '../store/piece-set.ts'
import { pieceBytesOf, pieceCountOf } from '../store/pieces.ts'
import { Parts } from './parts.ts'
import { nodeFits, pieceFits } from './tree.ts'

keepCompiled()

/** Read at once when the file is read again. */
const READ_BYTES = 1024 * 1024
/** So much is handed to the disk while the rest still comes, so that the end does not wait for all of it. */
const SYNC_EVERY_BYTES = 64 * 1024 * 1024

export interface SinkTask {
  /** The partial file; made when it is not there. */
  readonly path: string
  readonly size: number
  /** 32 bytes a piece. */
  readonly layer: Uint8Array
  /** Pieces that may be in the file already: they are read and checked first. */
  readonly maybe: Uint8Array
  readonly port: MessagePort
}

/** A unit holds whole pieces from `first` on, or one large piece, in parts; or the end. */
export type ToSink =
  | {
      readonly unit: number
      readonly first: number
      readonly parts: readonly Uint8Array[]
      /** SHA-256 of each of its blocks, 32 bytes each. */
      readonly leaves?: Uint8Array | undefined
    }
  | 'close'

export type FromSink =
  /** What the file held already. */
  | { readonly kind: 'ready'; readonly pieces: Uint8Array }
  /** A unit is free again: these of its pieces are right and written, these are wrong. */
  | { readonly kind: 'unit'; readonly unit: number; readonly right: number[]; readonly wrong: number[] }
  /** Everything is there and on the disk; SHA-256 of it, hex. */
  | { readonly kind: 'whole'; readonly hash: string }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }

const LEAF_BYTES = 32
const FLAGS = constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0)

/** Runs until the port is told `close`; then the file is on the disk, as far as it is written. */
export default async (task: SinkTask): Promise<void> => {
  const { port } = task
  const tell = (message: FromSink): void => port.postMessage(message)
  let file: SinkFile | undefined
  try {
    file = new SinkFile(task, tell)
    const ended = file.listen(port)
    ended.catch(() => {})
    await file.look()
    tell({ kind: 'ready', pieces: file.done.toBytes() })
    file.start()
    await ended
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'ERR'
    tell({ kind: 'failed', code, message: error instanceof Error ? error.message : '' })
  } finally {
    file?.close()
    port.close()
  }
}

const changed = (): Error => Object.assign(new Error('the file is not what was written'), { code: 'PM_FILE_CHANGED' })

class SinkFile {
  readonly done: PieceSet
  readonly #task: SinkTask
  readonly #tell: (message: FromSink) => void
  readonly #fd: number
  readonly #pieceBytes: number
  #whole = createHash('sha256')
  readonly #again = new Uint8Array(READ_BYTES)
  #waiting: Exclude<ToSink, 'close'>[] = []
  /** Bytes of the whole that are hashed. */
  #hashed = 0
  #unsynced = 0
  #syncing = false
  #started = false
  #following = false
  #closing = false
  #fail: (error: unknown) => void = () => {}

  constructor(task: SinkTask, tell: (message: FromSink) => void) {
    this.#task = task
    this.#tell = tell
    this.#pieceBytes = pieceBytesOf(task.size)
    this.done = new PieceSet(pieceCountOf(task.size))
    this.#fd = openSync(task.path, FLAGS, 0o600)
    try {
      const found = fstatSync(this.#fd)
      if (!found.isFile()) throw Object.assign(new Error('no file'), { code: 'PM_NOT_A_FILE' })
      if (found.size > task.size) ftruncateSync(this.#fd, task.size)
    } catch (error) {
      closeSync(this.#fd)
      throw error
    }
  }

  /** Resolves with `close`, rejects when the disk takes no more. */
  listen(port: MessagePort): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#fail = reject
      port.on('message', (message: ToSink) => {
        if (message === 'close') {
          this.#closing = true
          return resolve()
        }
        this.#waiting.push(message)
        if (this.#started) this.#drain()
      })
    })
  }

  /** Check what an earlier run may have written. */
  async look(): Promise<void> {
    const maybe = PieceSet.from(this.#task.maybe, this.done.length)
    if (!maybe || maybe.size === 0) return
    const { size } = fstatSync(this.#fd)
    for (let piece = 0; piece < this.done.length && !this.#closing; piece++) {
      const from = piece * this.#pieceBytes
      if (!maybe.has(piece) || from >= size) continue
      const follows = this.#hashed === from
      const node = new RootBuilder()
      // What is wrong must not get into the hash, so it is taken over only afterwards.
      const whole = follows ? this.#whole.copy() : undefined
      await this.#read(from, this.#bytesOf(piece), (bytes) => {
        node.addBlocks(bytes)
        whole?.update(bytes)
      })
      if (this.#closing || !nodeFits(this.#task.layer, this.#task.size, piece, node)) continue
      this.done.add(piece)
      if (!whole) continue
      this.#whole = whole
      this.#hashed += this.#bytesOf(piece)
    }
  }

  start(): void {
    this.#started = true
    this.#drain()
    this.#advance()
  }

  close(): void {
    this.#closing = true
    try {
      fdatasyncSync(this.#fd)
    } finally {
      closeSync(this.#fd)
    }
  }

  #drain(): void {
    const units = this.#waiting
    this.#waiting = []
    try {
      for (const unit of units) this.#take(unit)
      this.#advance()
    } catch (error) {
      this.#fail(error)
    }
  }

  #take({ unit, first, parts, leaves }: Exclude<ToSink, 'close'>): void {
    const content = new Parts(parts)
    const right: number[] = []
    const wrong: number[] = []
    const hashed = leaves?.length === LEAF_BYTES * Math.ceil(content.length / BLOCK_BYTES) ? leaves : undefined
    for (let piece = first, from = 0; from < content.length; piece++, from += this.#pieceBytes) {
      const end = Math.min(content.length, from + this.#pieceBytes)
      const own = hashed?.subarray((from / BLOCK_BYTES) * LEAF_BYTES, Math.ceil(end / BLOCK_BYTES) * LEAF_BYTES)
      const whole = end - from === this.#bytesOf(piece)
      if (this.done.has(piece) || (whole && this.#isRight(piece, own ?? content.joined(from, end), own !== undefined)))
        right.push(piece)
      else wrong.push(piece)
    }
    this.#keep(first, content, right)
    content.free()
    this.#tell({ kind: 'unit', unit, right, wrong })
  }

  /** @param bytes - of the piece, or the leaves of it */
  #isRight(piece: number, bytes: Uint8Array, leaves: boolean): boolean {
    const { layer, size } = this.#task
    if (!leaves) return pieceFits(layer, size, piece, bytes)
    const node = new RootBuilder()
    for (let at = 0; at < bytes.length; at += LEAF_BYTES) node.addNode(bytes.subarray(at, at + LEAF_BYTES))
    return nodeFits(layer, size, piece, node)
  }

  /** Write what is right and new, in as few calls as it takes. */
  #keep(first: number, content: Parts, right: readonly number[]): void {
    const fresh = right.filter((piece) => !this.done.has(piece))
    for (let index = 0; index < fresh.length; ) {
      const from = fresh[index] ?? 0
      let next = from
      for (; fresh[index] === next; index++) next++
      const slices = content.slice((from - first) * this.#pieceBytes, (next - first) * this.#pieceBytes)
      let position = from * this.#pieceBytes
      for (const bytes of slices) {
        this.#write(bytes, position)
        position += bytes.length
      }
      for (let piece = from; piece < next; piece++) this.done.add(piece)
      if (this.#hashed === from * this.#pieceBytes) for (const bytes of slices) this.#follow(bytes)
    }
  }

  #write(bytes: Uint8Array, position: number): void {
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at, bytes.length - at, position + at)
    this.#unsynced += bytes.length
    if (this.#unsynced < SYNC_EVERY_BYTES || this.#syncing) return
    this.#unsynced = 0
    this.#syncing = true
    fdatasync(this.#fd, (error) => {
      this.#syncing = false
      if (error) this.#fail(error)
    })
  }

  #follow(bytes: Uint8Array): void {
    this.#whole.update(bytes)
    this.#hashed += bytes.length
  }

  /** The hash goes on over pieces that came earlier than those before them; at the end it is told. */
  async #advance(): Promise<void> {
    if (this.#following || !this.#started) return
    this.#following = true
    try {
      while (!this.#closing && this.#hashed < this.#task.size) {
        const piece = this.#hashed / this.#pieceBytes
        if (!this.done.has(piece)) return
        const end = this.#hashed + this.#bytesOf(piece)
        await this.#read(this.#hashed, this.#bytesOf(piece), (bytes) => this.#follow(bytes))
        // Somebody cut it off meanwhile.
        if (this.#hashed < end && !this.#closing) throw changed()
      }
      if (this.#closing || !this.done.complete) return
      while (this.#syncing) await nextTurn()
      fdatasyncSync(this.#fd)
      const { size } = fstatSync(this.#fd)
      if (size !== this.#task.size) throw changed()
      this.#tell({ kind: 'whole', hash: this.#whole.digest('hex') })
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#following = false
    }
  }

  /** Read part of the file in slices, with a turn for messages between them. Stops where the file ends. */
  async #read(from: number, bytes: number, each: (bytes: Uint8Array) => void): Promise<void> {
    for (let at = from; at < from + bytes && !this.#closing; ) {
      const read = readSync(this.#fd, this.#again, 0, Math.min(READ_BYTES, from + bytes - at), at)
      if (read === 0) return
      each(this.#again.subarray(0, read))
      at += read
      if ((at - from) % READ_BYTES === 0 || bytes < READ_BYTES) await nextTurn()
    }
  }

  #bytesOf(piece: number): number {
    return Math.min(this.#pieceBytes, this.#task.size - piece * this.#pieceBytes)
  }
}
