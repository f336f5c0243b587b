/** A node written for tests that says whatever a test wants it to say: here as the one who asks. Its arithmetic is the project's own. */
import { randomBytes } from 'node:crypto'
import { type IncomingHttpHeaders, request } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { concat, fromHex, toB64u, toHex } from '../../src/bytes.ts'
import {
  type BeginAnswer,
  type BeginMessage,
  type ConfirmMessage,
  initiatorBegin,
  initiatorConfirm,
  type KeyAnswer,
} from '../../src/crypto/handshake.ts'
import { type Identity, identityFrom } from '../../src/crypto/identity.ts'
import { requestMac, type SessionKeys } from '../../src/crypto/keys.ts'
import { openAnswer, sealRequest } from '../../src/session/sealed.ts'
import type { Exchange } from '../../src/session/sessions.ts'
import vector from '../vectors/handshake-1.json' with { type: 'json' }

/** The modulus of the published vectors: making one takes half a second, and nothing here depends on it. */
const MODULUS = fromHex(vector.input.N_A) ?? new Uint8Array()

/** A fresh identity; costs next to nothing. */
export const strangerIdentity = (): Identity => identityFrom(new Uint8Array(randomBytes(32)), MODULUS)

export interface PlainAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly bytes: Buffer
  /** The code of an error in JSON; undefined when the body is none. */
  readonly code: string | undefined
}

export interface PlainRequest {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: Uint8Array | string
}

/** One request on a connection of its own, nothing added and nothing followed. */
export const plain = async (
  base: string,
  target: string,
  { method = 'GET', headers = {}, body }: PlainRequest = {},
): Promise<PlainAnswer> =>
  await new Promise((resolve, reject) => {
    const { hostname, port } = new URL(base)
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    const all = { connection: 'close', ...length, ...headers }
    const asked = request({ host: hostname, port, method, path: target, agent: false, headers: all }, (answer) => {
      const parts: Buffer[] = []
      answer.on('data', (part: Buffer) => parts.push(part))
      answer.once('error', reject)
      answer.once('end', () => {
        const bytes = Buffer.concat(parts)
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, bytes, code: codeIn(bytes) })
      })
    })
    asked.once('error', reject)
    asked.end(body)
  })

/** A plain POST of JSON; a text is sent as it is. */
export const postJson = async (base: string, target: string, body: unknown): Promise<PlainAnswer> => {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return await plain(base, target, { method: 'POST', headers: { 'content-type': 'application/json' }, body: text })
}

/** Bytes straight into a connection. @returns what came back until it ended, or until `forMs` had passed. */
export const spill = async (base: string, bytes: Uint8Array | string, forMs = 1_000): Promise<string> => {
  const { hostname, port } = new URL(base)
  const socket = connect({ host: hostname, port: Number(port) })
  const parts: Buffer[] = []
  socket.on('error', () => {})
  socket.on('data', (part) => parts.push(part))
  socket.write(bytes)
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  await Promise.race([ended, sleep(forMs)])
  socket.destroy()
  return Buffer.concat(parts).toString('latin1')
}

const codeIn = (bytes: Uint8Array): string | undefined => {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8')).error?.code
  } catch {
    return undefined
  }
}

/** The messages of a handshake up to a point, to be sent, kept, mixed and sent again. */
export interface HalfHandshake {
  readonly identity: Identity
  readonly keyAnswer: KeyAnswer
  readonly begin: ReturnType<typeof initiatorBegin>
  readonly answer: BeginAnswer
  readonly confirm: ReturnType<typeof initiatorConfirm>
}

export const getKey = async (base: string): Promise<KeyAnswer> =>
  JSON.parse((await plain(base, '/getkey')).bytes.toString())

/** Ask for the key and begin; the confirm is made and not sent. */
export const halfHandshake = async (base: string, identity = strangerIdentity()): Promise<HalfHandshake> => {
  const keyAnswer = await getKey(base)
  const begin = initiatorBegin({ identity, keyAnswer })
  const answer = JSON.parse((await sendBegin(base, begin.message)).bytes.toString())
  return { identity, keyAnswer, begin, answer, confirm: initiatorConfirm({ identity, state: begin.state, answer }) }
}

export const sendBegin = async (base: string, message: Partial<BeginMessage> | string): Promise<PlainAnswer> =>
  await postJson(base, '/session', message)

export const sendConfirm = async (
  base: string,
  sid: string | Uint8Array,
  message: Partial<ConfirmMessage> | string,
): Promise<PlainAnswer> => await postJson(base, `/session/${typeof sid === 'string' ? sid : toB64u(sid)}`, message)

/** A whole handshake, as an honest node makes it. */
export const openSession = async (base: string, identity = strangerIdentity()): Promise<AskingStranger> => {
  const { begin, confirm } = await halfHandshake(base, identity)
  const { status, bytes } = await sendConfirm(base, confirm.sid, confirm.message)
  if (status !== 200 || JSON.parse(bytes.toString()).fin !== toB64u(confirm.fin))
    throw new Error(`no session: ${status} ${bytes}`)
  return new AskingStranger(base, { peerId: toHex(begin.peerId), sid: confirm.sid, keys: confirm.keys })
}

/** What may be different from an honest request. */
export interface Deviation {
  readonly n?: number
  /** Of a POST; sealed. */
  readonly plaintext?: Uint8Array | string
  /** In place of the sealed body. */
  readonly body?: Uint8Array
  /** What really goes onto the wire, while the proof is for the other. */
  readonly sentMethod?: string
  readonly sentTarget?: string
  /** In place of the whole Portmesh-Auth header. */
  readonly auth?: string | readonly string[]
  readonly headers?: Readonly<Record<string, string>>
}

export interface SealedReply extends PlainAnswer {
  readonly exchange: Exchange
  /** The answer came sealed. */
  readonly sealed: boolean
  /** The opened plaintext; it rejects when the stream does not open. */
  readonly text: () => Promise<string>
}

/** A session of a stranger with a node. */
export class AskingStranger {
  readonly base: string
  readonly #opened: { peerId: string; sid: Uint8Array; keys: SessionKeys }
  #n = 0

  constructor(base: string, opened: { peerId: string; sid: Uint8Array; keys: SessionKeys }) {
    this.base = base
    this.#opened = opened
  }

  get sid(): Uint8Array {
    return this.#opened.sid
  }

  /** A request and its proof, not sent. */
  prepare(method: string, target: string, n = this.#n + 1): { exchange: Exchange; auth: string } {
    this.#n = Math.max(this.#n, n)
    const { sid, keys } = this.#opened
    const mac = requestMac(keys.i2r.auth, sid, n, method, target)
    return {
      exchange: { ...this.#opened, n, method, target },
      auth: `v=1; sid=${toB64u(sid)}; n=${n}; mac=${toB64u(mac)}`,
    }
  }

  async ask(method: string, target: string, deviation: Deviation = {}): Promise<SealedReply> {
    const { exchange, auth } = this.prepare(method, target, deviation.n)
    const given = Buffer.from(deviation.plaintext ?? '')
    const body = deviation.body ?? (method === 'POST' ? sealRequest(exchange, given) : undefined)
    const answer = await plain(this.base, deviation.sentTarget ?? target, {
      method: deviation.sentMethod ?? method,
      headers: {
        'portmesh-auth': deviation.auth ?? auth,
        ...(body ? { 'content-type': 'application/octet-stream' } : {}),
        ...deviation.headers,
      },
      ...(body ? { body } : {}),
    })
    const frameLog2 = answer.status === 200 && target.startsWith('/myfiles/') ? 20 : 16
    return {
      ...answer,
      exchange,
      sealed: answer.headers['portmesh-sealed'] === 'v=1',
      text: async () => {
        const parts: Uint8Array[] = []
        const source = [answer.bytes]
        for await (const part of openAnswer(exchange, { status: answer.status, frameLog2, source: toAsync(source) }))
          parts.push(part)
        return Buffer.from(concat(...parts)).toString('utf8')
      },
    }
  }
}

async function* toAsync(parts: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* parts
}

/** The code of what a promise fails with; undefined when it does not fail. */
export const failureOf = async (work: Promise<unknown>): Promise<string | undefined> =>
  await work.then(
    () => undefined,
    (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : String(error)),
  )
