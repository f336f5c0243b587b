/** Who else is there, by whatever way one hears of them: the list of ports, the network, others' words, the person's. */
import type { RequestListener } from 'node:http'
import type { Socket } from 'node:net'
import type { Doorkeeper } from './connections.ts'
import type { PeerTable } from './dht/table.ts'
import { HintBudget } from './discovery/hint-budget.ts'
import { Introductions } from './discovery/introductions.ts'
import { KeepAlive } from './discovery/keepalive.ts'
import type { Ports } from './discovery/ports.ts'
import { Probing } from './discovery/probing.ts'
import { examine } from './doctor/examine.ts'
import type { Facts } from './doctor/facts.ts'
import { lanAddresses } from './lan/interfaces.ts'
import { Lan } from './lan/lan.ts'
import type { News } from './news.ts'
import type { PeerClient } from './peer/client.ts'
import { isOnThisComputer } from './protocol/addresses.ts'
import type { State } from './store/state.ts'
import type { Doubles } from './trust/doubles.ts'

/** The note of the store with the addresses that the person typed, as JSON. */
const TYPED = 'typed addresses'

export interface NeighboursDeps {
  readonly client: PeerClient
  readonly table: PeerTable
  readonly news: News
  readonly state: Pick<State, 'note' | 'setNote'>
  readonly ports: Ports
  readonly port: number
  /** 64 hex characters. */
  readonly ownId: string
  readonly intervalMs: number
  /** See LanDeps. */
  readonly hosts: readonly string[]
  readonly lanHandler: RequestListener
  readonly onClientError: (error: NodeJS.ErrnoException, socket: Socket) => void
  readonly door: Doorkeeper
  /** Something was not done for others, by its code. */
  readonly onRefused: (code: string) => void
  readonly refuses: (id: string) => boolean
  /** Those that the person blocked, and where they were last. */
  readonly blocked: () => readonly { readonly name: string; readonly address: string | undefined }[]
  /** Told of what nodes say of themselves: one key may be in two places. */
  readonly doubles: Pick<Doubles, 'said' | 'proved'>
  readonly verify: (id: Uint8Array, sig: Uint8Array, head: Uint8Array) => boolean
  /** The computer slept, or this process was stopped. */
  readonly onGap: () => void
  readonly onTrouble: (what: string, error: unknown) => void
  readonly signal: AbortSignal
}

export class Neighbours {
  readonly keepAlive: KeepAlive
  readonly introductions: Introductions
  readonly lan: Lan
  readonly probing: Probing
  readonly #deps: NeighboursDeps
  #typed: ReadonlySet<string>

  constructor(deps: NeighboursDeps) {
    this.#deps = deps
    const { client, table, news, ports, port, ownId, intervalMs, onTrouble, signal } = deps
    const ownAddress = `127.0.0.1:${port}`
    const others = [...ports.candidates.map((candidate) => `127.0.0.1:${candidate}`), ...ports.addresses]
    this.#typed = new Set(typedIn(deps.state))
    const hints = new HintBudget()
    this.lan = new Lan({
      ...deps,
      handler: deps.lanHandler,
      heard: (address) => void this.keepAlive.learn(address),
      gone: (id) => {
        const address = table.addressOf(id)
        if (address !== undefined) void this.keepAlive.probe(address)
      },
      onChange: () => {
        news.tell('lan')
        // Whoever hears it from another address than before learns where we are now.
        this.keepAlive.tellChanged()
      },
    })
    this.keepAlive = new KeepAlive({
      client,
      table,
      ownId,
      ownPort: port,
      addresses: [...new Set(others)].filter((address) => address !== ownAddress),
      intervalMs,
      askedAt: this.lan.askedAt,
      // Who is on a network with us knows of others there; those of this computer we see ourselves.
      refuses: deps.refuses,
      onSaid: (address, freshness) => deps.doubles.said(address, freshness),
      onProved: (proved) => {
        deps.doubles.proved(proved)
        const { address } = proved
        if (this.lan.on || !isOnThisComputer(address)) void this.introductions.ask(address)
      },
      hints,
      onRefused: deps.onRefused,
      onTrouble: (address, error) => onTrouble(`a peer could not be asked: ${address}`, error),
      onGap: () => {
        deps.onGap()
        this.lan.again()
      },
    })
    this.probing = new Probing(client)
    this.introductions = new Introductions({
      client,
      hints,
      table,
      ownId,
      verify: deps.verify,
      learn: async (address) => await this.keepAlive.learn(address),
      signal,
    })
  }

  /** Look for what the person typed in an earlier run. */
  start(): void {
    for (const address of this.#typed) void this.keepAlive.learn(address, true)
  }

  /** Look at everything that may keep nodes from seeing each other. */
  async examine(): Promise<Facts> {
    const { client, table, ports, port, signal } = this.#deps
    return await examine({
      client,
      table,
      lan: this.lan,
      interfaces: () => lanAddresses(),
      port,
      typed: () => this.typed,
      listed: ports.addresses,
      blocked: this.#deps.blocked(),
      platform: process.platform,
      signal,
    })
  }

  /** Addresses that the person typed. */
  get typed(): readonly string[] {
    return [...this.#typed]
  }

  /** The person knows of a node: it is looked for until it is there, also after a restart. Resolves when it was looked for once. */
  async add(address: string): Promise<void> {
    this.#keep(new Set([...this.#typed, address]))
    await this.keepAlive.learn(address, true)
  }

  remove(address: string): void {
    this.#keep(new Set([...this.#typed].filter((known) => known !== address)))
    this.keepAlive.unlearn(address)
  }

  #keep(typed: ReadonlySet<string>): void {
    this.#deps.state.setNote(TYPED, JSON.stringify([...typed]))
    this.#typed = typed
  }
}

const typedIn = (state: NeighboursDeps['state']): readonly string[] => {
  try {
    const value: unknown = JSON.parse(state.note(TYPED) ?? '[]')
    return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
  } catch {
    return []
  }
}
