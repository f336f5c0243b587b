/** Hashing files outside the main thread, with progress and a prompt end. */
import { MessageChannel } from 'node:worker_threads'
import { FileChanged, Internal, NotAFile } from '../errors.ts'
import { type WorkerPool, workerFile } from '../workers.ts'
import { busyError } from './disk.ts'
import type { Hashed, HashOutcome, HashTask, Progress } from './hash-worker.ts'
import { fileError } from './home.ts'
import type { Stamp } from './stamp.ts'

export type { Hashed } from './hash-worker.ts'

const WORKER = workerFile('hash-worker', import.meta.url)

export interface HashOptions {
  /** What the file must still be when it is opened. */
  readonly expect?: Stamp
  /** Called at most 10 times a second, and not for small files. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void
  readonly signal?: AbortSignal
}

export class Hasher {
  readonly #pool: WorkerPool
  readonly #jobs = new Set<Promise<unknown>>()

  constructor(pool: WorkerPool) {
    this.#pool = pool
  }

  /**
   * Read a file once; its whole SHA-256 and its BEP 52 root, as 64 lower-case hex characters each, and its piece layer.
   * An abort is answered at once; the worker lives on and stops within one buffer of 1 MiB.
   * @param path - absolute; links are not followed. The caller has checked the folders above it (Home).
   * @throws FileChanged when it does not fit `expect` or changes while it is read; NoSuchFile, NotAFile,
   *   Unreadable, Busy (too many jobs wait); the signal's reason.
   */
  async hash(path: string, { expect, onProgress, signal }: HashOptions = {}): Promise<Hashed> {
    signal?.throwIfAborted()
    const cancelled = new SharedArrayBuffer(4)
    const channel = onProgress && new MessageChannel()
    channel?.port1.on('message', ([doneBytes, totalBytes]: Progress) => {
      if (!signal?.aborted) onProgress?.(doneBytes, totalBytes)
    })
    channel?.port1.unref()
    const task: HashTask = { path, expect, cancelled, progress: channel?.port2 }
    const job = this.#pool.run<HashOutcome>(WORKER, task, channel ? { transferList: [channel.port2] } : {})
    this.#remember(job)
    const abort = abortion(signal, () => Atomics.store(new Int32Array(cancelled), 0, 1))
    try {
      const outcome = await Promise.race([job, abort.promise])
      if ('failed' in outcome) throw rebuilt(outcome.failed, outcome.message)
      return outcome
    } finally {
      abort.end()
      channel?.port1.close()
    }
  }

  /** Resolves when no worker reads any more, also for those that were aborted: only then may the pool be stopped. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#jobs)
  }

  #remember(job: Promise<unknown>): void {
    this.#jobs.add(job)
    const forget = (): void => void this.#jobs.delete(job)
    job.then(forget, forget)
  }
}

/** Rejects with the signal's reason; end() forgets the signal. */
const abortion = (signal: AbortSignal | undefined, onAbort: () => void): { promise: Promise<never>; end(): void } => {
  const { promise, reject } = Promise.withResolvers<never>()
  const listener = (): void => {
    onAbort()
    reject(signal?.reason)
  }
  signal?.addEventListener('abort', listener, { once: true })
  return { promise, end: () => signal?.removeEventListener('abort', listener) }
}

const rebuilt = (code: string, message: string): unknown => {
  if (code === 'PM_FILE_CHANGED') return new FileChanged()
  if (code === 'PM_NOT_A_FILE') return new NotAFile()
  const cause = Object.assign(new Error(message), { code })
  const known = busyError(fileError(cause))
  return known === cause ? new Internal({ cause }) : known
}
