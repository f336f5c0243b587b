/** Look at everything that may keep nodes from seeing each other. A few seconds at most. */
import type { PeerTable } from '../dht/table.ts'
import type { LanAddress } from '../lan/interfaces.ts'
import type { Lan } from '../lan/lan.ts'
import type { PeerClient } from '../peer/client.ts'
import { isOnThisComputer } from '../protocol/addresses.ts'
import type { Facts, Look, Reverse } from './facts.ts'

/** Looked at at once: typed ones first, then those of the list, then those of the table. */
const MAX_LOOKS = 24
/** Asked whether they can reach us. */
const MAX_REVERSE = 3
/** All of it. */
const MOST_MS = 6_000

export interface ExamineDeps {
  readonly client: Pick<PeerClient, 'alive' | 'probe'>
  readonly table: PeerTable
  readonly lan: Pick<Lan, 'status' | 'on' | 'askedAt'>
  readonly interfaces: () => readonly LanAddress[]
  readonly port: number
  readonly typed: () => readonly string[]
  /** `host:port` lines of the list. */
  readonly listed: readonly string[]
  /** Those that the person blocked, and where they were last. */
  readonly blocked: readonly { readonly name: string; readonly address: string | undefined }[]
  readonly platform: string
  readonly signal: AbortSignal
}

export const examine = async (deps: ExamineDeps): Promise<Facts> => {
  const { lan, table, port, platform, interfaces } = deps
  const signal = AbortSignal.any([deps.signal, AbortSignal.timeout(MOST_MS)])
  const network = table.all().filter(({ id }) => !isOnThisComputer(table.addressOf(id) ?? '127.0.0.1:1'))
  const alive = network.filter((peer) => peer.alive)
  const [looks, reverse] = await Promise.all([
    Promise.all(wanted(deps).map(async ([address, because]) => await look(deps, address, because, signal))),
    Promise.all(alive.slice(0, MAX_REVERSE).map(async ({ id, name }) => await ask(deps, id, name, signal))),
  ])
  const { on, addresses, failed, multicast } = lan.status()
  return {
    on,
    platform,
    port,
    interfaces: interfaces(),
    addresses,
    failed,
    multicast,
    looks,
    reverse,
    blocked: deps.blocked,
    here: alive.length,
  }
}

const wanted = ({
  table,
  typed,
  listed,
  lan,
  blocked,
}: ExamineDeps): readonly (readonly [string, Look['because']])[] => {
  const all = new Map<string, Look['because']>()
  // That they do not answer is no riddle.
  const never = new Set(blocked.map(({ address }) => address))
  const known = table.all().flatMap(({ id }) => table.addressOf(id) ?? [])
  for (const [addresses, because] of [
    [typed(), 'typed'],
    [listed, 'listed'],
    [known, 'known'],
  ] as const) {
    for (const address of addresses) {
      const at = lan.askedAt(address)
      if (at !== undefined && !isOnThisComputer(at) && !never.has(at) && !all.has(at)) all.set(at, because)
    }
  }
  return [...all].slice(0, MAX_LOOKS)
}

const look = async (
  { client, table }: ExamineDeps,
  address: string,
  because: Look['because'],
  signal: AbortSignal,
): Promise<Look> => {
  const peer = table.at(address)
  const name = peer?.name
  try {
    const { portmesh, freshness, dateMs } = await client.alive(address, signal)
    const clockAheadMs = dateMs === undefined ? undefined : dateMs - Date.now()
    const came = !portmesh ? 'other' : !freshness ? 'version' : peer?.alive ? 'node' : 'handshake'
    return { address, because, came, clockAheadMs, name }
  } catch (error) {
    return { address, because, came: cameOf(error), name }
  }
}

const cameOf = (error: unknown): Look['came'] => {
  const cause = error instanceof Error ? error.cause : undefined
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  if (code === 'ECONNREFUSED') return 'refused'
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'name'
  if (code === 'EHOSTUNREACH' || code === 'ENETUNREACH' || code === 'EADDRNOTAVAIL') return 'unreachable'
  if (code === 'ECONNRESET' || code.startsWith('HPE_') || code.startsWith('UND_ERR_SOCKET')) return 'other'
  return 'silent'
}

const ask = async (
  { client, table, port }: ExamineDeps,
  id: string,
  name: string,
  signal: AbortSignal,
): Promise<Reverse> => {
  const address = table.addressOf(id) ?? ''
  const answer = await client.probe(address, { port }, signal).catch(() => undefined)
  return { name, address, reached: answer?.reached }
}
