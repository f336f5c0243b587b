/** The least of BitTorrent that a benchmark needs: a file that describes a content, and a tracker that introduces everybody. */
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'

type Bencoded = number | string | Uint8Array | readonly Bencoded[] | { readonly [key: string]: Bencoded }

export const bencode = (value: Bencoded): Buffer => {
  if (typeof value === 'number') return Buffer.from(`i${value}e`)
  if (typeof value === 'string') return bencode(Buffer.from(value))
  if (value instanceof Uint8Array) return Buffer.concat([Buffer.from(`${value.length}:`), value])
  if (Array.isArray(value)) return Buffer.concat([Buffer.from('l'), ...value.map(bencode), Buffer.from('e')])
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Buffer.concat([
    Buffer.from('d'),
    ...entries.flatMap(([key, one]) => [bencode(key), bencode(one)]),
    Buffer.from('e'),
  ])
}

export interface TorrentOptions {
  /** The content. */
  readonly path: string
  readonly name: string
  readonly announce: string
  readonly pieceBytes: number
}

/** Write the description of a content. */
export const writeTorrent = async (
  file: string,
  { path, name, announce, pieceBytes }: TorrentOptions,
): Promise<void> => {
  const content = await readFile(path)
  const pieces: Buffer[] = []
  for (let at = 0; at < content.length; at += pieceBytes) {
    pieces.push(
      createHash('sha1')
        .update(content.subarray(at, at + pieceBytes))
        .digest(),
    )
  }
  const info = { length: content.length, name, 'piece length': pieceBytes, pieces: Buffer.concat(pieces) }
  await writeFile(file, bencode({ announce, info }))
}

/** Six bytes a peer: address and port. */
const compact = (address: string, port: number): Buffer => {
  const packed = Buffer.alloc(6)
  for (const [at, part] of address.split('.').entries()) packed[at] = Number(part)
  packed.writeUInt16BE(port, 4)
  return packed
}

/** Everybody who asks is told everybody else; ends with its process. */
export const serveTracker = (port: number): void => {
  const swarms = new Map<string, Map<string, Buffer>>()
  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '/', 'http://tracker')
    // The hash is bytes, not text: as it stands in the query.
    const swarm = /info_hash=([^&]*)/.exec(request.url ?? '')?.[1] ?? ''
    const peers = swarms.get(swarm) ?? new Map<string, Buffer>()
    swarms.set(swarm, peers)
    const address = (request.socket.remoteAddress ?? '').replace('::ffff:', '')
    const own = `${address}:${searchParams.get('port')}`
    const others = [...peers].filter(([peer]) => peer !== own).map(([, packed]) => packed)
    if (searchParams.get('event') === 'stopped') peers.delete(own)
    else peers.set(own, compact(address, Number(searchParams.get('port'))))
    response.end(bencode({ interval: 2, 'min interval': 1, peers: Buffer.concat(others) }))
  })
  server.listen(port, '0.0.0.0')
}
