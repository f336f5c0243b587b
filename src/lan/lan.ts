/** This node on its networks: it listens there, says so, and hears who else is there. Off until it is turned on. */
import type { RequestListener } from 'node:http'
import type { Socket } from 'node:net'
import type { Doorkeeper } from '../connections.ts'
import { partsOf } from '../protocol/addresses.ts'
import { isOwnAddress, type LanAddress, watchAddresses } from './interfaces.ts'
import { LanListeners } from './listeners.ts'
import { Mdns } from './mdns.ts'

export interface LanDeps {
  readonly port: number
  /** 64 hex characters. */
  readonly ownId: string
  /** Only these addresses of this computer; none: all it has. */
  readonly hosts: readonly string[]
  /** Answers what other computers ask. */
  readonly handler: RequestListener
  readonly onClientError: (error: NodeJS.ErrnoException, socket: Socket) => void
  readonly door: Doorkeeper
  /** There may be a node at an address. */
  readonly heard: (address: string) => void
  /** A node may have gone; 64 hex characters. */
  readonly gone: (id: string) => void
  /** The addresses, or what is known of them, are others now. */
  readonly onChange: () => void
  readonly onTrouble: (what: string, error: unknown) => void
}

export interface LanStatus {
  readonly on: boolean
  /** Where other computers can ask this node: `host:port`. */
  readonly addresses: readonly string[]
  /** Addresses at which it could not listen, with the code of the error. */
  readonly failed: readonly { readonly address: string; readonly code: string }[]
  /** What went over each network by multicast DNS. */
  readonly multicast: readonly {
    readonly address: string
    readonly sent: number
    readonly heard: number
    readonly error?: string
  }[]
}

interface Running {
  readonly listeners: LanListeners
  readonly mdns: Mdns
  readonly end: AbortController
}

export class Lan {
  readonly #deps: LanDeps
  #running: Running | undefined
  /** Turning on and off, one after the other. */
  #turn: Promise<void> = Promise.resolve()

  constructor(deps: LanDeps) {
    this.#deps = deps
  }

  get on(): boolean {
    return this.#running !== undefined
  }

  /** Resolves when it listens at all addresses that can be had. */
  async turnOn(): Promise<void> {
    await this.#next(async () => {
      if (this.#running) return
      const { port, ownId, hosts, handler, onClientError, door, heard, gone, onChange, onTrouble } = this.#deps
      const end = new AbortController()
      const listeners = new LanListeners({
        port,
        handler,
        onClientError,
        door,
        ...(hosts.length > 0 && { hosts }),
        onChange,
        onTrouble: (address, error) => onTrouble(`it cannot listen at ${address}`, error),
      })
      const mdns = new Mdns({ port, id: ownId, found: heard, gone })
      this.#running = { listeners, mdns, end }
      const { promise: first, resolve } = Promise.withResolvers<void>()
      const follow = async (addresses: readonly LanAddress[]): Promise<void> => {
        const wanted = addresses.filter(({ address }) => hosts.length === 0 || hosts.includes(address))
        await listeners.set(wanted.map(({ address }) => address))
        if (!end.signal.aborted) mdns.addresses(wanted)
        onChange()
        resolve()
      }
      const watching = watchAddresses({ signal: end.signal, onChange: follow })
      watching.catch((error: unknown) => onTrouble('the network could not be followed', error))
      await Promise.race([first, watching])
    })
  }

  /** Resolves when nobody of the network can ask any more. */
  async turnOff(): Promise<void> {
    await this.#next(async () => {
      const running = this.#running
      if (!running) return
      this.#running = undefined
      running.end.abort()
      await Promise.all([running.mdns.stop(), running.listeners.stop()])
      this.#deps.onChange()
    })
  }

  /** The computer slept: ask anew who is there. */
  again(): void {
    this.#running?.mdns.again()
  }

  status(): LanStatus {
    const { listeners, mdns } = this.#running ?? {}
    return {
      on: this.on,
      addresses: listeners?.open() ?? [],
      failed: [...(listeners?.failed() ?? [])].map(([address, code]) => ({ address, code })),
      multicast: mdns?.status() ?? [],
    }
  }

  /** The one address by which this node asks another: undefined for itself, 127.0.0.1 for those of this computer. */
  readonly askedAt = (address: string): string | undefined => {
    const { host, port } = partsOf(address)
    if (!isOwnAddress(host)) return address
    return port === this.#deps.port ? undefined : `127.0.0.1:${port}`
  }

  async #next(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work)
    this.#turn = turn.catch((error) => this.#deps.onTrouble('the network could not be followed', error))
    await turn
  }
}
