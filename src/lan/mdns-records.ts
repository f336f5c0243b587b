/** What nodes say of themselves by multicast DNS (PROTOCOL.md, "Finding each other"), as pure functions: records of ours, and what others' records mean. */
import { isIP } from 'node:net'
import type { Answer, DecodedPacket, Packet } from 'dns-packet'
import { VERSION } from '../protocol/constants.ts'
import { isLinkLocal6, spell } from './interfaces.ts'

export const SERVICE = '_portmesh._tcp.local'
/** Seconds that others may keep it. */
const TTL_S = 120
/** An address's name and our instance's begin with this much of the id: unique enough, and a second one does no harm. */
const NAME_CHARACTERS = 16
/** What one message may make us look at. */
const MAX_INSTANCES = 16
const MAX_ADDRESSES = 8
const MAX_PORT = 65_535
const ID = /^[0-9a-f]{64}$/

export interface Sighting {
  /** 64 hexadecimal characters. */
  readonly id: string
  readonly port: number
  /** Each in the one spelling; without loopback, multicast and link-local IPv6 addresses. Perhaps none. */
  readonly hosts: readonly string[]
  /** The node says that it stops. */
  readonly leaving: boolean
}

export interface Self {
  readonly id: string
  readonly port: number
}

/** Ask everybody who is there. */
export const question = (): Packet => ({ type: 'query', questions: [{ name: SERVICE, type: 'PTR' }] })

/**
 * Say where we are, or that we leave.
 * @param hosts - addresses of the interface it is sent on
 */
export const announcement = ({ id, port }: Self, hosts: readonly string[], leaving = false): Packet => {
  const ttl = leaving ? 0 : TTL_S
  const name = instanceOf(id)
  const target = targetOf(id)
  return {
    type: 'response',
    // Authoritative (RFC 6762, 18.4).
    flags: 1 << 10,
    answers: [
      { name: SERVICE, type: 'PTR', ttl, data: name },
      { name, type: 'SRV', ttl, flush: true, data: { port, target } },
      { name, type: 'TXT', ttl, flush: true, data: [`id=${id}`, `v=${VERSION}`] },
      ...hosts.map(
        (host): Answer => ({ name: target, type: host.includes(':') ? 'AAAA' : 'A', ttl, flush: true, data: host }),
      ),
    ],
  }
}

/** Whether a message wants our announcement: it asks for one of our names, and does not know the answer yet (RFC 6762, 7.1). */
export const asksFor = (packet: DecodedPacket, id: string): boolean => {
  if (packet.type !== 'query') return false
  const [instance, target] = [instanceOf(id), targetOf(id)]
  const knows = (packet.answers ?? []).some(
    (known) => known.type === 'PTR' && known.data === instance && (known.ttl ?? 0) > TTL_S / 2,
  )
  return (packet.questions ?? []).some(({ name }) => {
    const asked = name.toLowerCase()
    return asked === instance || asked === target || (asked === SERVICE && !knows)
  })
}

/** The nodes that a message names; whatever does not fit is left out. */
export const sightings = (packet: DecodedPacket): readonly Sighting[] => {
  if (packet.type !== 'response') return []
  const records = [...(packet.answers ?? []), ...(packet.additionals ?? [])]
  const names = new Map<string, boolean>()
  for (const record of records) {
    if (names.size === MAX_INSTANCES) break
    if (record.type === 'PTR' && record.name.toLowerCase() === SERVICE) names.set(record.data, record.ttl === 0)
  }
  return [...names].flatMap(([name, leaving]) => sightingOf(records, name, leaving) ?? [])
}

const sightingOf = (records: readonly Answer[], name: string, leaving: boolean): Sighting | undefined => {
  let service: { readonly port: number; readonly target: string } | undefined
  let id: string | undefined
  for (const record of records) {
    if (record.type === 'SRV' && record.name === name) service ??= record.data
    if (record.type === 'TXT' && record.name === name) id ??= idOf(record.data)
  }
  if (!service || id === undefined || service.port < 1 || service.port > MAX_PORT) return undefined
  const { port, target } = service
  const hosts = new Set<string>()
  for (const record of records) {
    if (hosts.size === MAX_ADDRESSES) break
    const says = (record.type === 'A' || record.type === 'AAAA') && record.name === target
    if (says && isReachable(record.data)) hosts.add(spell(record.data))
  }
  return { id, port, hosts: [...hosts], leaving }
}

/** The strings of a TXT record are bytes of anybody's: only one that is an id is taken (RFC 6763, 6.4: the first one counts). */
const idOf = (data: unknown): string | undefined => {
  const strings: readonly unknown[] = Array.isArray(data) ? data : [data]
  const first = strings.map(String).find((text) => /^id=/i.test(text))
  const id = first?.slice('id='.length)
  return id !== undefined && ID.test(id) ? id : undefined
}

/** Whether another computer may have this address, and we can speak with it there. */
export const isReachable = (host: string): boolean => {
  const address = spell(host)
  if (isIP(address) === 4) return !/^(0|127|22[4-9]|2[34]\d|25[0-5])\./.test(address)
  return isIP(address) === 6 && address !== '::' && address !== '::1' && !/^ff/.test(address) && !isLinkLocal6(address)
}

const instanceOf = (id: string): string => `${id.slice(0, NAME_CHARACTERS)}.${SERVICE}`
const targetOf = (id: string): string => `portmesh-${id.slice(0, NAME_CHARACTERS)}.local`
