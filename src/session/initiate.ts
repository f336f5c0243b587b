/** Our side of a handshake, as a story: ask for the key, begin, prove ourselves, compare the last word (PROTOCOL.md, "Handshake"). */
import { setTimeout as sleep } from 'node:timers/promises'
import { equalBytes, fromB64u, toB64u, toHex } from '../bytes.ts'
import type { KeyAnswer } from '../crypto/handshake.ts'
import type { Identity } from '../crypto/identity.ts'
import { PeerMisbehaved, PeerUnreachable, StaleKey } from '../errors.ts'
import type { Metrics } from '../metrics.ts'
import type { Arithmetic } from './arithmetic.ts'
import { moduli } from './moduli.ts'
import { type Clock, monotonic, OutSession } from './sessions.ts'

/** Handshakes with one address: this many at once, then one a second. */
const BURST = 4
const REFILL_PER_S = 1
/**
 * What is left of a turn that cost us nothing, or the peer as much as us: all of it where nobody listened, and most of it after a handshake
 * that ended well. So a node that is started again and again is met a dozen times at once and then four times a second, as often as it is pulled.
 */
const UNREACHED = 1
const WENT_WELL = 0.75
/** Sessions of our own that are kept; more addresses than rows are never asked. */
const MAX_SESSIONS = 1024

/**
 * Carry one plain message of the handshake to an address.
 * @returns the parsed JSON of a 200; throws the error an answer stands for, or PeerUnreachable.
 */
export type Carry = (address: string, method: 'GET' | 'POST', path: string, body?: object) => Promise<unknown>

export interface InitiatorOptions {
  readonly identity: Identity
  readonly arithmetic: Arithmetic
  readonly carry: Carry
  readonly metrics: Metrics
  /** With whom no session is opened. */
  readonly refuses?: (peerId: string) => boolean
  readonly clock?: Clock
}

export class Initiator {
  readonly #options: InitiatorOptions
  readonly #clock: Clock
  readonly #sessions = new Map<string, OutSession>()
  readonly #opening = new Map<string, Promise<OutSession>>()
  readonly #buckets = new Map<string, { tokens: number; at: number }>()

  constructor(options: InitiatorOptions) {
    this.#options = options
    this.#clock = options.clock ?? monotonic
  }

  /**
   * An open session with whoever answers at an address; a new one is made when there is none, one at a time.
   * @throws the errors of the handshake, PeerUnreachable, PeerMisbehaved.
   */
  async session(address: string): Promise<OutSession> {
    const open = this.#sessions.get(address)
    if (!open?.usable) return await this.#open(address)
    if (open.worn) this.#open(address).catch(() => this.#options.metrics.add('renewals_failed'))
    return open
  }

  /** Forget a session the other side does not know any more. */
  drop(address: string, session?: OutSession): void {
    if (!session || this.#sessions.get(address) === session) this.#sessions.delete(address)
  }

  /** End every session with a peer. */
  end(peerId: string): void {
    for (const [address, session] of this.#sessions) if (session.peerId === peerId) this.#sessions.delete(address)
  }

  #open(address: string): Promise<OutSession> {
    const running = this.#opening.get(address)
    if (running) return running
    const opening = this.#handshakeTwice(address).finally(() => this.#opening.delete(address))
    this.#opening.set(address, opening)
    return opening
  }

  /** A key may turn stale between two messages: then the handshake is begun once more. */
  async #handshakeTwice(address: string): Promise<OutSession> {
    try {
      return await this.#handshake(address)
    } catch (error) {
      if (error instanceof StaleKey) return await this.#handshake(address)
      throw error
    }
  }

  async #handshake(address: string): Promise<OutSession> {
    await this.#turn(address)
    const { identity, arithmetic, carry, metrics } = this.#options
    const getkey = carry(address, 'GET', '/getkey').catch((error: unknown) => {
      if (error instanceof PeerUnreachable) this.#giveBack(address, UNREACHED)
      throw error
    })
    const keyAnswer = texts(await getkey, address, KEY_FIELDS)
    const { message, state, peerId } = await arithmetic.begin({ identity, keyAnswer })
    this.#check(address, peerId)
    const answer = texts(await carry(address, 'POST', '/session', message), address, BEGIN_FIELDS)
    const confirm = await arithmetic.confirm({ identity, state, answer })
    const last = texts(
      await carry(address, 'POST', `/session/${toB64u(confirm.sid)}`, confirm.message),
      address,
      FIN_FIELDS,
    )
    const fin = fromB64u(last.fin, 32)
    if (!fin || !equalBytes(fin, confirm.fin)) throw new PeerMisbehaved(address)
    this.#check(address, peerId)
    const session = new OutSession({ peerId: toHex(peerId), sid: confirm.sid, keys: confirm.keys }, this.#clock)
    this.#keep(address, session)
    this.#giveBack(address, WENT_WELL)
    metrics.add('handshakes_out')
    void this.#checkModulus(address, session, keyAnswer)
    return session
  }

  /** Off the path of the handshake: a prime modulus ends the session. */
  async #checkModulus(address: string, session: OutSession, { bbs }: KeyAnswer): Promise<void> {
    const modulus = fromB64u(bbs, 384)
    if (modulus && (await moduli.isPrime(modulus))) this.drop(address, session)
  }

  /** Who is refused learns nothing of us, and for our side nobody is there. */
  #check(address: string, peerId: Uint8Array): void {
    if (this.#options.refuses?.(toHex(peerId))) throw new PeerUnreachable(address)
  }

  #keep(address: string, session: OutSession): void {
    this.#sessions.delete(address)
    if (this.#sessions.size >= MAX_SESSIONS) this.#sessions.delete(this.#sessions.keys().next().value ?? '')
    this.#sessions.set(address, session)
  }

  async #turn(address: string): Promise<void> {
    const now = this.#clock()
    const bucket = this.#buckets.get(address) ?? { tokens: BURST, at: now }
    const tokens = Math.min(BURST, bucket.tokens + ((now - bucket.at) / 1000) * REFILL_PER_S) - 1
    if (this.#buckets.size >= MAX_SESSIONS) this.#buckets.delete(this.#buckets.keys().next().value ?? '')
    this.#buckets.set(address, { tokens, at: now })
    if (tokens < 0) await sleep((-tokens / REFILL_PER_S) * 1000)
  }

  #giveBack(address: string, part: number): void {
    const bucket = this.#buckets.get(address)
    if (bucket) bucket.tokens = Math.min(BURST, bucket.tokens + part)
  }
}

const KEY_FIELDS = ['v', 'group', 'dh', 'kid', 'id', 'bbs', 'sig'] as const
const BEGIN_FIELDS = ['sid', 'nB', 'sig', 'mac'] as const
const FIN_FIELDS = ['fin'] as const

/** The text fields of a foreign answer, and no others; what they hold is checked where they are used. */
const texts = <Field extends string>(
  value: unknown,
  address: string,
  fields: readonly Field[],
): Record<Field, string> => {
  const given: ReadonlyMap<string, unknown> = new Map(
    typeof value === 'object' && value !== null ? Object.entries(value) : [],
  )
  if (given.size !== fields.length) throw new PeerMisbehaved(address)
  const entries = fields.map((field): [Field, string] => {
    const text = given.get(field)
    if (typeof text !== 'string') throw new PeerMisbehaved(address)
    return [field, text]
  })
  return Object.fromEntries(entries) as Record<Field, string>
}
