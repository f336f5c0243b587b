/** Their side of a handshake: this minute's key, half-open handshakes, limits (PROTOCOL.md, "Handshake"). */
import { fromB64u, toHex } from '../bytes.ts'
import type { BeginAnswer, ConfirmAnswer, KeyAnswer, responderAnswer } from '../crypto/handshake.ts'
import type { Identity } from '../crypto/identity.ts'
import { BadHandshake, Busy, Refused, StaleKey, UnsupportedVersion } from '../errors.ts'
import type { Metrics } from '../metrics.ts'
import { VERSION } from '../protocol/constants.ts'
import type { Arithmetic } from './arithmetic.ts'
import type { KeyPair } from './handshake-worker.ts'
import { moduli } from './moduli.ts'
import { type Clock, type InSessions, monotonic } from './sessions.ts'

/** A key is replaced at the first question after its minute, and accepted for one minute more. */
const KEY_FRESH_MS = 60_000
const KEY_ACCEPTED_MS = 120_000
const MAX_HALF_OPEN = 256
const HALF_OPEN_MS = 10_000
/** First messages of one source address: at once, and more each second. */
const BURST = 64
const REFILL_PER_S = 32
/** The same of all others together: a handshake takes some 10 ms of one thread. This computer's own are not counted among them. */
const ALL_BURST = 128
const ALL_REFILL_PER_S = 64
const ALL = ''
/** Addresses whose bucket is remembered; a full bucket is the same as none. */
const MAX_BUCKETS = 4096
const GROUP = 'modp15'

interface Key extends KeyPair {
  readonly madeAt: number
}

interface HalfOpen {
  readonly state: ReturnType<typeof responderAnswer>['state']
  readonly expiresAt: number
}

export interface ResponderOptions {
  readonly identity: Identity
  readonly arithmetic: Arithmetic
  readonly sessions: InSessions
  readonly metrics: Metrics
  /** With whom no session is opened. */
  readonly refuses?: (peerId: string) => boolean
  readonly clock?: Clock
}

export class Responder {
  readonly #options: ResponderOptions
  readonly #clock: Clock
  readonly #halfOpen = new Map<string, HalfOpen>()
  readonly #buckets = new Map<string, { tokens: number; at: number }>()
  #keys: readonly Key[] = []
  #making: Promise<Key> | undefined

  constructor(options: ResponderOptions) {
    this.#options = options
    this.#clock = options.clock ?? monotonic
  }

  /** What /getkey answers: one key for everybody who asks within the minute. */
  async keyAnswer(): Promise<KeyAnswer> {
    const newest = this.#liveKeys()[0]
    if (newest && this.#clock() - newest.madeAt < KEY_FRESH_MS) return newest.answer
    this.#making ??= this.#makeKey().finally(() => {
      this.#making = undefined
    })
    return (await this.#making).answer
  }

  /**
   * POST /session.
   * @param source - what stands for the one who asks
   * @param isOwn - whether that is this computer
   * @throws UnsupportedVersion, BadHandshake, StaleKey, Busy.
   */
  async begin(message: unknown, source: string, isOwn = true): Promise<BeginAnswer> {
    const text = record(message)
    if (text.v !== VERSION || text.group !== GROUP) {
      if (typeof text.v === 'string' && typeof text.group === 'string') throw new UnsupportedVersion()
      throw new BadHandshake()
    }
    const { kid, x, c, v, group } = text
    if (typeof kid !== 'string' || typeof x !== 'string' || typeof c !== 'string' || Object.keys(text).length !== 5)
      throw new BadHandshake()
    if (!fromB64u(kid, 16) || !fromB64u(x, 384) || !fromB64u(c, 32)) throw new BadHandshake()
    this.#take(source, BURST, REFILL_PER_S)
    if (!isOwn) this.#take(ALL, ALL_BURST, ALL_REFILL_PER_S)
    const key = this.#liveKeys().find(({ answer }) => answer.kid === kid)
    if (!key) throw new StaleKey()
    const { identity, arithmetic } = this.#options
    const { privateKey, publicKey } = key
    const { answer, state } = await arithmetic.answer({
      identity,
      privateKey,
      publicKey,
      message: { v, group, kid, x, c },
    })
    this.#remember(answer.sid, state)
    return answer
  }

  /**
   * POST /session/:sid. One wrong confirm ends the attempt.
   * @throws BadHandshake, Refused, Busy.
   */
  async confirm(sid: string, message: unknown): Promise<ConfirmAnswer> {
    if (!fromB64u(sid, 16)) throw new BadHandshake()
    const entry = this.#halfOpen.get(sid)
    this.#halfOpen.delete(sid)
    const { nA, id, bbs, sig, mac, ...rest } = record(message)
    if (typeof nA !== 'string' || typeof id !== 'string' || typeof bbs !== 'string') throw new BadHandshake()
    if (typeof sig !== 'string' || typeof mac !== 'string' || Object.keys(rest).length > 0) throw new BadHandshake()
    if (!fromB64u(nA, 32) || !fromB64u(id, 32) || !fromB64u(bbs, 384) || !fromB64u(sig, 64) || !fromB64u(mac, 32))
      throw new BadHandshake()
    if (!entry || entry.expiresAt < this.#clock()) throw new Refused()
    const { identity, arithmetic, sessions, metrics, refuses } = this.#options
    const opened = await arithmetic.accept({ identity, state: entry.state, message: { nA, id, bbs, sig, mac } })
    const peerId = toHex(opened.peerId)
    // The answer is that to a wrong proof, and only who has proved who he is gets here.
    if (refuses?.(peerId)) throw new Refused()
    sessions.open({ peerId, sid: opened.sid, keys: opened.keys })
    metrics.add('handshakes_in')
    void moduli.isPrime(opened.peerModulus).then((prime) => prime && sessions.end(peerId))
    return opened.answer
  }

  async #makeKey(): Promise<Key> {
    const pair = await this.#options.arithmetic.makeKey(this.#options.identity)
    const key = { ...pair, madeAt: this.#clock() }
    this.#keys = [key, ...this.#liveKeys()]
    return key
  }

  #liveKeys(): readonly Key[] {
    const now = this.#clock()
    for (const key of this.#keys) if (now - key.madeAt >= KEY_ACCEPTED_MS) key.privateKey.fill(0)
    this.#keys = this.#keys.filter((key) => now - key.madeAt < KEY_ACCEPTED_MS)
    return this.#keys
  }

  /** When full the oldest goes: refusing the newcomer would let a few requests a second lock everybody out. */
  #remember(sid: string, state: HalfOpen['state']): void {
    const now = this.#clock()
    for (const [key, { expiresAt }] of this.#halfOpen) {
      if (expiresAt >= now && this.#halfOpen.size < MAX_HALF_OPEN) break
      this.#halfOpen.delete(key)
    }
    this.#halfOpen.set(sid, { state, expiresAt: now + HALF_OPEN_MS })
  }

  #take(source: string, burst: number, refillPerS: number): void {
    const now = this.#clock()
    const bucket = this.#buckets.get(source) ?? { tokens: burst, at: now }
    const tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) / 1000) * refillPerS)
    this.#buckets.delete(source)
    if (this.#buckets.size >= MAX_BUCKETS) this.#buckets.delete(this.#buckets.keys().next().value ?? '')
    // A refusal costs nothing: else whoever knocks often enough would keep the bucket empty for all who share the address.
    this.#buckets.set(source, { tokens: tokens < 1 ? tokens : tokens - 1, at: now })
    if (tokens < 1) throw new Busy()
  }
}

const record = (message: unknown): Record<string, unknown> =>
  typeof message === 'object' && message !== null && !Array.isArray(message) ? { ...message } : {}
