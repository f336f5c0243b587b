/** Who follows one content here: told what is new, and of each other (PROTOCOL.md, "Contents and pieces": Have). */
import { toB64u } from '../bytes.ts'
import { Busy, NotPublished } from '../errors.ts'
import { HAVE_QUIET_MS, MAX_NAMED_PEERS } from '../protocol/contents.ts'
import type { Holding, Holdings } from './holding.ts'

const GATHER_MS = 10
/** Streams of one peer for one content: an old one that has not broken yet, and the one in its place. */
const MAX_OF_PEER = 2
const MAX_OF_CONTENT = 64
/** Numbers of pieces in one message: a message has at most 64 KiB. */
const MAX_NEW = 8_000

export interface FollowersDeps {
  readonly root: string
  readonly holdings: Holdings
  /** Where a peer can be asked; undefined while that is not known. */
  readonly addressOf: (peerId: string) => string | undefined
  readonly gatherMs?: number
  readonly quietMs?: number
}

/** One stream. */
export interface Follower {
  /** Runs until the content is not here any more; the messages gather while nobody asks for the next one. */
  messages(): AsyncGenerator<string, void, undefined>
  /** To be called at the end in any case: messages that nobody began to read end nothing. */
  leave(): void
}

interface Member {
  readonly peerId: string
  /** As it was named to the others. */
  address: string | undefined
  /** How much of the news it was told. */
  told: number
  toldAll: boolean
  readonly newcomers: Set<string>
  wake: () => void
}

export class Followers {
  readonly #deps: Required<FollowersDeps>
  readonly #members = new Set<Member>()
  #holding: Holding | undefined
  #unlisten: (() => void)[] = []
  /** Pieces in the order in which they came, since somebody follows. */
  #news: number[] = []
  #gathering: NodeJS.Timeout | undefined

  constructor(deps: FollowersDeps) {
    this.#deps = { gatherMs: GATHER_MS, quietMs: HAVE_QUIET_MS, ...deps }
  }

  get size(): number {
    return this.#members.size
  }

  /** @throws NotPublished; Busy when there are too many */
  join(peerId: string): Follower {
    const ofPeer = [...this.#members].filter((member) => member.peerId === peerId).length
    if (ofPeer >= MAX_OF_PEER || this.#members.size >= MAX_OF_CONTENT) throw new Busy()
    if (!this.#holding) this.#listen()
    const member: Member = {
      peerId,
      address: undefined,
      told: this.#news.length,
      toldAll: false,
      newcomers: new Set(this.#addressesBeside(peerId)),
      wake: () => {},
    }
    this.#members.add(member)
    this.#nameThoseWithout()
    this.#holding?.followed(peerId)
    return { messages: () => this.#messages(member), leave: () => this.#leave(member) }
  }

  /** Ends every stream. */
  stop(): void {
    this.#unlistenAll()
    this.#wakeAll()
  }

  async *#messages(member: Member): AsyncGenerator<string, void, undefined> {
    if (!this.#holding) return
    member.told = this.#news.length
    member.toldAll = isFull(this.#holding)
    yield hello(this.#holding)
    yield* newcomersOf(member)
    while (this.#holding && this.#members.has(member)) {
      const quiet = await this.#isQuiet(member)
      const holding = this.#holding
      if (!holding) return
      const messages = [...newsOf(member, this.#news, holding), ...newcomersOf(member)]
      if (messages.length === 0 && !quiet) continue
      yield* messages.length > 0 ? messages : ['{}']
      if (quiet) this.#nameThoseWithout()
    }
  }

  /** Wait for news. @returns whether there were none for long. */
  async #isQuiet(member: Member): Promise<boolean> {
    if (member.told < this.#news.length || member.newcomers.size > 0) {
      if (!this.#gathering) return false
    }
    return await new Promise((resolve) => {
      const quiet = setTimeout(() => resolve(true), this.#deps.quietMs)
      member.wake = () => {
        clearTimeout(quiet)
        resolve(false)
      }
    })
  }

  #leave(member: Member): void {
    if (!this.#members.delete(member)) return
    member.wake()
    if (this.#members.size === 0) this.#unlistenAll()
  }

  /** @throws NotPublished */
  #listen(): void {
    const holding = this.#deps.holdings(this.#deps.root)
    if (!holding) throw new NotPublished()
    this.#holding = holding
    this.#news = []
    this.#unlisten = [
      holding.onNew((pieces) => {
        for (const piece of pieces) this.#news.push(piece)
        this.#tellSoon()
      }),
      holding.onEnd(() => this.#onEnd()),
    ]
  }

  #unlistenAll(): void {
    for (const end of this.#unlisten) end()
    this.#unlisten = []
    this.#holding = undefined
    clearTimeout(this.#gathering)
    this.#gathering = undefined
  }

  /** It may be here still, under another name; only what is whole can be told to those who know of a part. */
  #onEnd(): void {
    this.#unlistenAll()
    const next = this.#deps.holdings(this.#deps.root)
    if (next && isFull(next)) {
      this.#listen()
      for (const member of this.#members) member.told = 0
    }
    this.#wakeAll()
  }

  #wakeAll(): void {
    for (const member of this.#members) member.wake()
  }

  #tellSoon(): void {
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined
      this.#wakeAll()
    }, this.#deps.gatherMs)
  }

  /** Tell the others of those whose address is known by now. */
  #nameThoseWithout(): void {
    for (const member of this.#members) {
      if (member.address !== undefined) continue
      const address = this.#deps.addressOf(member.peerId)
      if (address === undefined) continue
      const known = this.#addressesBeside('').includes(address)
      member.address = address
      if (known) continue
      for (const other of this.#members) if (other.peerId !== member.peerId) other.newcomers.add(address)
      this.#tellSoon()
    }
  }

  #addressesBeside(peerId: string): string[] {
    return [...this.#members].flatMap((member) =>
      member.address !== undefined && member.peerId !== peerId ? [member.address] : [],
    )
  }
}

const isFull = ({ pieces }: Holding): boolean => pieces?.complete ?? true

const hello = (holding: Holding): string =>
  JSON.stringify(isFull(holding) ? { all: true } : { bits: toB64u(holding.pieces?.toBytes() ?? new Uint8Array()) })

function* newsOf(member: Member, news: readonly number[], holding: Holding): Generator<string> {
  const from = member.told
  member.told = news.length
  if (member.toldAll) return
  if (isFull(holding)) {
    member.toldAll = true
    yield JSON.stringify({ all: true })
    return
  }
  for (let at = from; at < news.length; at += MAX_NEW) yield JSON.stringify({ new: news.slice(at, at + MAX_NEW) })
}

function* newcomersOf(member: Member): Generator<string> {
  const peers = [...member.newcomers]
  member.newcomers.clear()
  for (let at = 0; at < peers.length; at += MAX_NAMED_PEERS)
    yield JSON.stringify({ peers: peers.slice(at, at + MAX_NAMED_PEERS) })
}
