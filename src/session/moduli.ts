/** That a peer's modulus is no prime is looked at off the path of the handshake (PROTOCOL.md, "Identity"): later, one at a time, and once each. */
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { isPrimeModulus } from '../crypto/bbs.ts'

/** What a session was made for is asked right after its handshake, and is not to share the processor with some 10 ms of arithmetic. */
const PAUSE_MS = 1_000
/** As many as a node has sessions. */
const MAX_KNOWN = 1024

export interface ModuliOptions {
  readonly isPrime?: (modulus: Uint8Array) => Promise<boolean>
  readonly pauseMs?: number
}

export class Moduli {
  readonly #isPrime: (modulus: Uint8Array) => Promise<boolean>
  readonly #pauseMs: number
  /** SHA-256 of a modulus -> what is known of it, or will be. */
  readonly #known = new Map<string, Promise<boolean>>()
  #last: Promise<unknown> = Promise.resolve()

  constructor({ isPrime = isPrimeModulus, pauseMs = PAUSE_MS }: ModuliOptions = {}) {
    this.#isPrime = isPrime
    this.#pauseMs = pauseMs
  }

  /** Whether a modulus is a prime; a peer keeps its own for life, so that mostly it is known. */
  async isPrime(modulus: Uint8Array): Promise<boolean> {
    const name = createHash('sha256').update(modulus).digest('base64')
    const known = this.#known.get(name) ?? this.#later(modulus)
    this.#known.delete(name)
    if (this.#known.size >= MAX_KNOWN) this.#known.delete(this.#known.keys().next().value ?? '')
    this.#known.set(name, known)
    return await known
  }

  /** In turn: a storm of handshakes leaves the thread pool to those who read files. */
  async #later(modulus: Uint8Array): Promise<boolean> {
    await sleep(this.#pauseMs, undefined, { ref: false })
    const look = async (): Promise<boolean> => await this.#isPrime(modulus)
    const turn = this.#last.then(look, look)
    this.#last = turn
    return await turn
  }
}

/** What this process knows of moduli. */
export const moduli = new Moduli()
