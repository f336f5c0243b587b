/** How many bytes may move in a second: in all, and for each peer; whoever waits is served in turn (start-time fair queueing, Goyal 1996). */

/** Bytes a second; Infinity is no limit. */
export interface Rates {
  readonly all: number
  readonly each: number
}

/** Streams at the same time, in all and of one peer, and bytes of one: the systems on the way take so much at once, whoever reads. */
export interface Streams extends Rates {
  readonly bytes: number
}

/** What one stream has to ask before its bytes move. */
export interface Pace {
  /** At most so much at a time; may change while a stream runs. */
  readonly sliceBytes: number
  /**
   * @param bytes - at most a slice
   * @returns undefined: at once; otherwise resolves when it may. Rejects with the signal's reason, and then nothing was taken.
   */
  take(bytes: number, signal?: AbortSignal): Promise<void> | undefined
}

/** Nothing is limited. */
export const FREE: Pace = { sliceBytes: Number.POSITIVE_INFINITY, take: () => undefined }

/** What may be saved up: 2 % of any five seconds, and more than timers of a busy computer come too late. */
const BURST_S = 0.1
/** One slice is a small part of what is saved up; one write, at most. */
const SLICE_S = 0.02
const MIN_SLICE_BYTES = 512
const MAX_SLICE_BYTES = 256 * 1024
/** Time for several slices, so that not every one of them wakes us. */
const LEAST_WAIT_MS = 2
/** A stream that moves less is taken for a broken one sooner or later (PROTOCOL.md, "Transport": 64 KiB in 30 s, seen in writes of 256 KiB). */
const STREAM_BYTES_PER_S = 32_000
/** At 50 kB/s each of a dozen streams still moves twice of what has to move. */
const LEAST_PEERS = 3
/** Peers whose turn is remembered. */
const MAX_LINES = 1024

/** Tokens that come with the time; whoever takes more than there are waits. */
class Bucket {
  #tokens: number
  #at: number
  #rate: number

  constructor(rate: number, now: number) {
    this.#rate = rate
    this.#at = now
    this.#tokens = rate * BURST_S
  }

  get rate(): number {
    return this.#rate
  }

  get full(): boolean {
    return this.#tokens >= this.#rate * BURST_S
  }

  set(rate: number, now: number): void {
    this.fill(now)
    this.#rate = rate
    // What nobody counted is not saved up.
    this.#tokens = Math.min(rate * BURST_S, this.#tokens === Number.POSITIVE_INFINITY ? 0 : this.#tokens)
  }

  fill(now: number): void {
    const burst = this.#rate * BURST_S
    if (burst === Number.POSITIVE_INFINITY) this.#tokens = burst
    else this.#tokens = Math.min(burst, this.#tokens + (this.#rate * Math.max(0, now - this.#at)) / 1000)
    this.#at = Math.max(this.#at, now)
  }

  take(bytes: number): void {
    this.#tokens -= bytes
  }

  /** Milliseconds until so much is there. More than can be saved up is lent. */
  waitMs(bytes: number): number {
    const missing = Math.min(bytes, this.#rate * BURST_S) - this.#tokens
    return missing > 0 ? (missing / this.#rate) * 1000 : 0
  }
}

interface Waiting {
  readonly bytes: number
  readonly go: () => void
}

/** One peer. */
interface Line {
  readonly bucket: Bucket
  readonly waiting: Set<Waiting>
  /** Bytes it has had, on the scale of all: the least comes next. */
  tag: number
}

export class Allowance {
  readonly #clock: () => number
  readonly #all: Bucket
  readonly #lines = new Map<string, Line>()
  #each: number
  /** The tag that was served last: whoever comes anew begins here. */
  #virtual = 0
  #timer: NodeJS.Timeout | undefined

  /** @param clock - milliseconds, monotonic */
  constructor({ all, each }: Rates, clock: () => number = () => performance.now()) {
    this.#clock = clock
    this.#all = new Bucket(all, clock())
    this.#each = each
  }

  get rates(): Rates {
    return { all: this.#all.rate, each: this.#each }
  }

  /** From now on; also for those who wait. */
  set({ all, each }: Rates): void {
    const now = this.#clock()
    this.#all.set(all, now)
    this.#each = each
    for (const { bucket } of this.#lines.values()) bucket.set(each, now)
    this.#serve()
  }

  /** Streams that can run at the same time and none of them looks broken, at least one; and how long they should be. */
  get streams(): Streams {
    const of = (rate: number): number => Math.max(1, Math.floor(rate / STREAM_BYTES_PER_S))
    const [all, each] = [this.#all.rate, this.#each]
    return { all: of(all), each: Math.min(of(all), of(each)), bytes: Math.min(all, each) * BURST_S }
  }

  /** Peers that can be given to at the same time, a few streams each; some, so that nobody has it all. */
  get peers(): number {
    return Math.max(LEAST_PEERS, Math.floor((2 * this.#all.rate) / STREAM_BYTES_PER_S))
  }

  /** For the streams of one peer. */
  of(peer: string): Pace {
    const slice = (): number => this.#sliceBytes()
    return {
      get sliceBytes() {
        return slice()
      },
      take: (bytes, signal) => this.#take(peer, bytes, signal),
    }
  }

  #sliceBytes(): number {
    const rate = Math.min(this.#all.rate, this.#each)
    if (rate === Number.POSITIVE_INFINITY) return rate
    return Math.max(MIN_SLICE_BYTES, Math.min(MAX_SLICE_BYTES, Math.floor(rate * SLICE_S)))
  }

  #take(peer: string, bytes: number, signal: AbortSignal | undefined): Promise<void> | undefined {
    if (this.#all.rate === Number.POSITIVE_INFINITY && this.#each === Number.POSITIVE_INFINITY) return undefined
    const line = this.#line(peer)
    if (this.#timer === undefined && line.waiting.size === 0 && this.#waitMs(line, bytes) === 0) {
      this.#pay(line, bytes)
      return undefined
    }
    return this.#wait(line, bytes, signal)
  }

  async #wait(line: Line, bytes: number, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiting: Waiting = { bytes, go: resolve }
    const stop = (): void => {
      line.waiting.delete(waiting)
      reject(signal?.reason)
    }
    if (line.waiting.size === 0) line.tag = Math.max(line.tag, this.#virtual)
    line.waiting.add(waiting)
    signal?.addEventListener('abort', stop, { once: true })
    if (this.#timer === undefined) this.#serve()
    try {
      await promise
    } finally {
      signal?.removeEventListener('abort', stop)
    }
  }

  /** Let go on whoever may, the one that had least first; then come back for the others. */
  #serve(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (;;) {
      let next: { readonly line: Line; readonly first: Waiting } | undefined
      let soonMs = Number.POSITIVE_INFINITY
      for (const line of this.#lines.values()) {
        const [first] = line.waiting
        if (!first) continue
        const waitMs = this.#waitMs(line, first.bytes)
        soonMs = Math.min(soonMs, waitMs)
        // Its own limit holds it up, or that of all: only in the first case another one may go before.
        const held = line.bucket.waitMs(first.bytes) > 0
        if (!held && (!next || line.tag < next.line.tag)) next = { line, first }
      }
      if (next && this.#all.waitMs(next.first.bytes) === 0) {
        next.line.waiting.delete(next.first)
        this.#pay(next.line, next.first.bytes)
        next.first.go()
        continue
      }
      if (next) soonMs = this.#all.waitMs(next.first.bytes)
      if (soonMs === Number.POSITIVE_INFINITY) return
      this.#timer = setTimeout(() => this.#serve(), Math.max(LEAST_WAIT_MS, Math.ceil(soonMs)))
      return
    }
  }

  #waitMs({ bucket }: Line, bytes: number): number {
    const now = this.#clock()
    this.#all.fill(now)
    bucket.fill(now)
    return Math.max(this.#all.waitMs(bytes), bucket.waitMs(bytes))
  }

  #pay(line: Line, bytes: number): void {
    this.#all.take(bytes)
    line.bucket.take(bytes)
    this.#virtual = Math.max(this.#virtual, line.tag)
    line.tag = Math.max(line.tag, this.#virtual) + bytes
  }

  #line(peer: string): Line {
    const known = this.#lines.get(peer)
    if (known) return known
    if (this.#lines.size >= MAX_LINES) this.#forgetIdle()
    const line = { bucket: new Bucket(this.#each, this.#clock()), waiting: new Set<Waiting>(), tag: this.#virtual }
    this.#lines.set(peer, line)
    return line
  }

  #forgetIdle(): void {
    const now = this.#clock()
    for (const [peer, { bucket, waiting }] of this.#lines) {
      bucket.fill(now)
      if (waiting.size === 0 && bucket.full) this.#lines.delete(peer)
    }
  }
}
