/** Fetching into the home, as anybody's script would do it over JSON; and lines between nodes that count what goes over them. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { TransferAnswer } from '../../src/api/transfer.ts'
import { catalogueOf, until } from './api.ts'
import { freePorts, type NodeOptions, portsFile, type RunningNode, startNode, tempDir } from './process.ts'

export type TransferJson = TransferAnswer
export type Wanted = { readonly root?: string; readonly hash?: string }

export interface Answered {
  readonly status: number
  readonly json: TransferJson
  /** The code of an error; undefined for a transfer. */
  readonly code: string | undefined
}

const post = async (base: string, path: string, body?: object): Promise<Answered> => {
  const json = body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  const answer = await fetch(new URL(path, base), { method: 'POST', ...json })
  const text = await answer.text()
  const parsed = JSON.parse(text)
  return { status: answer.status, json: parsed, code: answer.ok ? undefined : parsed.error?.code }
}

/** POST /transfers */
export const begin = async (base: string, wanted: Wanted): Promise<Answered> => await post(base, '/transfers', wanted)

export const act = async (
  base: string,
  id: string,
  action: 'pause' | 'resume' | 'cancel' | 'retry',
): Promise<Answered> => await post(base, `/transfers/${id}/${action}`)

export const transfersOf = async (base: string): Promise<readonly TransferJson[]> => {
  const answer = await fetch(new URL('/transfers', base), { headers: { accept: 'application/json' } })
  return JSON.parse(await answer.text()).transfers
}

export const transferOf = async (base: string, id: string): Promise<TransferJson> => {
  const found = (await transfersOf(base)).find((one) => one.id === id)
  if (!found) throw new Error(`no transfer ${id}`)
  return found
}

/** Wait for a state, or for whatever else. */
export const untilTransfer = async (
  base: string,
  id: string,
  wanted: TransferJson['state'] | ((transfer: TransferJson) => boolean),
  withinMs = 30_000,
): Promise<TransferJson> =>
  await until(
    () => transferOf(base, id),
    typeof wanted === 'string' ? ({ state }) => state === wanted : wanted,
    withinMs,
  )

/** Wait until a node knows of a content, from so many live holders. */
export const untilShared = async (base: string, root: string, holders = 1): Promise<void> => {
  await until(
    () => catalogueOf(base),
    ({ files }) =>
      files.some((file) => file.root === root && file.holders.filter(({ alive }) => alive).length >= holders),
    15_000,
  )
}

/** SHA-256 of a file, hex, without having it in memory. */
export const hashOfFile = async (path: string): Promise<string> => {
  const digest = createHash('sha256')
  for await (const chunk of createReadStream(path)) digest.update(chunk)
  return digest.digest('hex')
}

/** Every file of a home that people see, also in folders. */
export const filesIn = async (home: string): Promise<readonly string[]> => {
  const entries = await readdir(home, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(home.length + 1))
    .filter((name) => !name.startsWith('.portmesh'))
    .sort()
}

export interface Pair {
  readonly holder: RunningNode
  /** The one who fetches; started again with the same home by `restart`. */
  readonly taker: RunningNode
  /** All that the holder gives goes over it. */
  readonly line: Line
  readonly restart: () => Promise<RunningNode>
}

/** Two nodes, and a line between them. @param also - ports at which the one who fetches looks for others */
export const startPair = async (
  bytesPerS?: number,
  options: Omit<NodeOptions, 'ports'> = {},
  also: readonly number[] = [],
): Promise<Pair> => {
  const [holderPort = 0, takerPort = 0] = await freePorts(2)
  const line = await startLine(holderPort, bytesPerS)
  const home = options.home ?? (await tempDir())
  const ports = await portsFile([takerPort, ...also, `127.0.0.1:${line.port}`])
  const restart = (): Promise<RunningNode> => startNode({ name: 'taker', interval: 0.5, ...options, home, ports })
  const [holder, taker] = await Promise.all([
    startNode({ name: 'holder', interval: 0.5, ports: [holderPort, `127.0.0.1:${takerPort}`] }),
    restart(),
  ])
  return { holder, taker, line, restart }
}

export interface Line {
  readonly port: number
  /** Bytes that came back over it, in all connections. */
  readonly bytes: () => number
  /** What may come back in a second from now on; 0 holds everything up. */
  readonly limit: (bytesPerS: number) => void
  /** Breaks every connection. */
  readonly cut: () => void
}

const TICK_MS = 10

/** A port that carries connections to another one, as fast as it is told. */
export const startLine = async (to: number, bytesPerS = Number.POSITIVE_INFINITY): Promise<Line> => {
  const pairs = new Set<readonly [Socket, Socket]>()
  let allowed = bytesPerS
  let budget = 0
  let bytes = 0
  const tick = setInterval(() => {
    budget = Math.min(allowed / 10, budget + (allowed * TICK_MS) / 1000)
    for (const [, far] of pairs) if (budget > 0) far.resume()
  }, TICK_MS)
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ host: '127.0.0.1', port: to, noDelay: true })
    const pair = [near, far] as const
    pairs.add(pair)
    near.pipe(far)
    far.on('data', (chunk) => {
      bytes += chunk.length
      budget -= chunk.length
      if (!near.write(chunk)) {
        far.pause()
        near.once('drain', () => budget > 0 && far.resume())
      } else if (budget <= 0 && allowed !== Number.POSITIVE_INFINITY) far.pause()
    })
    far.on('end', () => near.end())
    for (const socket of pair) {
      socket.on('error', () => {})
      socket.once('close', () => {
        pairs.delete(pair)
        for (const one of pair) one.destroy()
      })
    }
  })
  server.listen({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  const cut = (): void => {
    for (const socket of [...pairs].flat()) socket.destroy()
  }
  onTestFinished(() => {
    clearInterval(tick)
    server.close()
    cut()
  })
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    bytes: () => bytes,
    limit: (next) => {
      allowed = next
      budget = Math.min(budget, 0)
    },
    cut,
  }
}
