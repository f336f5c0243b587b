/** Who holds how many connections to a server: nobody may take all of them, and whoever only waits makes room. */
import type { Server } from 'node:http'
import { BlockList, isIPv4, isIPv6, type Socket } from 'node:net'

export interface ConnectionLimits {
  /** In all: each costs a descriptor. */
  readonly all: number
  /** From one other computer; of IPv6 from one network of 64 bits, which is what one customer has. */
  readonly ofSource: number
}

/** A peer has six connections for calls to us and 24 each for pieces and for their news, so 64 are enough for one. */
export const CONNECTIONS: ConnectionLimits = { all: 512, ofSource: 64 }

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** Whether a host is this computer, as far as its address says so. */
export const isLoopback = (host: string): boolean => {
  const plain = unmapped(host.replace(/^\[|\]$/g, ''))
  if (isIPv4(plain)) return loopback.check(plain, 'ipv4')
  return isIPv6(plain) ? loopback.check(plain, 'ipv6') : plain === 'localhost'
}

/** What stands for one stranger: an IPv4 address, or the first 64 bits of an IPv6 one. Anything else is itself. */
export const sourceOf = (host: string): string => {
  const plain = unmapped(host.replace(/%.*$/, ''))
  if (!isIPv6(plain)) return plain
  const [head = '', tail] = plain.toLowerCase().split('::')
  const before = head === '' ? [] : head.split(':')
  // An IPv4 part at the end takes the place of two groups.
  const after = tail === undefined || tail === '' ? [] : tail.replace(/\d+\.\d+\.\d+\.\d+$/, '0:0').split(':')
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - before.length - after.length }, () => '0')
  const groups = [...before, ...zeros, ...after].slice(0, 4)
  return `${groups.map((group) => group.replace(/^0+(?=.)/, '')).join(':')}::/64`
}

const unmapped = (host: string): string => /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(host)?.[1] ?? host

/** One connection; how many requests on it are not answered yet. */
interface Visitor {
  readonly socket: Socket
  readonly source: string
  busy: number
}

export interface Doorkeeper {
  /** What a host is that other limits do not hold for. */
  readonly isOwnAddress: (host: string) => boolean
  readonly limits?: ConnectionLimits
  /** A connection was ended for one of these reasons. */
  readonly onRefused?: (reason: 'source' | 'all') => void
}

/**
 * Hold the limits at a server. Where all places are taken, somebody who only waits goes for a newcomer, a stranger first and the one
 * who waits longest: so this computer's own person gets in, however many sit there in silence. Without one who waits the newcomer goes.
 */
export const limitConnections = (
  server: Server,
  { isOwnAddress, limits = CONNECTIONS, onRefused = () => {} }: Doorkeeper,
): void => {
  /** In the order in which they came, or answered last. */
  const visitors = new Map<Socket, Visitor>()
  const ofSource = new Map<string, number>()
  const isOwn = ({ remoteAddress = '' }: Socket): boolean => isOwnAddress(unmapped(remoteAddress))

  const oneWhoWaits = (): Visitor | undefined => {
    const waiting = [...visitors.values()].filter(({ busy }) => busy === 0)
    return waiting.find(({ socket }) => !isOwn(socket)) ?? waiting[0]
  }

  server.on('connection', (socket: Socket) => {
    const source = sourceOf(socket.remoteAddress ?? '')
    const count = ofSource.get(source) ?? 0
    if (count >= limits.ofSource && !isOwn(socket)) {
      onRefused('source')
      socket.destroy()
      return
    }
    if (visitors.size >= limits.all) {
      const other = oneWhoWaits()
      onRefused('all')
      if (!other) {
        socket.destroy()
        return
      }
      leave(other)
      other.socket.destroy()
    }
    const visitor: Visitor = { socket, source, busy: 0 }
    visitors.set(socket, visitor)
    ofSource.set(source, (ofSource.get(source) ?? 0) + 1)
    socket.once('close', () => leave(visitor))
  })

  const leave = ({ socket, source }: Visitor): void => {
    if (!visitors.delete(socket)) return
    const left = (ofSource.get(source) ?? 1) - 1
    if (left > 0) ofSource.set(source, left)
    else ofSource.delete(source)
  }

  server.on('request', (request, response) => {
    const visitor = visitors.get(request.socket)
    if (!visitor) return
    visitor.busy += 1
    response.once('close', () => {
      visitor.busy -= 1
      if (visitor.busy > 0 || !visitors.delete(visitor.socket)) return
      visitors.set(visitor.socket, visitor)
    })
  })
}
