/** The giving side of contents: trees, pieces to those who ask, news to those who follow (PROTOCOL.md, "Contents and pieces"). */
import { BadRequest, Busy, FileChanged, NoPiece, NotPublished, Stopping } from '../errors.ts'
import { MAX_RUN_BYTES } from '../protocol/contents.ts'
import { pieceCountOf, type Run, runBytes } from '../store/pieces.ts'
import { Buffers } from './giving-buffers.ts'
import { chooseRun, herePart, lastWanted, PieceCounts, type Want } from './giving-choice.ts'
import { type Follower, Followers, type FollowersDeps } from './giving-followers.ts'
import { FrameReader } from './giving-frames.ts'
import { GATE, Gate, type GateLimits } from './giving-gate.ts'
import { OpenHoldings } from './giving-open.ts'
import type { Holding, Holdings } from './holding.ts'

export type { Want } from './giving-choice.ts'
export type { Follower } from './giving-followers.ts'

const MAX_FOLLOWERS = 256
/** Contents of which nobody wants anything now whose counts are kept: up to 64 KiB each. */
const MAX_IDLE = 128
/** A holding that is found changed is looked for under its other names. */
const ATTEMPTS = 3

export interface GivingDeps extends Pick<FollowersDeps, 'addressOf' | 'gatherMs' | 'quietMs'> {
  /** The first that has a content gives it. */
  readonly holdings: readonly Holdings[]
  readonly gate?: GateLimits
  /** How long a holding stays open that nobody uses. */
  readonly keepOpenMs?: number
}

/** What is asked for: the proposal, and what else would do. */
export interface Asked {
  readonly run: Run
  readonly want: Want | undefined
}

/** One answer that has begun. */
export interface Given {
  readonly run: Run
  readonly bytes: number
  /** The next frame, good until the next call; undefined at the end. @throws FileChanged, NotPublished */
  next(): Promise<Uint8Array | undefined>
  /** To be called once. @param whole - false when it broke off: then its pieces do not count as given. */
  end(whole: boolean): Promise<void>
}

/** What is kept of one root. */
interface Content {
  readonly counts: PieceCounts
  readonly gate: Gate
  readonly followers: Followers
}

export class Giving {
  readonly #deps: GivingDeps
  readonly #open: OpenHoldings
  readonly #buffers = new Buffers()
  /** The one that was asked for last comes last. */
  readonly #contents = new Map<string, Content>()
  #stopped = false

  constructor(deps: GivingDeps) {
    this.#deps = deps
    this.#open = new OpenHoldings(deps.keepOpenMs === undefined ? {} : { keepMs: deps.keepOpenMs })
  }

  /** The piece layer. @throws NotPublished, FileChanged, Busy */
  async tree(root: string): Promise<Uint8Array> {
    return await this.#holdingOf(root).layer()
  }

  /**
   * Pieces for an asker, when its turn has come; the first frame is read already.
   * @param signal - aborts when the asker has gone
   * @throws BadRequest for a wish beyond the content, NoPiece, NotPublished, FileChanged, Busy, Stopping; the signal's reason
   */
  async pieces(root: string, asker: string, asked: Asked, signal: AbortSignal): Promise<Given> {
    if (this.#stopped) throw new Stopping()
    checkAsked(this.#holdingOf(root), asked)
    const content = this.#contentOf(root)
    const leave = await content.gate.enter(asker, signal)
    try {
      return await this.#begin(content, root, asker, asked, leave)
    } catch (error) {
      leave()
      throw error
    }
  }

  /** News of a content for a peer. @throws NotPublished, Busy, Stopping */
  follow(root: string, peerId: string): Follower {
    if (this.#stopped) throw new Stopping()
    this.#holdingOf(root)
    if (this.followers >= MAX_FOLLOWERS) throw new Busy()
    return this.#contentOf(root).followers.join(peerId)
  }

  /** Streams of news that run. */
  get followers(): number {
    return [...this.#contents.values()].reduce((sum, { followers }) => sum + followers.size, 0)
  }

  /** Ends all news, sends those away who wait, and closes what is open. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const { followers, gate } of this.#contents.values()) {
      followers.stop()
      gate.stop()
    }
    await this.#open.stop()
  }

  async #begin(content: Content, root: string, asker: string, asked: Asked, leave: () => void): Promise<Given> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#attempt(content, this.#holdingOf(root), asker, asked, leave)
      } catch (error) {
        const changed = error instanceof FileChanged || error instanceof NotPublished
        if (!changed || attempt === ATTEMPTS || !this.#find(root)) throw error
      }
    }
  }

  async #attempt(
    { counts, gate }: Content,
    holding: Holding,
    asker: string,
    { run: proposed, want }: Asked,
    leave: () => void,
  ): Promise<Given> {
    const { size, pieces } = holding
    const here = herePart(proposed, pieceCountOf(size), pieces)
    if (!here) throw new NoPiece()
    const run = want && (pieces?.complete ?? true) ? chooseRun(counts, asker, here, want) : here
    const { from, bytes } = runBytes(size, run)
    const release = this.#buffers.reserve(bytes)
    counts.begin(asker, run)
    let borrowed: Awaited<ReturnType<OpenHoldings['borrow']>> | undefined
    let reader: FrameReader | undefined
    const end = async (whole: boolean, fit = true): Promise<void> => {
      counts.end(asker, run, whole)
      await reader?.stop()
      borrowed?.giveBack(fit)
      release()
    }
    try {
      borrowed = await this.#open.borrow(holding)
      reader = new FrameReader(borrowed.open, this.#buffers, from, bytes)
      const first = await reader.next()
      gate.gave(asker, bytes)
      return givenOf({ run, bytes, first, reader, end, leave })
    } catch (error) {
      await end(false, false)
      throw error
    }
  }

  /** @throws NotPublished */
  #holdingOf(root: string): Holding {
    const holding = this.#find(root)
    if (!holding) throw new NotPublished()
    return holding
  }

  #find(root: string): Holding | undefined {
    for (const holdings of this.#deps.holdings) {
      const holding = holdings(root)
      if (holding) return holding
    }
    return undefined
  }

  /** It is here: whoever asks for a root has looked. */
  #contentOf(root: string): Content {
    const known = this.#contents.get(root)
    if (!known) this.#forgetIdle()
    const content = known ?? {
      counts: new PieceCounts(pieceCountOf(this.#holdingOf(root).size)),
      gate: new Gate(this.#deps.gate ?? GATE),
      followers: new Followers({ ...this.#deps, root, holdings: (wanted) => this.#find(wanted) }),
    }
    this.#contents.delete(root)
    this.#contents.set(root, content)
    return content
  }

  #forgetIdle(): void {
    for (const [root, { gate, followers }] of this.#contents) {
      if (this.#contents.size < MAX_IDLE) return
      if (gate.idle && followers.size === 0) this.#contents.delete(root)
    }
  }
}

interface Begun {
  readonly run: Run
  readonly bytes: number
  readonly first: Uint8Array | undefined
  readonly reader: FrameReader
  readonly end: (whole: boolean, fit: boolean) => Promise<void>
  readonly leave: () => void
}

const givenOf = ({ run, bytes, first, reader, end, leave }: Begun): Given => {
  let ahead = first
  let fit = true
  return {
    run,
    bytes,
    next: async () => {
      if (ahead) {
        const frame = ahead
        ahead = undefined
        return frame
      }
      try {
        return await reader.next()
      } catch (error) {
        fit = false
        throw error
      }
    },
    end: async (whole) => {
      leave()
      await end(whole, fit)
    },
  }
}

/** @throws BadRequest for more than one answer may bring, or bits beyond the content */
const checkAsked = ({ size }: Holding, { run, want }: Asked): void => {
  if (run.count > 1 && run.first < pieceCountOf(size) && runBytes(size, run).bytes > MAX_RUN_BYTES)
    throw new BadRequest('that is more than one answer brings')
  if (want && lastWanted(want) >= pieceCountOf(size)) throw new BadRequest('more is wanted than the content has')
}
