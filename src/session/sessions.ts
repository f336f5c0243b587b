/** Open sessions, in memory only. An outgoing one is ours to ask in, an incoming one is ours to answer in. */
import { equalBytes, fromB64u, toB64u } from '../bytes.ts'
import { requestMac, type SessionKeys } from '../crypto/keys.ts'
import { Carriers } from './carriers.ts'

const MINUTE_MS = 60_000
/** A request must start within the life of its session; a stream that runs may end. */
const LIFE_MS = 60 * MINUTE_MS
const IDLE_MS = 10 * MINUTE_MS
const MAX_N = 2 ** 32 - 1
/** At this share of a limit the initiator makes a new session. */
const RENEW_AT = 0.75
const MAX_SESSIONS = 1024
const MAX_PER_PEER = 4
/** How far behind the highest counter a request may arrive (RFC 6479 in spirit: parallel requests overtake each other). */
const WINDOW = 1024

/** What a finished handshake gives both sides. Ids are 64 hex characters. */
export interface Opened {
  readonly peerId: string
  readonly sid: Uint8Array
  readonly keys: SessionKeys
}

/** Milliseconds that never jump: sleep and a set clock must not end or prolong a session. */
export type Clock = () => number
export const monotonic: Clock = () => performance.now()

/** One request of a session, as both sides name it when they derive the keys of its streams. */
export interface Exchange {
  readonly sid: Uint8Array
  readonly keys: SessionKeys
  readonly peerId: string
  readonly n: number
  readonly method: string
  readonly target: string
}

/** A session we began: it counts its requests. */
export class OutSession {
  readonly peerId: string
  readonly #opened: Opened
  readonly #clock: Clock
  readonly #startedAt: number
  #usedAt: number
  #n = 0

  constructor(opened: Opened, clock: Clock = monotonic) {
    this.peerId = opened.peerId
    this.#opened = opened
    this.#clock = clock
    this.#startedAt = clock()
    this.#usedAt = this.#startedAt
  }

  get usable(): boolean {
    const now = this.#clock()
    return now - this.#startedAt < LIFE_MS && now - this.#usedAt < IDLE_MS && this.#n < MAX_N
  }

  get worn(): boolean {
    return this.#clock() - this.#startedAt > LIFE_MS * RENEW_AT || this.#n > MAX_N * RENEW_AT
  }

  /** The next request: a counter that is never used again, whatever becomes of it, and the header that proves it. */
  next(method: string, target: string): Exchange & { readonly header: string } {
    this.#n += 1
    this.#usedAt = this.#clock()
    const { sid, keys, peerId } = this.#opened
    const mac = requestMac(keys.i2r.auth, sid, this.#n, method, target)
    const header = `v=1; sid=${toB64u(sid)}; n=${this.#n}; mac=${toB64u(mac)}`
    return { sid, keys, peerId, n: this.#n, method, target, header }
  }
}

interface InSession extends Opened {
  readonly startedAt: number
  usedAt: number
  highest: number
  /** Slot n mod WINDOW holds the last n accepted there. */
  readonly seen: Float64Array
}

const AUTH = /^v=1; sid=([\w-]{22}); n=([1-9]\d{0,9}); mac=([\w-]{43})$/

/** The sessions others began with us. */
export class InSessions {
  /** The connections their requests come on. */
  readonly carriers = new Carriers()
  readonly #sessions = new Map<string, InSession>()
  readonly #clock: Clock

  constructor(clock: Clock = monotonic) {
    this.#clock = clock
  }

  get size(): number {
    return this.#sessions.size
  }

  open(opened: Opened): void {
    const now = this.#clock()
    for (const [key, { startedAt, usedAt }] of this.#sessions) {
      if (now - startedAt >= LIFE_MS || now - usedAt >= IDLE_MS) this.#sessions.delete(key)
    }
    const ofPeer = [...this.#sessions].filter(([, { peerId }]) => peerId === opened.peerId)
    if (ofPeer.length >= MAX_PER_PEER) this.#sessions.delete(ofPeer[0]?.[0] ?? '')
    if (this.#sessions.size >= MAX_SESSIONS) this.#sessions.delete(this.#sessions.keys().next().value ?? '')
    this.#sessions.set(toB64u(opened.sid), {
      ...opened,
      startedAt: now,
      usedAt: now,
      highest: 0,
      seen: new Float64Array(WINDOW),
    })
  }

  /**
   * Check a `Portmesh-Auth` header against method and raw target, and mark its counter as used.
   * @returns undefined whatever is wrong: no difference may be seen from outside.
   */
  authenticate(header: unknown, method: string, target: string): Exchange | undefined {
    const match = typeof header === 'string' ? AUTH.exec(header) : null
    const [, sidText = '', nText = '', macText = ''] = match ?? []
    const session = this.#sessions.get(sidText)
    const mac = fromB64u(macText, 32)
    const n = Number(nText)
    if (!session || !mac || n > MAX_N || !this.#isLive(session)) return undefined
    if (!equalBytes(mac, requestMac(session.keys.i2r.auth, session.sid, n, method, target))) return undefined
    if (!markUsed(session, n)) return undefined
    session.usedAt = this.#clock()
    this.#sessions.delete(sidText)
    this.#sessions.set(sidText, session)
    const { sid, keys, peerId } = session
    return { sid, keys, peerId, n, method, target }
  }

  /** End every session of a peer, and whatever is still answered in them. */
  end(peerId: string): void {
    this.carriers.end(peerId)
    for (const [key, session] of this.#sessions) if (session.peerId === peerId) this.#sessions.delete(key)
  }

  #isLive({ startedAt, usedAt }: InSession): boolean {
    const now = this.#clock()
    return now - startedAt < LIFE_MS && now - usedAt < IDLE_MS
  }
}

const markUsed = (session: InSession, n: number): boolean => {
  const slot = n % WINDOW
  if (n <= session.highest - WINDOW || session.seen[slot] === n) return false
  session.seen[slot] = n
  session.highest = Math.max(session.highest, n)
  return true
}
