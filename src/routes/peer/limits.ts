/** What one peer may cost: how many files at once, and how slowly. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Busy } from '../../errors.ts'

export interface Limits {
  /** Files that are sent at the same time, to one peer and in all; each holds a descriptor and some 4 MiB. */
  readonly filesOfPeer: number
  readonly files: number
  /** A body that comes, or an answer that is read, at less than `slowBytes` in `slowMs` ends with its connection. */
  readonly slowMs: number
  readonly slowBytes: number
}

/** A node has six connections to each of its peers, so a ninth file is not asked for by one that is honest. */
export const LIMITS: Limits = { filesOfPeer: 8, files: 64, slowMs: 30_000, slowBytes: 64 * 1024 }

/** Counts who is inside. */
export class Turnstile {
  readonly #limits: Pick<Limits, 'files' | 'filesOfPeer'>
  readonly #inside = new Map<string, number>()
  #all = 0

  constructor(limits: Pick<Limits, 'files' | 'filesOfPeer'>) {
    this.#limits = limits
  }

  /** @returns what is to be called once, at the end. @throws Busy */
  enter(peerId: string): () => void {
    const inside = this.#inside.get(peerId) ?? 0
    if (inside >= this.#limits.filesOfPeer || this.#all >= this.#limits.files) throw new Busy()
    this.#inside.set(peerId, inside + 1)
    this.#all += 1
    return () => this.#leave(peerId)
  }

  #leave(peerId: string): void {
    const inside = this.#inside.get(peerId) ?? 0
    if (inside > 1) this.#inside.set(peerId, inside - 1)
    else this.#inside.delete(peerId)
    this.#all -= 1
  }
}

/** Watch one request until it was read and answered, and end its connection when it hardly moves. */
export const endWhenSlow = async (
  request: IncomingMessage,
  response: ServerResponse,
  { slowMs, slowBytes }: Pick<Limits, 'slowMs' | 'slowBytes'>,
): Promise<void> => {
  const { socket } = request
  const over = new AbortController()
  const look = (): void => {
    if (socket.destroyed || (request.complete && response.closed)) over.abort()
  }
  response.once('close', look)
  request.once('close', look)
  for (let before = moved(socket); ; ) {
    await sleep(slowMs, undefined, { ref: false, signal: over.signal }).catch(() => {})
    look()
    if (over.signal.aborted) return
    const now = moved(socket)
    if (now - before < slowBytes) socket.destroy()
    before = now
  }
}

/** Bytes that came in, and bytes the system has taken to send on; both count in writes of at most 256 KiB. */
const moved = ({ bytesRead, bytesWritten, writableLength }: Socket): number => bytesRead + bytesWritten - writableLength
