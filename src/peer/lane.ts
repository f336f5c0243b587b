/** Asking for pieces in a thread of its own (lane-worker.ts), seen from the main thread. It begins with the first question. */
import { Worker } from 'node:worker_threads'
import { FREE, type Pace } from '../allowance.ts'
import { free } from '../bytes.ts'
import { Busy, PeerUnreachable } from '../errors.ts'
import { workerFile } from '../workers.ts'
import type { FromLane, LaneAsked, LaneEnd, ToLane } from './lane-messages.ts'

const WORKER = workerFile('lane-worker', import.meta.url)
/** A thread that had nothing to do for so long ends, and its connections with it. */
const IDLE_MS = 20_000

export interface LaneReader {
  /** What it throws ends the answer. */
  head(first: number, count: number, bytes: number): void
  /** @returns a promise when the holder has to wait */
  frame(parts: readonly Uint8Array[], bytes: number, leaves?: Uint8Array): Promise<void> | undefined
  progress(bytes: number): void
  /** They wait because of us until this is over. */
  held?(wait: Promise<void>): void
}

interface Question {
  readonly address: string
  readonly reader: LaneReader
  readonly pace: Pace
  readonly end: (end: LaneEnd) => void
  readonly fail: (error: unknown) => void
}

export class Lane {
  readonly #onBroken: (address: string) => void
  readonly #file: URL
  readonly #questions = new Map<number, Question>()
  #asked = 0
  #thread: Worker | undefined
  #idle: NodeJS.Timeout | undefined

  /** @param onBroken - told when a connection to an address broke. @param file - what runs in the thread */
  constructor(onBroken: (address: string) => void, file = WORKER) {
    this.#onBroken = onBroken
    this.#file = file
  }

  /**
   * One answer, as far as it came.
   * @throws Busy when there is no thread; PeerUnreachable when all connections are dropped; what the reader's head throws; the signal's reason
   */
  async ask(asked: LaneAsked, reader: LaneReader, signal: AbortSignal, pace = FREE): Promise<LaneEnd> {
    signal.throwIfAborted()
    const thread = this.#run()
    this.#asked += 1
    const id = this.#asked
    const { promise, resolve, reject } = Promise.withResolvers<LaneEnd>()
    this.#questions.set(id, { address: asked.address, reader, pace, end: resolve, fail: reject })
    const onAbort = (): void => this.#giveUp(thread, id, signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    tell(thread, { kind: 'ask', id, asked })
    try {
      return await promise
    } finally {
      signal.removeEventListener('abort', onAbort)
      this.#questions.delete(id)
      if (this.#questions.size === 0) this.#rest()
    }
  }

  /** Questions will follow: the thread begins now, which takes a tenth of a second. */
  prepare(): void {
    try {
      this.#run()
    } catch {
      // Then the question says so.
    }
    if (this.#questions.size === 0) this.#rest()
  }

  /** Give up what is asked at an address; its connections close with that. */
  leave(address: string): void {
    const thread = this.#thread
    if (!thread) return
    for (const [id, question] of this.#questions)
      if (question.address === address) this.#giveUp(thread, id, new PeerUnreachable(address))
  }

  /** End the thread with every connection; the next question begins another. */
  async drop(): Promise<void> {
    const thread = this.#thread
    this.#lose((address) => new PeerUnreachable(address))
    await thread?.terminate()
  }

  #run(): Worker {
    clearTimeout(this.#idle)
    const thread = this.#thread ?? this.#start()
    thread.ref()
    return thread
  }

  /** @throws Busy */
  #start(): Worker {
    try {
      const thread = new Worker(this.#file, { name: 'lane', resourceLimits: { maxYoungGenerationSizeMb: 2 } })
      const dies = (cause?: unknown): void => {
        if (this.#thread === thread) this.#lose(() => new Busy({ cause }))
      }
      thread.on('message', (message: FromLane) => this.#hear(thread, message))
      thread.on('error', dies)
      thread.on('exit', () => dies())
      this.#thread = thread
      return thread
    } catch (cause) {
      throw new Busy({ cause })
    }
  }

  /** Nobody waits: it neither keeps the process alive nor stays for long. */
  #rest(): void {
    const thread = this.#thread
    if (!thread) return
    thread.unref()
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => {
      this.#thread = undefined
      void thread.terminate()
    }, IDLE_MS).unref()
  }

  #lose(errorOf: (address: string) => Error): void {
    clearTimeout(this.#idle)
    this.#thread = undefined
    const questions = [...this.#questions.values()]
    this.#questions.clear()
    for (const { address, fail } of questions) fail(errorOf(address))
  }

  #giveUp(thread: Worker, id: number, reason: unknown): void {
    const question = this.#questions.get(id)
    if (!question) return
    this.#questions.delete(id)
    tell(thread, { kind: 'stop', id })
    question.fail(reason)
  }

  #hear(thread: Worker, message: FromLane): void {
    if (message.kind === 'lost') {
      if (this.#thread === thread) this.#onBroken(message.address)
      return
    }
    const question = this.#questions.get(message.id)
    if (!question) {
      if (message.kind === 'frame') for (const part of message.parts) free(part)
      return
    }
    try {
      this.#pass(thread, question, message)
    } catch (error) {
      this.#giveUp(thread, message.id, error)
    }
  }

  #pass(thread: Worker, { reader, pace, end }: Question, message: Exclude<FromLane, { kind: 'lost' }>): void {
    const { id } = message
    if (message.kind === 'head') reader.head(message.first, message.count, message.bytes)
    else if (message.kind === 'progress') reader.progress(message.received)
    else if (message.kind === 'held') this.#hold(thread, id, reader, pace.take(message.bytes))
    else if (message.kind === 'end') end(message.end)
    else {
      const waits = reader.frame(message.parts, message.bytes, message.leaves)
      const taken = (): void => tell(thread, { kind: 'taken', id })
      if (waits) waits.then(taken, taken)
      else taken()
      reader.progress(message.received)
    }
  }

  /** What came is paid for in any case, also when nobody waits for the rest. */
  #hold(thread: Worker, id: number, reader: LaneReader, wait: Promise<void> | undefined): void {
    const on = (): void => tell(thread, { kind: 'on', id })
    if (wait) reader.held?.(wait)
    if (wait) wait.then(on, on)
    else on()
  }
}

const tell = (thread: Worker, message: ToLane): void => thread.postMessage(message)
