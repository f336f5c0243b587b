/** Worker threads for everything that would hold up the event loop; each job names its worker file and the function in it. */
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { MessagePort } from 'node:worker_threads'
import { Piscina } from 'piscina'
import { Busy } from './errors.ts'

/** A thread that had nothing to do for so long ends, so an idle node keeps no memory for it. */
const IDLE_TIMEOUT_MS = 60_000
/** Threads hold little that is short-lived; by default each takes up to 48 MiB for it before it looks. */
const YOUNG = { maxYoungGenerationSizeMb: 2 }

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

/** How Node says that there was no memory, or no descriptor, for another thread. */
const NO_THREAD = 'ERR_WORKER_INIT_FAILED'

export class WorkerPool {
  readonly #options: PoolOptions
  /** Undefined after none of its threads could be made: the next job tries again. */
  #pool: Piscina | undefined

  constructor(options: PoolOptions) {
    this.#options = options
    this.#pool = this.#make()
  }

  /**
   * Run the function `name` (default export without one) of a worker file with one structured-clonable task.
   * @throws Busy when too many jobs wait already, or no thread can be made; whatever the job throws.
   */
  async run<Result>(file: URL, task: unknown, { name, signal, transferList }: JobOptions = {}): Promise<Result> {
    this.#pool ??= this.#make()
    const pool = this.#pool
    if (pool.queueSize >= this.#options.queue) throw new Busy()
    try {
      return await pool.run(task, {
        filename: fileURLToPath(file),
        ...(name === undefined ? {} : { name }),
        ...(signal === undefined ? {} : { signal }),
        ...(transferList === undefined ? {} : { transferList: [...transferList] }),
      })
    } catch (cause) {
      if (failed.has(pool) || (cause instanceof Error && 'code' in cause && cause.code === NO_THREAD))
        throw new Busy({ cause })
      throw cause
    }
  }

  async stop(): Promise<void> {
    await this.#pool?.destroy()
  }

  #make(): Piscina {
    const { threads, keep = 0, queue } = this.#options
    const pool = new Piscina({
      minThreads: keep,
      maxThreads: threads,
      maxQueue: queue,
      idleTimeout: IDLE_TIMEOUT_MS,
      resourceLimits: YOUNG,
    })
    // A thread that fails before it has a job. While others are there, they do the work; else what waits would wait for ever.
    pool.on('error', () => {
      if (pool.threads.length > 0 || this.#pool !== pool) return
      this.#pool = undefined
      failed.add(pool)
      void pool.destroy()
    })
    return pool
  }
}

/** Pools that were given up with the jobs that waited. */
const failed = new WeakSet<Piscina>()
