/** What moves between this computer and others, in both directions, and how much of it may: as the person set it. */
import { Allowance, FREE, type Pace, type Rates, type Streams } from './allowance.ts'
import { partsOf } from './protocol/addresses.ts'
import { LIMIT_NAMES, type Limits } from './rate-words.ts'
import type { SettingsFile } from './settings-file.ts'

export interface TrafficOptions {
  readonly limits: Limits
  readonly settings: Pick<SettingsFile, 'change'>
  /** Whether a host is this computer: what stays here is not limited. */
  readonly isOwnAddress: (host: string) => boolean
}

export class Traffic {
  readonly up: Allowance
  readonly down: Allowance
  readonly #options: TrafficOptions
  #limits: Limits

  constructor(options: TrafficOptions) {
    this.#options = options
    this.#limits = options.limits
    this.up = new Allowance(upOf(options.limits))
    this.down = new Allowance(downOf(options.limits))
  }

  get limits(): Limits {
    return this.#limits
  }

  /** From now on, and after the next start, unless an option says otherwise then. @throws DiskFull, CannotWrite, NotNow; then nothing has changed */
  async change(change: Partial<Limits>): Promise<void> {
    const known = LIMIT_NAMES.flatMap((name) => (change[name] === undefined ? [] : [[name, change[name]]]))
    // What is unlimited need not stand there.
    await this.#options.settings.change(Object.fromEntries(known.map(([name, limit]) => [name, limit || undefined])))
    this.#limits = { ...this.#limits, ...Object.fromEntries(known) }
    this.up.set(upOf(this.#limits))
    this.down.set(downOf(this.#limits))
  }

  /** How fast a peer at a host may be given something. */
  readonly toPeer = (peerId: string, host: string): Pace =>
    isFree(this.up) || this.#options.isOwnAddress(host) ? FREE : this.up.of(peerId)

  /** How fast something may be taken from an address, host:port. */
  readonly fromAddress = (address: string): Pace =>
    isFree(this.down) || this.#options.isOwnAddress(partsOf(address).host) ? FREE : this.down.of(address)

  /** Requests that may run at the same time where that address is among those asked; undefined: as many as help. */
  readonly atOnce = (address: string): Streams | undefined =>
    isFree(this.down) || this.#options.isOwnAddress(partsOf(address).host) ? undefined : this.down.streams
}

/** Without a limit nothing is counted, nor is anybody looked at: what runs already hears of a limit with its next answer. */
const isFree = ({ rates: { all, each } }: Allowance): boolean => Math.min(all, each) === Number.POSITIVE_INFINITY

const upOf = ({ up, upPeer }: Limits): Rates => ({ all: rateOf(up), each: rateOf(upPeer) })
const downOf = ({ down, downPeer }: Limits): Rates => ({ all: rateOf(down), each: rateOf(downPeer) })
const rateOf = (limit: number): number => (limit === 0 ? Number.POSITIVE_INFINITY : limit)
