/** One socket for multicast DNS on one interface, in one family of addresses: what comes is bounded before it is read, no failure is thrown. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { BlockList } from 'node:net'
import { networkInterfaces } from 'node:os'
import { type DecodedPacket, decode, encode, type Packet } from 'dns-packet'
import { isLinkLocal6, type LanAddress, ownHosts, spell } from './interfaces.ts'

/** RFC 6762, section 3. */
const PORT = 5353
const GROUPS = { IPv4: '224.0.0.251', IPv6: 'ff02::fb' } as const
/** RFC 6762, sections 11 and 17. */
const HOPS = 255
const MAX_BYTES = 9_000
const HEADER_BYTES = 12
/** Records, and questions, of one message: each may cost a hundred labels to read. */
const MAX_RECORDS = 64
/**
 * Messages that are read in one second, of everybody and of one address; the worst costs one or two milliseconds. Whoever is not
 * heard is heard when it speaks again.
 */
const MAX_A_SECOND = 256
const MAX_OF_ONE = 32
/** In every message of ours, and never compressed away where it stands first. What is about other services is not even read. */
const MARK = 'portmesh'
/** Networks that nobody outside can lead us to (RFC 1918, 3927, 4193): a reflector between two of them passes announcements on. */
const PRIVATE_4 = [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['169.254.0.0', 16],
] as const
const PRIVATE_6 = ['fc00::', 7] as const
/** A network of IPv6 has 64 bits for its computers, whatever DHCPv6 says of the one address that it gives. */
const PREFIX_6 = 64

export interface LinkStatus {
  readonly name: string
  readonly address: string
  /** Messages of ours. */
  readonly sent: number
  /** Messages of other computers, of whatever service: above zero where multicast comes through. */
  readonly heard: number
  /** The last failure, unless something was sent since. */
  readonly error?: string
}

export type OnPacket = (packet: DecodedPacket, source: string) => void

export class MdnsLink {
  readonly name: string
  readonly family: LanAddress['family']
  readonly #onPacket: OnPacket
  #socket: Socket | undefined
  #opening: Promise<void> | undefined
  #closed = false
  #addresses: readonly LanAddress[] = []
  #onLink = new BlockList()
  #own: ReadonlySet<string> = new Set()
  #sent = 0
  #heard = 0
  #error: string | undefined
  #second = 0
  #inSecond = 0
  readonly #bySource = new Map<string, number>()

  constructor(name: string, family: LanAddress['family'], onPacket: OnPacket) {
    this.name = name
    this.family = family
    this.#onPacket = onPacket
  }

  /** @param addresses - all of this interface, of both families */
  set(addresses: readonly LanAddress[]): void {
    this.#addresses = addresses
    this.#own = ownHosts()
    this.#onLink = new BlockList()
    for (const { address, family, prefix } of addresses) {
      if (family === 'IPv4') this.#onLink.addSubnet(address, prefix, 'ipv4')
      else this.#onLink.addSubnet(address, Math.min(prefix, PREFIX_6), 'ipv6')
    }
  }

  /** What is announced here. */
  hosts(): readonly string[] {
    return this.#addresses.map(({ address }) => address)
  }

  /** Whether an address that somebody claims to have is one of this network, or of another private one. */
  isNear(host: string): boolean {
    const family = host.includes(':') ? 'ipv6' : 'ipv4'
    return this.#onLink.check(host, family) || PRIVATE.check(host, family)
  }

  status(): LinkStatus {
    const address = this.#addresses.find(({ family }) => family === this.family)?.address ?? ''
    const error = this.#error
    return { name: this.name, address, sent: this.#sent, heard: this.#heard, ...(error !== undefined && { error }) }
  }

  /** Open the socket, unless it is open, or about to be. */
  async open(): Promise<void> {
    if (this.#socket || this.#closed) return
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined
    })
    await this.#opening
  }

  async #open(): Promise<void> {
    const is6 = this.family === 'IPv6'
    const socket = createSocket({ type: is6 ? 'udp6' : 'udp4', reuseAddr: true, ...(is6 && { ipv6Only: true }) })
    socket.on('error', (error) => this.#note(error))
    socket.on('message', (bytes, source) => this.#receive(bytes, source))
    try {
      socket.bind(PORT, is6 ? '::' : '0.0.0.0')
      await once(socket, 'listening')
      const own = is6 ? `::%${zoneOf(this.name)}` : this.status().address
      socket.addMembership(GROUPS[this.family], own)
      socket.setMulticastInterface(own)
      socket.setMulticastTTL(HOPS)
      // Other nodes of this computer.
      socket.setMulticastLoopback(true)
      socket.unref()
      if (this.#closed) socket.close()
      else this.#socket = socket
    } catch (error) {
      this.#note(error)
      socket.close()
    }
  }

  /** Send to everybody here; what goes wrong stands in the status. */
  async send(packet: Packet): Promise<void> {
    const socket = this.#socket
    if (!socket) return
    const group = this.family === 'IPv6' ? `${GROUPS.IPv6}%${zoneOf(this.name)}` : GROUPS.IPv4
    try {
      const bytes = encode(packet)
      await new Promise<void>((resolve, reject) => {
        socket.send(bytes, PORT, group, (error) => (error ? reject(error) : resolve()))
      })
      this.#sent += 1
      this.#error = undefined
    } catch (error) {
      this.#note(error)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    const socket = this.#socket
    this.#socket = undefined
    if (socket) await new Promise<void>((resolve) => socket.close(() => resolve()))
  }

  #receive(bytes: Buffer, { address }: RemoteInfo): void {
    const source = spell(address)
    if (!this.#isFromHere(source, address)) return
    if (!this.#own.has(source)) this.#heard += 1
    if (!isWorthReading(bytes) || !this.#mayRead(source)) return
    let packet: DecodedPacket
    try {
      packet = decode(bytes)
    } catch {
      return // It is no message of DNS.
    }
    this.#onPacket(packet, source)
  }

  /** The socket hears all interfaces, and what computers from far away send straight to it, too (RFC 6762, 11). */
  #isFromHere(source: string, address: string): boolean {
    if (isLinkLocal6(source)) return address.split('%')[1] === zoneOf(this.name)
    return this.#onLink.check(source, source.includes(':') ? 'ipv6' : 'ipv4')
  }

  #mayRead(source: string): boolean {
    const second = Math.floor(performance.now() / 1_000)
    if (second !== this.#second) {
      this.#second = second
      this.#inSecond = 0
      this.#bySource.clear()
    }
    const ofOne = (this.#bySource.get(source) ?? 0) + 1
    if (ofOne > MAX_OF_ONE || this.#inSecond >= MAX_A_SECOND) return false
    this.#bySource.set(source, ofOne)
    this.#inSecond += 1
    return true
  }

  #note(error: unknown): void {
    this.#error = error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}

const PRIVATE = new BlockList()
for (const [network, prefix] of PRIVATE_4) PRIVATE.addSubnet(network, prefix, 'ipv4')
PRIVATE.addSubnet(...PRIVATE_6, 'ipv6')

const isWorthReading = (bytes: Buffer): boolean => {
  if (bytes.length < HEADER_BYTES || bytes.length > MAX_BYTES || !bytes.includes(MARK)) return false
  const counts = [4, 6, 8, 10].map((at) => bytes.readUInt16BE(at))
  return counts.reduce((sum, count) => sum + count, 0) <= MAX_RECORDS
}

/** How the system calls an interface in an address: by its name, on Windows by its number. */
const zoneOf = (name: string): string => {
  if (process.platform !== 'win32') return name
  const linkLocal = networkInterfaces()[name]?.find((one) => one.family === 'IPv6' && one.scopeid > 0)
  return String(linkLocal?.family === 'IPv6' ? linkLocal.scopeid : name)
}
