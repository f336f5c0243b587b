/** The servers on the addresses of the local network: one for each address, as they come and go. */
import type { RequestListener, Server } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Doorkeeper, isLoopback } from '../connections.ts'
import { closeServer, limitedServer, listenAt } from '../http-server.ts'
import { isOwnAddress, spell } from './interfaces.ts'

/** An IPv6 address that is new cannot be bound for a second or two (RFC 4862, 5.4), and another program may leave the port. */
const RETRY_MS = 2_000

export interface LanListenersDeps {
  /** The same on every address. */
  readonly port: number
  /** Whoever answers, such as an app without the person's routes. */
  readonly handler: RequestListener
  /** Bounds the connections. */
  readonly door?: Doorkeeper
  /** Told of what is no request. */
  readonly onClientError?: (error: NodeJS.ErrnoException, socket: Socket) => void
  /** When given, only those addresses are opened; none for an empty list. */
  readonly hosts?: readonly string[]
  /** Told once for an address and a code, until it has been open in between. */
  readonly onTrouble: (address: string, error: unknown) => void
  /** Told when what is open, or what failed, has changed. */
  readonly onChange: () => void
  readonly retryMs?: number
}

export class LanListeners {
  readonly #deps: LanListenersDeps
  readonly #hosts: ReadonlySet<string> | undefined
  readonly #servers = new Map<string, Server>()
  readonly #failed = new Map<string, string>()
  #wanted: readonly string[] = []
  #turn: Promise<void> = Promise.resolve()
  #retry: AbortController | undefined
  #stopped = false

  constructor(deps: LanListenersDeps) {
    this.#deps = deps
    this.#hosts = deps.hosts && new Set(deps.hosts.map(spell))
  }

  /** Listen on these addresses and on no others; those that failed are tried again. Loopback is not ours to open. */
  async set(addresses: readonly string[]): Promise<void> {
    const may = (address: string): boolean => !isOwnAddress(address, new Set()) && (this.#hosts?.has(address) ?? true)
    this.#wanted = [...new Set(addresses.map(spell))].filter(may)
    await this.#settle()
  }

  /** Where others reach us: `host:port`, IPv6 in brackets. */
  open(): readonly string[] {
    return [...this.#servers.keys()].map((host) => `${host.includes(':') ? `[${host}]` : host}:${this.#deps.port}`)
  }

  /** Addresses that could not be opened, with the code of the system: EADDRINUSE, EADDRNOTAVAIL. */
  failed(): ReadonlyMap<string, string> {
    return new Map(this.#failed)
  }

  /** No new requests, a moment for those that run, then the end. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#retry?.abort()
    await this.#turn
    const servers = [...this.#servers.values()]
    this.#servers.clear()
    this.#failed.clear()
    await Promise.all(servers.map(async (server) => await closeServer(server)))
  }

  /** One after the other: two at once would try the same address twice. */
  async #settle(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#open())
    await this.#turn
  }

  async #open(): Promise<void> {
    this.#retry?.abort()
    if (this.#stopped) return
    const before = this.#picture()
    const wanted = new Set(this.#wanted)
    const gone = [...this.#servers].filter(([address]) => !wanted.has(address))
    for (const [address] of gone) this.#servers.delete(address)
    for (const address of this.#failed.keys()) if (!wanted.has(address)) this.#failed.delete(address)
    // What goes over an address that this computer has no more can only hang.
    await Promise.all(gone.map(async ([, server]) => await closeServer(server, 0)))
    await Promise.all(this.#wanted.filter((one) => !this.#servers.has(one)).map((one) => this.#bind(one)))
    if (this.#picture() !== before) this.#deps.onChange()
    if (this.#failed.size > 0) void this.#tryAgain()
  }

  async #bind(address: string): Promise<void> {
    const server = limitedServer(this.#deps.handler, this.#deps.door ?? { isOwnAddress: isLoopback })
    if (this.#deps.onClientError) server.on('clientError', this.#deps.onClientError)
    try {
      await listenAt(server, address, this.#deps.port)
      this.#servers.set(address, server)
      this.#failed.delete(address)
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
      if (this.#failed.get(address) !== code) this.#deps.onTrouble(address, error)
      this.#failed.set(address, code)
    }
  }

  async #tryAgain(): Promise<void> {
    const retry = new AbortController()
    this.#retry = retry
    await sleep(this.#deps.retryMs ?? RETRY_MS, undefined, { signal: retry.signal, ref: false }).catch(() => {})
    if (!retry.signal.aborted) await this.#settle()
  }

  #picture(): string {
    return JSON.stringify([[...this.#servers.keys()], [...this.#failed]])
  }
}
