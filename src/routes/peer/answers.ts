/** Answers that are written to the connection as they come to be: pieces, and news without an end (PROTOCOL.md, "Streams"). */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { FREE, type Pace } from '../../allowance.ts'
import { free, utf8 } from '../../bytes.ts'
import { NoSession } from '../../errors.ts'
import { type SealedFrame, sealLive, sealPieces } from '../../session/sealed.ts'
import type { Follower, Given } from '../../transfer/giving.ts'
import { sealedHeaders } from './sealing.ts'

/** Who is told of the end of a connection: one listener of its own for any number of requests on it. */
const listening = new WeakMap<Socket, Set<() => void>>()

/** Tell once when this answer is over, sent or not, also when its connection ends while others are before it. */
export const onGone = (request: FastifyRequest, reply: FastifyReply, tell: () => void): void => {
  const { socket } = request.raw
  let listeners = listening.get(socket)
  if (!listeners) {
    const all = new Set<() => void>()
    socket.once('close', () => {
      for (const listener of all) listener()
    })
    listening.set(socket, all)
    listeners = all
  }
  const own = listeners
  const once = (): void => {
    if (own.delete(once)) tell()
  }
  own.add(once)
  reply.raw.once('close', once)
  if (socket.destroyed || reply.raw.closed) once()
}

/** Resolves when this answer is the next one on its connection. Never when the connection ends before. */
export const untilFirst = async ({ raw }: FastifyReply): Promise<void> => {
  if (!raw.socket) await new Promise<void>((resolve) => raw.once('socket', () => resolve()))
}

/**
 * Answer with pieces; resolves when they are sent, or nobody takes them any more.
 * @param pace - how fast, until the signal says that nobody waits for them
 */
export const sendPieces = async (
  request: FastifyRequest,
  reply: FastifyReply,
  given: Given,
  pace: Pace = FREE,
  signal?: AbortSignal,
): Promise<void> => {
  if (!request.exchange) throw new NoSession()
  const { raw } = reply
  reply.hijack()
  let whole = false
  try {
    const { length, sealer } = sealPieces(request.exchange, given.bytes)
    const head = Buffer.alloc(8)
    head.writeUInt32BE(given.run.count, head.writeUInt32BE(given.run.first))
    const wire = new Wire(request, reply, pace, signal)
    wire.begin(sealedHeaders(length), sealer.begin(head))
    let left = given.bytes
    for (let frame = await given.next(); frame; frame = await given.next()) {
      left -= frame.length
      await wire.writeFrame(sealer.seal(frame, left === 0))
    }
    await wire.end()
    whole = true
  } catch (error) {
    raw.destroy()
    throw error
  } finally {
    await given.end(whole)
  }
}

/** Tell a follower what is new until there is nothing more to tell, or it has gone. */
export const sendNews = async (request: FastifyRequest, reply: FastifyReply, follower: Follower): Promise<void> => {
  if (!request.exchange) throw new NoSession()
  const { raw } = reply
  reply.hijack()
  onGone(request, reply, () => follower.leave())
  try {
    const sealer = sealLive(request.exchange)
    const wire = new Wire(request, reply)
    // Nothing follows on its connection: a node that stops need not wait until it is idle for long.
    wire.begin({ ...sealedHeaders(undefined), connection: 'close' }, sealer.header)
    for await (const message of follower.messages()) await wire.write(sealer.seal(utf8(message)))
    await wire.write(sealer.end())
    await wire.end()
  } catch (error) {
    raw.destroy()
    throw error
  } finally {
    follower.leave()
  }
}

/** Writes to one answer with one write under way and one waiting, so that the connection never has to wait for the next one. */
class Wire {
  readonly #raw: ServerResponse
  readonly #gone: Promise<never>
  readonly #pace: Pace
  readonly #signal: AbortSignal | undefined
  #before: Promise<void> | undefined
  #begun = false

  constructor(request: FastifyRequest, reply: FastifyReply, pace = FREE, signal?: AbortSignal) {
    this.#raw = reply.raw
    this.#pace = pace
    this.#signal = signal
    const { promise, reject } = Promise.withResolvers<never>()
    promise.catch(() => undefined)
    onGone(request, reply, () => reject(new Error('nobody reads the answer any more')))
    this.#gone = promise
  }

  /** Head and first bytes of the answer: they go along with the next write. */
  begin(headers: Record<string, string>, bytes: Uint8Array): void {
    this.#raw.cork()
    this.#raw.writeHead(200, headers)
    this.#raw.write(bytes)
  }

  /** Resolves when the write before this one is done. */
  async write(bytes: Uint8Array): Promise<void> {
    await this.#queue((done) => this.#raw.write(bytes, done))
  }

  /** Its parts one after the other, the tag along with the last of the others; the memory of each is given back when it is sent. */
  async writeFrame(frame: SealedFrame): Promise<void> {
    const [tag, last] = [frame.at(-1), frame.at(-2)]
    for (const part of frame.slice(0, -2)) {
      const rest = await this.#slices(part)
      await this.#allowed(rest.length)
      await this.#queue((done) => this.#raw.write(rest, freeing(part, done)))
    }
    if (!last || !tag) return
    const rest = await this.#slices(last)
    await this.#allowed(rest.length + tag.length)
    await this.#queue((done) => {
      this.#raw.cork()
      this.#raw.write(rest)
      this.#raw.write(tag, freeing(last, done))
      this.#raw.uncork()
    })
  }

  async end(): Promise<void> {
    const ended = new Promise<void>((resolve) => this.#raw.end(() => resolve()))
    await Promise.race([ended, this.#gone])
  }

  /** Write all of a part but its last slice, where only little may go at once. @returns that slice */
  async #slices(part: Uint8Array): Promise<Uint8Array> {
    const bytes = this.#pace.sliceBytes
    let at = 0
    for (; at + bytes < part.length; at += bytes) {
      await this.#allowed(bytes)
      await this.write(part.subarray(at, at + bytes))
    }
    return part.subarray(at)
  }

  async #allowed(bytes: number): Promise<void> {
    const wait = this.#pace.take(bytes, this.#signal)
    if (!wait) return
    // The head is waited for, and costs nothing.
    if (!this.#begun) this.#raw.uncork()
    this.#begun = true
    await wait
  }

  async #queue(send: (done: Done) => void): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    promise.catch(() => undefined)
    send((error) => (error ? reject(error) : resolve()))
    if (!this.#begun) this.#raw.uncork()
    this.#begun = true
    const before = this.#before
    this.#before = promise
    if (before) await Promise.race([before, this.#gone])
  }
}

type Done = (error?: Error | null) => void

const freeing =
  (part: Uint8Array, done: Done): Done =>
  (error) => {
    if (!error) free(part)
    done(error)
  }
