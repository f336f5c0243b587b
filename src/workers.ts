/** Worker threads for everything that would hold up the event loop; each job names its worker file and the function in it. */
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { MessagePort } from 'node:worker_threads'
import { Piscina } from 'piscina'
import { Busy } from './errors.ts'

/** A thread that had nothing to do for so long ends, so an idle node keeps no memory for it. */
const IDLE_TIMEOUT_MS = 60_000

export interface PoolOptions {
  readonly threads: number
  /** Threads that stay when there is nothing to do. */
  readonly keep?: number
  /** Jobs that may wait; one more is refused with Busy. */
  readonly queue: number
}

export interface JobOptions {
  readonly name?: string
  readonly signal?: AbortSignal
  readonly transferList?: readonly (MessagePort | ArrayBuffer)[]
}

/** The URL of a worker file that lies beside its room, with the extension the program runs with (source or build). */
export const workerFile = (name: string, beside: string): URL =>
  new URL(`${name}${extname(new URL(beside).pathname)}`, beside)

export class WorkerPool {
  readonly #pool: Piscina

  constructor({ threads, keep = 0, queue }: PoolOptions) {
    this.#pool = new Piscina({ minThreads: keep, maxThreads: threads, maxQueue: queue, idleTimeout: IDLE_TIMEOUT_MS })
  }

  /**
   * Run the function `name` (default export without one) of a worker file with one structured-clonable task.
   * @throws Busy when too many jobs wait already; whatever the job throws.
   */
  async run<Result>(file: URL, task: unknown, { name, signal, transferList }: JobOptions = {}): Promise<Result> {
    if (this.#pool.queueSize >= this.#pool.options.maxQueue) throw new Busy()
    return await this.#pool.run(task, {
      filename: fileURLToPath(file),
      ...(name === undefined ? {} : { name }),
      ...(signal === undefined ? {} : { signal }),
      ...(transferList === undefined ? {} : { transferList: [...transferList] }),
    })
  }

  async stop(): Promise<void> {
    await this.#pool.destroy()
  }
}
