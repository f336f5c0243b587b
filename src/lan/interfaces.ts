/** The addresses by which others on the network reach this computer, and when they change. */
import { isIPv4, isIPv6 } from 'node:net'
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

/** An address that came or went is noticed within this time. Asking the system takes well under a millisecond. */
const WATCH_EVERY_MS = 2_000

export interface LanAddress {
  /** What the system calls the interface: `eth0`, `Wi-Fi`. */
  readonly name: string
  /** Without brackets, in the one spelling of `spell`. */
  readonly address: string
  readonly family: 'IPv4' | 'IPv6'
  /** Leading bits that all addresses of this network share. */
  readonly prefix: number
}

/** What the system knows: `networkInterfaces` of node:os, or something of that form. */
export type ReadInterfaces = () => Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>

/**
 * The addresses on which others can reach this computer, sorted by interface, family and address.
 * Not loopback, and no link-local IPv6 address: it needs a zone, which means nothing to any other computer.
 */
export const lanAddresses = (read: ReadInterfaces = networkInterfaces): readonly LanAddress[] =>
  Object.entries(read())
    .flatMap(([name, all = []]) => all.map((one) => ({ name, ...one })))
    .filter(({ internal, address }) => !internal && !isLinkLocal6(address))
    .map(({ name, address, family, cidr }) => ({
      name,
      address: spell(address),
      family,
      prefix: prefixOf(cidr, family),
    }))
    .sort((a, b) => compare(a.name, b.name) || compare(a.family, b.family) || compare(a.address, b.address))

/**
 * Whether connecting to a host ends at this computer: loopback, the unspecified address, `localhost`, or any address that this
 * computer has, link-local ones too; in any spelling, with or without brackets and zone, or mapped into IPv6.
 */
export const isOwnAddress = (host: string, own?: ReadonlySet<string>): boolean => {
  // What nearly everybody asks for, without a look at its spelling.
  if (host === '127.0.0.1') return true
  const spelled = spell(host)
  if (isIPv4(spelled) && /^(127|0)\./.test(spelled)) return true
  return spelled === 'localhost' || spelled === '::' || spelled === '::1' || (own ?? ownNow()).has(spelled)
}

/** The system is asked for them twice a second at most: every connection and every request wants to know. */
const ownNow = (): ReadonlySet<string> => {
  const now = performance.now()
  if (!known || now - known.atMs > FRESH_MS) known = { atMs: now, hosts: ownHosts() }
  return known.hosts
}

let known: { readonly atMs: number; readonly hosts: ReadonlySet<string> } | undefined
const FRESH_MS = 500

/** Every address of this computer, in the one spelling: for many questions in a row. */
export const ownHosts = (read: ReadInterfaces = networkInterfaces): ReadonlySet<string> =>
  new Set(Object.values(read()).flatMap((all = []) => all.map(({ address }) => spell(address))))

/** True for fe80::/10. */
export const isLinkLocal6 = (address: string): boolean => /^fe[89ab]/i.test(address) && isIPv6(address)

/**
 * One spelling for every address: IPv4 with dots, also where it is mapped into IPv6; IPv6 as in RFC 5952, without brackets and
 * zone. What is no address is returned in lower case.
 */
export const spell = (host: string): string => {
  const bare = host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/%.*$/, '')
  const text = isIPv6(bare) ? `[${bare}]` : bare
  if (!URL.canParse(`http://${text}/`)) return bare
  // Also turns 127.1 and 0x7f.0.0.1, which connect() takes, into what they mean.
  const { hostname } = new URL(`http://${text}/`)
  if (isIPv4(hostname)) return hostname
  if (!hostname.startsWith('[')) return bare
  const mapped = /^\[::ffff:([0-9a-f]+):([0-9a-f]+)\]$/.exec(hostname)
  if (!mapped) return hostname.slice(1, -1)
  return mapped
    .slice(1)
    .map((half) => Number.parseInt(half, 16))
    .flatMap((half) => [half >> 8, half & 255])
    .join('.')
}

export interface Watch {
  readonly everyMs?: number
  readonly signal: AbortSignal
  /** Called with the addresses there are now, at once, and then after every change. The next look waits for it. */
  readonly onChange: (addresses: readonly LanAddress[]) => void | Promise<void>
  readonly read?: ReadInterfaces
}

/** Look at the addresses until the signal comes. */
export const watchAddresses = async ({ everyMs = WATCH_EVERY_MS, signal, onChange, read }: Watch): Promise<void> => {
  let known: string | undefined
  while (!signal.aborted) {
    const addresses = tryRead(read)
    const seen = JSON.stringify(addresses)
    if (addresses && seen !== known) {
      known = seen
      await onChange(addresses)
    }
    await sleep(everyMs, undefined, { signal, ref: false }).catch(() => {})
  }
}

/** Undefined where the system does not answer just now: that says nothing about the addresses. */
const tryRead = (read?: ReadInterfaces): readonly LanAddress[] | undefined => {
  try {
    return lanAddresses(read)
  } catch {
    return undefined
  }
}

const prefixOf = (cidr: string | null, family: string): number =>
  Number(cidr?.split('/')[1] ?? (family === 'IPv4' ? 32 : 128))

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
