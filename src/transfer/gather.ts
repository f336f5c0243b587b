/** The pieces of one content from everybody who has some: asks what the swarm decides, and tells it what came of it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { NoHolder, NoPiece, PeerMisbehaved, PeerUnreachable, WrongPiece } from '../errors.ts'
import type { PieceSet } from '../store/piece-set.ts'
import { pieceCountOf, runBytes } from '../store/pieces.ts'
import type { Content, FetchDeps, FetchEvents } from './fetch.ts'
import { Filler } from './filler.ts'
import { Following, isFarewell } from './following.ts'
import { AS_MANY, type OrderLimits } from './order-choice.ts'
import type { Sink } from './sink.ts'
import { type Order, Swarm } from './swarm.ts'

/** Rates and silences are looked at this often. */
const LOOK_MS = 100
/** The rest of an answer that nobody needs is read, unless it is longer than this. */
const READ_ON_BYTES = 64 * 1024
/** A relay may have told of a piece a moment too early; who does so again and again has not got what it told. */
const REFUSALS = 8
/** A fetch that nobody can help for so long gives its place to another. */
const GIVE_UP_MS = 30_000

export interface Gathering {
  /** Resolves when every piece is here. @throws NoHolder, whatever the sink failed with, the signal's reason */
  run(sink: Sink, have: PieceSet): Promise<void>
  /** For the sink. */
  right(piece: number, from: string): void
  wrong(piece: number, from: string): void
  /** A node that may have pieces. */
  named(address: string): void
}

export const gather = (
  content: Content,
  { client, publishers, at, atOnce }: FetchDeps,
  events: FetchEvents,
  signal: AbortSignal,
): Gathering => {
  const { root, size } = content
  const end = new AbortController()
  const over = AbortSignal.any([signal, end.signal])
  const running = new Map<number, { readonly holder: string; readonly stop: AbortController }>()
  /** Orders whose bytes wait because of us. */
  const held = new Map<Order, Promise<void>>()
  /** Refusals of each holder since it gave something. */
  const refusals = new Map<string, number>()
  const asking = new Set<Promise<void>>()
  const wake = new Bell()
  let swarm: Swarm | undefined
  let have: PieceSet | undefined

  const following = new Following({
    client,
    root,
    pieces: pieceCountOf(size),
    publishers,
    at,
    news: {
      join: (id) => swarm?.join(id),
      leave: (id) => {
        swarm?.leave(id)
        // What is in flight there is asked of others from now on.
        for (const { holder, stop } of running.values()) if (holder === id) stop.abort()
      },
      hasAll: (id) => swarm?.hasAll(id),
      hasBits: (id, pieces) => swarm?.hasBits(id, pieces),
      hasNew: (id, pieces) => swarm?.hasNew(id, pieces),
    },
    wake: () => wake.ring(),
    onLost: (holder, error) => events.lost(holder, error),
    signal: over,
  })

  const limitsOf = (id: string): OrderLimits => {
    const holder = following.holder(id)
    return (holder && atOnce?.(holder.address)) ?? AS_MANY
  }

  /** One request, from its order to its end. */
  const ask = async (order: Order, sink: Sink): Promise<void> => {
    const holder = following.holder(order.holder)
    const stop = new AbortController()
    running.set(order.id, { holder: order.holder, stop })
    const filler = new Filler({ sink, from: order.holder, onPiece: (piece) => swarm?.arrived(order, piece) })
    try {
      if (!holder) return
      const asked = { first: order.run.first, count: order.run.count, want: order.want }
      const stopped = AbortSignal.any([stop.signal, over])
      await client.pieces(
        holder,
        root,
        asked,
        {
          head: (first, count, bytes) => {
            const within = count >= 1 && first + count <= pieceCountOf(size)
            if (!within || !swarm?.began(order, { first, count })) throw new PeerMisbehaved(holder.address)
            // The head was sealed, the length of the answer was not.
            if (runBytes(size, { first, count }).bytes !== bytes) throw new PeerUnreachable(holder.address)
            filler.begin(first, bytes)
            wake.ring()
          },
          progress: (bytes) => {
            swarm?.received(order, bytes, performance.now())
            events.received(holder, bytes)
          },
          frame: (parts, bytes, leaves) => filler.frame(parts, bytes, leaves),
          held: (wait) => {
            held.set(order, wait)
            void wait.finally(() => held.get(order) === wait && held.delete(order))
          },
        },
        stopped,
      )
    } catch (error) {
      if (!stop.signal.aborted && !over.aborted) failed(order.holder, error)
    } finally {
      await filler.end()
      held.delete(order)
      swarm?.ended(order)
      running.delete(order.id)
      wake.ring()
    }
  }

  const failed = (id: string, error: unknown): void => {
    if (error instanceof PeerMisbehaved) {
      following.ban(id, error)
      return
    }
    const refused = error instanceof NoPiece ? (refusals.get(id) ?? 0) + 1 : REFUSALS
    refusals.set(id, refused % REFUSALS)
    if (refused < REFUSALS) return
    following.rest(id)
    const holder = following.holder(id)
    if (holder && isFarewell(error)) events.lost(holder, error)
  }

  const close = (orders: readonly Order[], anyway = false): void => {
    for (const order of orders) {
      if (anyway || (swarm?.spare(order) ?? 0) > READ_ON_BYTES) running.get(order.id)?.stop.abort()
    }
  }

  return {
    run: async (sink, pieces) => {
      have = pieces
      const current = new Swarm({ size, have: pieces })
      swarm = current
      sink.failed.catch((error) => end.abort(error))
      let helpedAt = performance.now()
      let waits = false
      try {
        while (!current.done) {
          over.throwIfAborted()
          following.look()
          const now = performance.now()
          // Whoever is slow because we hold it up is neither silent nor late.
          for (const order of held.keys()) current.received(order, 0, now)
          for (const order of current.orders(now, limitsOf)) {
            const asked = ask(order, sink)
              .catch((error) => end.abort(error))
              .finally(() => asking.delete(asked))
            asking.add(asked)
          }
          close(current.abandoned(), true)
          if (current.usable() > 0 || current.remaining === 0) helpedAt = now
          if (waits !== now - helpedAt > LOOK_MS * 5) {
            waits = !waits
            events.waiting(waits)
          }
          if (now - helpedAt > GIVE_UP_MS) throw new NoHolder()
          await wake.rung(LOOK_MS)
        }
      } finally {
        end.abort()
        await Promise.allSettled([...asking])
        await following.idle()
      }
    },
    right: (piece, from) => {
      if (!have?.add(piece)) return
      const holder = following.holder(from)
      following.helped(from)
      refusals.delete(from)
      if (holder) events.piece(piece, holder)
      if (swarm) close(swarm.verified(piece))
      wake.ring()
    },
    wrong: (piece, from) => {
      const holder = following.holder(from)
      swarm?.rejected(piece)
      following.ban(from, new WrongPiece(holder?.address ?? ''))
      wake.ring()
    },
    named: (address) => following.named(address),
  }
}

/** Wait until something happened, or for a while. */
class Bell {
  #rung = false
  #hear: (() => void) | undefined

  ring(): void {
    this.#rung = true
    this.#hear?.()
  }

  async rung(atMostMs: number): Promise<void> {
    // A burst of events is one: the turn of the loop that brings them ends first.
    await sleep(0)
    if (!this.#rung) {
      await new Promise<void>((resolve) => {
        const late = setTimeout(resolve, atMostMs)
        this.#hear = () => {
          clearTimeout(late)
          resolve()
        }
      })
      this.#hear = undefined
    }
    this.#rung = false
  }
}
