/** What one peer may cost: how many files at once, and how slowly. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Busy } from '../../errors.ts'

export interface Limits {
  /** Files that are sent at the same time, to one peer and in all; each holds a descriptor and some 4 MiB. */
  readonly filesOfPeer: number
  readonly files: number
  /** Answers with pieces that run or wait, of one peer and in all. */
  readonly answersOfPeer: number
  readonly answers: number
  /** A body that comes, or an answer that is read, at less than `slowBytes` in `slowMs` ends with its connection. */
  readonly slowMs: number
  readonly slowBytes: number
  /** Questions of one peer; those for pieces and files are counted while they run. */
  readonly asking?: AskingLimits
}

/**
 * A node has six connections to each of its peers, so a ninth file is not asked for by one that is honest. Nor are 65 answers with
 * pieces: they may be asked for one behind the other on a connection, where nothing else bounds them.
 */
export const LIMITS: Limits = {
  filesOfPeer: 8,
  files: 64,
  answersOfPeer: 64,
  answers: 1024,
  slowMs: 30_000,
  slowBytes: 64 * 1024,
}

export interface AskingLimits {
  /** At once, and in each second after that. */
  readonly burst: number
  readonly perS: number
}

/**
 * Rows, trees, news and the beginning of their streams, of one peer: a row of 100,000 files comes in at most 400 pages, one after the
 * other, and a fetch of small files needs a tree and news for each of them.
 */
export const ASKING: AskingLimits = { burst: 512, perS: 128 }

/** Peers whose questions are counted; one that is not has asked nothing for long. */
const MAX_COUNTED = 1024

/** Counts what each peer asks. */
export class Questions {
  readonly #limits: AskingLimits
  readonly #clock: () => number
  readonly #left = new Map<string, { tokens: number; at: number }>()

  /** @param clock - milliseconds, monotonic */
  constructor(limits: AskingLimits = ASKING, clock: () => number = () => performance.now()) {
    this.#limits = limits
    this.#clock = clock
  }

  /** @throws Busy, which costs the one who asks nothing more */
  count(peerId: string): void {
    const { burst, perS } = this.#limits
    const now = this.#clock()
    const { tokens, at } = this.#left.get(peerId) ?? { tokens: burst, at: now }
    const left = Math.min(burst, tokens + ((now - at) * perS) / 1000)
    this.#left.delete(peerId)
    if (this.#left.size >= MAX_COUNTED) this.#left.delete(this.#left.keys().next().value ?? '')
    this.#left.set(peerId, { tokens: left < 1 ? left : left - 1, at: now })
    if (left < 1) throw new Busy()
  }
}

/** Counts who is inside. */
export class Turnstile {
  readonly #ofPeer: number
  readonly #inAll: number
  readonly #inside = new Map<string, number>()
  #all = 0

  constructor(ofPeer: number, inAll: number) {
    this.#ofPeer = ofPeer
    this.#inAll = inAll
  }

  /**
   * @param atMost - in all, where just now it is less
   * @returns what is to be called at the end; a second call does nothing. @throws Busy
   */
  enter(peerId: string, atMost = this.#inAll): () => void {
    const inside = this.#inside.get(peerId) ?? 0
    if (inside >= this.#ofPeer || this.#all >= Math.min(atMost, this.#inAll)) throw new Busy()
    this.#inside.set(peerId, inside + 1)
    this.#all += 1
    let left = false
    return () => {
      if (!left) this.#leave(peerId)
      left = true
    }
  }

  #leave(peerId: string): void {
    const inside = this.#inside.get(peerId) ?? 0
    if (inside > 1) this.#inside.set(peerId, inside - 1)
    else this.#inside.delete(peerId)
    this.#all -= 1
  }
}

/**
 * Watch one request until it was read and answered, and end its connection when it hardly moves because of the other side.
 * @param live - its answer has little to say: it ends only when nothing at all is taken.
 */
export const endWhenSlow = (
  request: IncomingMessage,
  response: ServerResponse,
  { slowMs, slowBytes }: Pick<Limits, 'slowMs' | 'slowBytes'>,
  live = false,
): void => {
  const { socket } = request
  let before = moved(socket)
  const timer = setTimeout(() => {
    if (isOver()) return
    const now = moved(socket)
    // While everything was read and taken, whoever is waited for is not the other side.
    const theirs = !request.complete || socket.writableLength > 0
    if (theirs && now - before < (live && request.complete ? 1 : slowBytes)) socket.destroy()
    before = now
    timer.refresh()
  }, slowMs).unref()
  const isOver = (): boolean => socket.destroyed || (request.complete && response.closed)
  const look = (): void => {
    if (isOver()) clearTimeout(timer)
  }
  response.once('close', look)
  request.once('close', look)
}

/** Bytes that came in, and bytes the system has taken to send on; both count in writes of at most 256 KiB. */
const moved = ({ bytesRead, bytesWritten, writableLength }: Socket): number => bytesRead + bytesWritten - writableLength
