/** The lines of ports.txt: what this node may claim, and whom it asks besides. Pure: text in, lists out. */
import { isIPv4, isIPv6 } from 'node:net'
import { CannotStart } from '../errors.ts'

export interface Ports {
  /** Ports this node may bind, in the order of the file, each once. */
  readonly candidates: readonly number[]
  /** Other nodes as `host:port`, host in lower case, IPv6 as `[::1]:5001`, each once. */
  readonly addresses: readonly string[]
}

/** What a line may show of itself in an error text. */
const SHOWN_CHARACTERS = 40
const PORT = /^[1-9]\d{0,4}$/
const MAX_PORT = 65_535
/** Letters, digits, hyphens and underscores; at most 63 a label (RFC 1123, 2.1). */
const HOST_LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/
const MAX_HOST_CHARACTERS = 253

/**
 * Read a list of ports, one a line. Blank lines and what follows a `#` are skipped; CRLF and a byte order mark are fine.
 * @param file - how the errors call the list.
 * @throws CannotStart for a line that is neither a port nor `host:port`, and when no port is left to claim.
 */
export const parsePorts = (text: string, file = 'ports.txt'): Ports => {
  const candidates = new Set<number>()
  const addresses = new Set<string>()
  const lines = text.replace(/^\ufeff/, '').split(/\r\n|\n|\r/)
  for (const [index, line] of lines.entries()) {
    const entry = line.replace(/(^|\s)#.*$/, '').trim()
    if (entry === '') continue
    const port = portOf(entry)
    const address = port === undefined ? addressOf(entry) : undefined
    if (port !== undefined) candidates.add(port)
    else if (address !== undefined) addresses.add(address)
    else
      throw new CannotStart(
        `${file}, line ${index + 1}: "${shown(entry)}" is not a port (1-${MAX_PORT}) and not an address like 127.0.0.1:5001`,
      )
  }
  if (candidates.size === 0)
    throw new CannotStart(`${file} names no port for this node: write one number a line, for example 5000`)
  return { candidates: [...candidates], addresses: [...addresses] }
}

/**
 * The address `host:port` in the one spelling we keep, or undefined when it is none.
 * Hosts are names (RFC 1123), IPv4, or IPv6 in brackets.
 */
export const addressOf = (text: string): string | undefined => {
  const colon = text.lastIndexOf(':')
  const port = portOf(text.slice(colon + 1))
  const host = text.slice(0, Math.max(colon, 0)).toLowerCase()
  if (port === undefined || host === '') return undefined
  if (host.startsWith('[')) {
    const inside = host.slice(1, -1)
    // A zone (fe80::1%eth0) means nothing to any other computer, nor in a URL.
    if (!host.endsWith(']') || !isIPv6(inside) || inside.includes('%')) return undefined
    return `${new URL(`http://[${inside}]/`).hostname}:${port}`
  }
  return isIPv4(host) || isHostName(host) ? `${host}:${port}` : undefined
}

/**
 * True for a port that browsers refuse to open: a node there has no page.
 * The whole list of the Fetch standard, "bad port" (fetch.spec.whatwg.org, section 2.9).
 */
export const blockedByBrowsers = (port: number): boolean => BAD_PORTS.has(port)

const portOf = (text: string): number | undefined =>
  PORT.test(text) && Number(text) <= MAX_PORT ? Number(text) : undefined

const isHostName = (host: string): boolean => {
  const labels = host.split('.')
  // Digits and dots only is a broken IPv4 address; "0x7f.1" and friends are no names anybody has.
  const numeric = /^(\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? '')
  return !numeric && host.length <= MAX_HOST_CHARACTERS && labels.every((label) => HOST_LABEL.test(label))
}

/** Whatever stands in the file may be shown in a terminal: printable ASCII only, and not much of it. */
const shown = (entry: string): string => {
  const safe = entry.replace(/[^\x20-\x7e]/gu, '\ufffd')
  return safe.length > SHOWN_CHARACTERS ? `${safe.slice(0, SHOWN_CHARACTERS)}...` : safe
}

const BAD_PORTS: ReadonlySet<number> = new Set([
  0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110,
  111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532,
  540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061,
  6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
])
