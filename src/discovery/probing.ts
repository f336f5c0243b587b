/** A peer asks whether it can be reached: one look at the address it asks from. */
import { Busy } from '../errors.ts'
import type { PeerClient } from '../peer/client.ts'
import { addressAt } from '../protocol/addresses.ts'

const PAUSE_MS = 2_000
/** Peers whose last question is remembered. */
const MAX_ASKERS = 1_024

export class Probing {
  readonly #client: Pick<PeerClient, 'alive'>
  readonly #now: () => number
  readonly #askedAt = new Map<string, number>()

  constructor(client: Pick<PeerClient, 'alive'>, now: () => number = () => performance.now()) {
    this.#client = client
    this.#now = now
  }

  /**
   * @param host - where the question came from: nobody is sent to look at anybody else
   * @returns whether that peer, and nobody else, answers there
   * @throws Busy when it asks too often
   */
  async reaches(peerId: string, host: string, port: number): Promise<boolean> {
    const now = this.#now()
    if (now - (this.#askedAt.get(peerId) ?? Number.NEGATIVE_INFINITY) < PAUSE_MS) throw new Busy()
    this.#askedAt.delete(peerId)
    const [oldest] = this.#askedAt.keys()
    if (this.#askedAt.size >= MAX_ASKERS && oldest !== undefined) this.#askedAt.delete(oldest)
    this.#askedAt.set(peerId, now)
    const alive = await this.#client.alive(addressAt(host, port)).catch(() => undefined)
    return alive?.freshness?.id === peerId
  }
}
