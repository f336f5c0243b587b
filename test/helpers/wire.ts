/** Raw connections: any bytes out, and what came back taken apart as answers of HTTP/1.1. */
import { readdir, readFile, readlink } from 'node:fs/promises'
import { connect } from 'node:net'
import type { Running } from './process.ts'

export interface WireAnswer {
  readonly status: number
  /** Names in lower case; of a repeated one the last. */
  readonly headers: ReadonlyMap<string, string>
  readonly head: string
  readonly body: Buffer
  /** All of the body came. */
  readonly whole: boolean
}

export interface Sending {
  readonly port: number
  /** Written one after the other. */
  readonly pieces: readonly Uint8Array[]
  /** Once everything is written: wait for answers, say that nothing follows, or break the connection. */
  readonly then?: 'wait' | 'end' | 'reset'
  /** Nothing is waited for that is silent for so long. */
  readonly silenceMs?: number
  /** Nor is anything once this has come. */
  readonly enough?: string
}

/** @returns everything that came back. */
export const send = async ({ port, pieces, then = 'wait', silenceMs = 400, enough }: Sending): Promise<Buffer> =>
  await new Promise((resolve) => {
    const parts: Buffer[] = []
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
    const silent = setTimeout(() => socket.destroy(), silenceMs)
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('data', (part) => {
      parts.push(part)
      silent.refresh()
      if (enough !== undefined && Buffer.concat(parts).includes(enough)) socket.destroy()
    })
    socket.once('end', () => socket.destroy())
    socket.once('close', () => {
      clearTimeout(silent)
      resolve(Buffer.concat(parts))
    })
    let left = pieces.length
    const written = (): void => {
      silent.refresh()
      left -= 1
      if (left > 0) return
      if (then === 'reset') socket.resetAndDestroy()
      if (then === 'end') socket.end()
    }
    for (const piece of pieces) socket.write(piece, written)
  })

/** The answers in what came back, the last one perhaps not whole. */
export const answersIn = (bytes: Buffer): WireAnswer[] => {
  const answers: WireAnswer[] = []
  for (let rest = bytes; rest.length > 0; ) {
    const end = rest.indexOf('\r\n\r\n')
    const head = rest.subarray(0, end < 0 ? rest.length : end).toString('latin1')
    const [line = '', ...lines] = head.split('\r\n')
    const status = Number(/^HTTP\/1\.[01] (\d{3})( |$)/.exec(line)?.[1])
    if (!status) throw new Error(`no answer of HTTP: ${JSON.stringify(head.slice(0, 200))}`)
    const headers = new Map(
      lines.map((each) => [each.split(':', 1)[0]?.toLowerCase() ?? '', each.replace(/^[^:]*:\s*/, '')]),
    )
    const { body, length, whole } = bodyOf(headers, end < 0 ? Buffer.alloc(0) : rest.subarray(end + 4), status)
    answers.push({ status, headers, head, body, whole: whole && end >= 0 })
    if (end < 0) break
    rest = rest.subarray(end + 4 + length)
  }
  return answers
}

const bodyOf = (
  headers: WireAnswer['headers'],
  rest: Buffer,
  status: number,
): { body: Buffer; length: number; whole: boolean } => {
  const none = { body: Buffer.alloc(0), length: 0, whole: true }
  // Whoever asked HEAD gets no body; the next answer, or nothing, follows the head.
  if (status < 200 || status === 204 || status === 304 || rest.length === 0 || rest.subarray(0, 9).equals(NEXT))
    return none
  if (headers.get('transfer-encoding') === 'chunked') return chunked(rest)
  const length = Number(headers.get('content-length') ?? rest.length)
  return { body: rest.subarray(0, length), length, whole: rest.length >= length }
}

const NEXT = Buffer.from('HTTP/1.1 ')

const chunked = (rest: Buffer): { body: Buffer; length: number; whole: boolean } => {
  const parts: Buffer[] = []
  for (let at = 0; ; ) {
    const line = rest.indexOf('\r\n', at)
    const size = line < 0 ? Number.NaN : Number.parseInt(rest.subarray(at, line).toString('latin1'), 16)
    if (!(size >= 0)) return { body: Buffer.concat(parts), length: rest.length, whole: false }
    parts.push(rest.subarray(line + 2, line + 2 + size))
    at = line + 2 + size + 2
    if (size === 0) return { body: Buffer.concat(parts), length: at, whole: at <= rest.length }
  }
}

/** The descriptors that a process has open. */
export interface Descriptors {
  /** Paths, in order, as often as each is open. */
  readonly files: readonly string[]
  readonly sockets: number
  /** Pipes and what threads wait with: a thread has some of each. */
  readonly others: number
}

export const descriptors = async ({ pid }: Pick<Running, 'pid'>): Promise<Descriptors> => {
  const folder = `/proc/${pid}/fd`
  // One that is closed meanwhile is none.
  const links = (await readdir(folder)).map(async (each) => await readlink(`${folder}/${each}`).catch(() => undefined))
  const targets = (await Promise.all(links)).filter((target) => target !== undefined)
  const files = targets.filter((target) => target.startsWith('/') && !target.startsWith('/dev/')).sort()
  const sockets = targets.filter((target) => target.startsWith('socket:')).length
  return { files, sockets, others: targets.length - files.length - sockets }
}

/** What a process holds of the computer's memory and shares with no other, MiB. */
export const memoryMb = async ({ pid }: Pick<Running, 'pid'>): Promise<number> => {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8')
  const of = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(rollup)?.[1] ?? 0) / 1024
  return of('Private_Clean') + of('Private_Dirty')
}
