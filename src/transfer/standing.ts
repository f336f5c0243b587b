/** What one transfer knows of its holders: who gives how much, and who is not asked any more. */
import { PeerMisbehaved, publicError, WrongPiece } from '../errors.ts'
import type { Holder } from './following.ts'
import { Rate } from './rate.ts'

/** Holders that were given up are remembered for the page. */
const MAX_LOST = 16

/** A holder that is not asked any more. */
export interface Lost {
  readonly holder: Holder
  readonly code: string
}

/** Bytes, and bytes a second. */
export interface Helper {
  readonly holder: Holder
  readonly bytes: number
  readonly rate: number
}

/** Said in a session of the holder: nobody else can have said it. */
export const isLie = (error: unknown): boolean => error instanceof WrongPiece || error instanceof PeerMisbehaved

export class Standing {
  readonly #now: () => number
  readonly #helpers = new Map<string, { holder: Holder; rate: Rate; bytes: number }>()
  readonly #liars = new Set<string>()
  #lost: readonly Lost[] = []

  /** @param now - monotonic milliseconds */
  constructor(now: () => number) {
    this.#now = now
  }

  get lost(): readonly Lost[] {
    return this.#lost
  }

  helpers(): readonly Helper[] {
    return [...this.#helpers.values()].map(({ holder, rate, bytes }) => ({ holder, bytes, rate: rate.perSecond }))
  }

  /** It lied about this content, and is not asked again as long as this process runs. */
  lied({ id }: Holder): boolean {
    return this.#liars.has(id)
  }

  /** Bytes came off the wire. */
  received(holder: Holder, bytes: number): void {
    this.#helper(holder).rate.add(bytes)
  }

  /** It gave something that is right. */
  gave(holder: Holder, bytes: number): void {
    this.#helper(holder).bytes += bytes
    if (this.#lost.length > 0) this.#lost = this.#lost.filter((one) => one.holder.id !== holder.id)
  }

  /** @returns the code of the reason */
  lose(holder: Holder, error: unknown): string {
    const { code } = publicError(error)
    if (isLie(error)) this.#liars.add(holder.id)
    this.#lost = [...this.#lost.filter((one) => one.holder.id !== holder.id), { holder, code }].slice(-MAX_LOST)
    return code
  }

  /** Begin anew with everybody but those who lied. */
  forgive(): void {
    this.#lost = this.#lost.filter(({ holder }) => this.#liars.has(holder.id))
  }

  #helper(holder: Holder): { rate: Rate; bytes: number } {
    const known = this.#helpers.get(holder.id)
    if (known) return known
    const helper = { holder, rate: new Rate(this.#now), bytes: 0 }
    this.#helpers.set(holder.id, helper)
    return helper
  }
}
