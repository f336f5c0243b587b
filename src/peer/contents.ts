/** Asking a holder for a content in pieces (PROTOCOL.md, "Contents and pieces"): its tree, its pieces, and the news of what it has. */
import { FREE, type Pace } from '../allowance.ts'
import { toB64u } from '../bytes.ts'
import { BadStream, isOurs, PeerMisbehaved, PeerUnreachable } from '../errors.ts'
import { checkHave, HAVE_SILENT_MS, type HaveMessage } from '../protocol/contents.ts'
import { openLive } from '../session/sealed.ts'
import type { OutSession } from '../session/sessions.ts'
import { type Asker, discard } from './ask.ts'
import { inPace } from './patience.ts'
import { type PieceSink, receivePieces } from './pieces.ts'

export type { PieceSink } from './pieces.ts'

/** Where a holder answers, and who must answer there. */
export interface HolderAt {
  readonly address: string
  /** Identity, 64 hex characters. */
  readonly id: string
}

export interface PiecesAsked {
  readonly first: number
  readonly count: number
  readonly want: { readonly first: number; readonly bits: Uint8Array } | undefined
}

/** How fast what is asked for may come from an address. */
export type PaceOf = (address: string) => Pace

export class ContentClient {
  readonly #asker: Asker
  readonly #paceOf: PaceOf

  constructor(asker: Asker, paceOf: PaceOf = () => FREE) {
    this.#asker = asker
    this.#paceOf = paceOf
  }

  /** The piece layer as the holder sent it; whether it fits is for the caller to see. */
  async tree({ address, id }: HolderAt, root: string, signal: AbortSignal): Promise<Uint8Array> {
    const target = `/content/${root}/tree`
    return await proved(address, async (opens) => {
      const asked = await this.#asker.ask(address, { method: 'GET', target, signal, streams: true, expect: id })
      opens()
      if (asked.answer.statusCode !== 200) return await this.#asker.refusal(address, asked)
      // It may be half a MiB, and whoever gives may be allowed to give little: its pace is watched, not its time.
      const source = paced(inPace(asked.answer.body, this.#asker.patience), this.#paceOf(address), signal)
      return await this.#asker.open(address, asked, source)
    })
  }

  /**
   * What the holder has, and then its news. Ends normally when the content is not there any more.
   * @throws the error the holder names, PeerUnreachable, PeerMisbehaved
   */
  async *have({ address, id }: HolderAt, root: string, signal: AbortSignal): AsyncGenerator<HaveMessage> {
    const target = `/content/${root}/have`
    // Who follows a holder will ask it for pieces.
    this.#asker.reach.lane.prepare()
    const asked = await proved(address, async (opens) => {
      const asked = await this.#asker.ask(address, {
        method: 'GET',
        target,
        signal,
        streams: true,
        bulk: true,
        expect: id,
      })
      opens()
      return asked.answer.statusCode === 200 ? asked : await this.#asker.refusal(address, asked)
    })
    const { statusCode: status, body } = asked.answer
    const opener = openLive(asked.exchange, status)
    try {
      for await (const chunk of inPace(body, { slowBytes: 1, slowMs: HAVE_SILENT_MS })) {
        for (const line of opener.push(chunk)) yield messageOf(address, line)
      }
    } catch (cause) {
      throw isOurs(cause) && !(cause instanceof BadStream) ? cause : new PeerUnreachable(address, { cause })
    } finally {
      discard(asked.answer)
    }
    // An end without the last frame is a connection that broke.
    if (!opener.ended) throw new PeerUnreachable(address)
  }

  /**
   * Pieces, each frame handed on as soon as its tag was right. Resolves when the whole answer came.
   * @throws the error the holder names, PeerUnreachable, PeerMisbehaved; whatever the sink's head throws
   */
  async pieces(at: HolderAt, root: string, asked: PiecesAsked, sink: PieceSink, signal: AbortSignal): Promise<void> {
    const target = targetOf(root, asked)
    const sessionNow = (): Promise<OutSession> =>
      proved(at.address, () => this.#asker.session(at.address, at.id, signal))
    const session = await sessionNow()
    const pace = this.#paceOf(at.address)
    if (await receivePieces(this.#asker, { at, target, session, sink, signal, pace })) return
    // The peer does not know the session any more.
    this.#asker.sessions.drop(at.address, session)
    const next = await sessionNow()
    if (!(await receivePieces(this.#asker, { at, target, session: next, sink, signal, pace })))
      throw new PeerUnreachable(at.address)
  }
}

/** A body whose bytes wait until they may have come. */
async function* paced(source: AsyncIterable<Uint8Array>, pace: Pace, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    for (let left = chunk.length; left > 0; ) {
      const slice = Math.min(left, pace.sliceBytes)
      await pace.take(slice, signal)
      left -= slice
    }
    yield chunk
  }
}

const targetOf = (root: string, { first, count, want }: PiecesAsked): string => {
  const run = count === 1 ? String(first) : `${first}-${first + count - 1}`
  return `/content/${root}?pieces=${run}${want ? `&want=${want.first}:${toB64u(want.bits)}` : ''}`
}

/**
 * What comes outside of a session, or does not open, may be from anybody who answers there now: nobody is called a liar for it.
 * @param work - calls `opens` when from here on it speaks of what opened
 * @throws PeerUnreachable in place of PeerMisbehaved then
 */
const proved = async <Value>(address: string, work: (opens: () => void) => Promise<Value>): Promise<Value> => {
  let opened = false
  try {
    return await work(() => {
      opened = true
    })
  } catch (cause) {
    const proof = opened && cause instanceof PeerMisbehaved && !(cause.cause instanceof BadStream)
    throw cause instanceof PeerMisbehaved && !proof ? new PeerUnreachable(address, { cause }) : cause
  }
}

/** @throws PeerMisbehaved */
const messageOf = (address: string, line: Uint8Array): HaveMessage => {
  const message = checkHave(Buffer.from(line.buffer, line.byteOffset, line.byteLength).toString('utf8'))
  if (!message) throw new PeerMisbehaved(address)
  return message
}
