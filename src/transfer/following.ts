/** Whom a fetch follows: each holder's news of what it has, as long as it is there; who lied is never asked again. */
import { setTimeout as sleep } from 'node:timers/promises'
import { fromB64u } from '../bytes.ts'
import { FileChanged, NotPublished, PeerMisbehaved, WrongPiece } from '../errors.ts'
import type { ContentClient, HolderAt } from '../peer/contents.ts'
import { HAVE_SILENT_MS, type HaveMessage } from '../protocol/contents.ts'
import { PieceSet } from '../store/piece-set.ts'

/** Others that fetch the same content: more bring nothing (simulated). */
const MAX_RELAYS = 16
/** Nodes that publish it: more would only divide what one downlink takes. */
const MAX_PUBLISHERS = 16
/** A holder that has gone, or whose answers fail, is tried again after so long, and then less and less often until it gives something. */
const REST_MS = 1_000
const LONGEST_REST_MS = 30_000
/** News of one holder: so many at once, then one each so many milliseconds. What comes faster waits on its connection. */
const NEWS_AT_ONCE = 64
const NEWS_EVERY_MS = 5

/** A node that has the content, or part of it. */
export interface Holder extends HolderAt {
  readonly name: string
}

/** What the decisions are told. */
export interface HolderNews {
  join(holder: string): void
  leave(holder: string): void
  hasAll(holder: string): void
  hasBits(holder: string, pieces: PieceSet): void
  hasNew(holder: string, pieces: readonly number[]): void
}

export interface FollowingOptions {
  readonly client: Pick<ContentClient, 'have'>
  readonly root: string
  readonly pieces: number
  /** Who publishes the content and is there now. */
  readonly publishers: () => readonly Holder[]
  /** A live node of our own table by its address. */
  readonly at: (address: string) => Holder | undefined
  readonly news: HolderNews
  /** Something changed: look again. */
  readonly wake: () => void
  /** A holder is not asked any more. */
  readonly onLost: (holder: Holder, error: unknown) => void
  readonly signal: AbortSignal
  readonly restMs?: number
}

interface Followed {
  readonly holder: Holder
  /** Ends the following; the rest begins. */
  readonly end: AbortController
  /** Ends the rest, too. */
  readonly forgive: AbortController
  resting: boolean
  done: Promise<void>
}

export class Following {
  readonly #options: FollowingOptions
  /** Those that are followed, or rest before they are followed again; by identity. */
  readonly #followed = new Map<string, Followed>()
  readonly #banned = new Set<string>()
  readonly #relays = new Map<string, Holder>()
  /** Everybody that was ever followed. */
  readonly #known = new Map<string, Holder>()
  readonly #rests = new Map<string, number>()

  constructor(options: FollowingOptions) {
    this.#options = options
  }

  /** Follow who is there and not followed yet. */
  look(): void {
    const publishers = this.#options.publishers()
    this.#forgive(publishers)
    let room = MAX_PUBLISHERS
    for (const { id } of publishers) if (this.#followed.get(id)?.resting === false) room -= 1
    for (const holder of publishers) if (room > 0 && this.#begin(holder)) room -= 1
    for (const holder of this.#relays.values()) this.#begin(holder)
  }

  /** Another node that fetches the same content: its address is known from our own table. It is followed from the next look on. */
  named(address: string): void {
    const holder = this.#options.at(address)
    if (!holder || this.#banned.has(holder.id) || this.#relays.has(holder.id)) return
    if (this.#relays.size >= MAX_RELAYS) return
    this.#relays.set(holder.id, holder)
    this.#options.wake()
  }

  /** Also one that is not followed any more. */
  holder(id: string): Holder | undefined {
    return this.#known.get(id)
  }

  /** It gave a piece that is right. */
  helped(id: string): void {
    this.#rests.delete(id)
  }

  /** It lied: never again for this content. */
  ban(id: string, error: unknown): void {
    if (this.#banned.has(id)) return
    this.#banned.add(id)
    this.#relays.delete(id)
    this.#options.news.leave(id)
    this.#followed.get(id)?.end.abort()
    const holder = this.#known.get(id)
    if (holder) this.#options.onLost(holder, error)
  }

  /** Its answers fail although its news come: let it rest, then begin anew. */
  rest(id: string): void {
    this.#options.news.leave(id)
    this.#followed.get(id)?.end.abort()
  }

  async idle(): Promise<void> {
    await Promise.allSettled([...this.#followed.values()].map(({ done }) => done))
  }

  /** Who rests and has gone from the table meanwhile is asked at once when it is there again. */
  #forgive(publishers: readonly Holder[]): void {
    for (const [id, { holder, resting, forgive }] of this.#followed) {
      if (!resting || publishers.some((one) => one.id === id) || this.#isAt(holder)) continue
      this.#rests.delete(id)
      forgive.abort()
    }
  }

  /** @returns whether it is followed from now on. */
  #begin(holder: Holder): boolean {
    const { id } = holder
    if (this.#followed.has(id) || this.#banned.has(id) || this.#options.signal.aborted) return false
    this.#known.set(id, holder)
    const followed: Followed = {
      ...{ holder, resting: false, done: Promise.resolve() },
      ...{ end: new AbortController(), forgive: new AbortController() },
    }
    this.#followed.set(id, followed)
    followed.done = this.#follow(followed)
    return true
  }

  /** One holder, until it is gone for long, or banned. */
  async #follow(followed: Followed): Promise<void> {
    const { signal: over, news, wake } = this.#options
    const { holder, end, forgive } = followed
    const { id } = holder
    const error = await this.#listen(followed, AbortSignal.any([end.signal, over])).then(
      () => new NotPublished(),
      (cause: unknown) => cause,
    )
    followed.resting = true
    news.leave(id)
    if (error instanceof PeerMisbehaved) this.ban(id, error)
    else if (!end.signal.aborted && !over.aborted) this.#lost(holder, error)
    if (!this.#banned.has(id) && !over.aborted) {
      const signal = AbortSignal.any([over, forgive.signal])
      await sleep(this.#restOf(id), undefined, { signal, ref: false }).catch(() => {})
    }
    this.#followed.delete(id)
    // A publisher is looked up again; a relay that has nothing any more, or has gone, comes back when it follows us, or is named again.
    if (error instanceof NotPublished || !this.#isAt(holder)) this.#relays.delete(id)
    if (!over.aborted) wake()
  }

  async #listen({ holder, end }: Followed, signal: AbortSignal): Promise<void> {
    const { client, root, news, wake } = this.#options
    // Who never comes to the point keeps nobody else from being followed.
    const late = setTimeout(() => end.abort(), HAVE_SILENT_MS)
    let first = true
    let due = 0
    try {
      for await (const message of client.have(holder, root, signal)) {
        clearTimeout(late)
        this.#check(holder, message, first)
        if (first) news.join(holder.id)
        first = false
        this.#take(holder.id, message)
        wake()
        due = Math.max(due, performance.now() - NEWS_AT_ONCE * NEWS_EVERY_MS) + NEWS_EVERY_MS
        const early = due - performance.now()
        if (early > 0) await sleep(early, undefined, { signal, ref: false })
      }
    } finally {
      clearTimeout(late)
    }
  }

  /** @throws PeerMisbehaved */
  #check({ address }: Holder, { all, bits, new: fresh }: HaveMessage, first: boolean): void {
    const says = all === true || bits !== undefined
    const late = !first && bits !== undefined
    const beyond = fresh?.some((piece) => piece >= this.#options.pieces)
    if ((first && !says) || late || beyond) throw new PeerMisbehaved(address)
    if (bits !== undefined && !this.#setOf(bits)) throw new PeerMisbehaved(address)
  }

  #take(id: string, { all, bits, new: fresh, peers }: HaveMessage): void {
    const { news } = this.#options
    const set = bits === undefined ? undefined : this.#setOf(bits)
    if (all) news.hasAll(id)
    else if (set) news.hasBits(id, set)
    if (fresh) news.hasNew(id, fresh)
    for (const peer of peers ?? []) this.named(peer)
  }

  #setOf(bits: string): PieceSet | undefined {
    const { pieces } = this.#options
    const bytes = fromB64u(bits, Math.ceil(pieces / 8))
    return bytes && PieceSet.from(bytes, pieces)
  }

  #isAt({ id, address }: Holder): boolean {
    return this.#options.at(address)?.id === id
  }

  #restOf(id: string): number {
    const rest = Math.min(LONGEST_REST_MS, this.#rests.get(id) ?? this.#options.restMs ?? REST_MS)
    this.#rests.set(id, rest * 2)
    return rest
  }

  #lost(holder: Holder, error: unknown): void {
    // A relay that has ended is no news for the person.
    if (!isFarewell(error) || (error instanceof NotPublished && this.#relays.has(holder.id))) return
    this.#options.onLost(holder, error)
  }
}

/** Errors that say something about a holder, not about the moment: it lied, or has not got what it said. */
export const isFarewell = (error: unknown): boolean =>
  [PeerMisbehaved, WrongPiece, FileChanged, NotPublished].some((kind) => error instanceof kind)
