/** A node written for tests that says whatever a test wants it to say: here as the one who is asked. Honest where nothing else is given. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { onTestFinished } from 'vitest'
import { toB64u, toHex, utf8 } from '../../src/bytes.ts'
import { generateDh } from '../../src/crypto/dh.ts'
import { makeKeyAnswer, type ResponderState, responderAnswer, responderConfirm } from '../../src/crypto/handshake.ts'
import { type Identity, sign } from '../../src/crypto/identity.ts'
import { type StreamContext, seal } from '../../src/crypto/stream.ts'
import type { SharedFile } from '../../src/dht/digest.ts'
import { OwnRow } from '../../src/dht/row.ts'
import { isOurs } from '../../src/errors.ts'
import type { RowPage } from '../../src/protocol/messages.ts'
import { openRequest } from '../../src/session/sealed.ts'
import { type Exchange, InSessions } from '../../src/session/sessions.ts'
import { strangerIdentity } from './stranger.ts'

export type Step = 'alive' | 'getkey' | 'begin' | 'confirm' | 'table' | 'update' | 'file' | 'peers' | 'probe' | 'other'

/** One request, and what a test may do with it. */
export interface Turn {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly body: Buffer
  /** Set when the request belongs to a session. */
  readonly exchange: Exchange | undefined
  /** What an honest node would answer: status, headers, body. */
  readonly honest: () => Reply
  readonly send: (reply: Partial<Reply>) => void
  /** A sealed answer, with deviations in what its key is bound to. */
  readonly sealed: (status: number, plaintext: Uint8Array | string, bound?: Partial<StreamContext>) => Reply
}

export interface Reply {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: Uint8Array | string
}

export interface Stranger {
  readonly identity: Identity
  /** 64 hex characters. */
  readonly id: string
  readonly port: number
  readonly address: string
  readonly url: string
  readonly row: OwnRow
  readonly sessions: InSessions
  /** What was asked, in order. */
  readonly asked: Step[]
  readonly count: (step: Step) => number
  /** What this node does in place of the honest thing, from now on. */
  readonly does: Map<Step, (turn: Turn) => void>
  readonly publish: (name: string, content: string | Buffer, lies?: Partial<SharedFile>) => SharedFile
  /** Nothing listens any more, and every connection is gone. */
  readonly stop: () => Promise<void>
  /** The honest page for a query. */
  readonly page: (target: string) => RowPage
}

export interface StrangerOptions {
  readonly identity?: Identity
  readonly name?: string
  /** Where it listens; 127.0.0.1 when left out. */
  readonly host?: string
  readonly port?: number
  readonly epoch?: number
}

export const startStranger = async (options: StrangerOptions = {}): Promise<Stranger> => {
  const { identity = strangerIdentity(), name = 'a stranger', epoch = 1 } = options
  const { host = '127.0.0.1', port: wanted = 0 } = options
  const row = new OwnRow({ id: identity.id, name, epoch, sign: (head) => sign(identity.seed, 'row', head) })
  const sessions = new InSessions()
  const files = new Map<string, SharedFile>()
  const contents = new Map<string, Buffer>()
  const asked: Step[] = []
  const does: Stranger['does'] = new Map()
  const key = generateDh()
  const halfOpen = new Map<string, ResponderState>()

  const page = (target: string): RowPage => {
    const query = new URL(target, 'http://stranger').searchParams
    const number = (field: string) => (query.has(field) ? { [field]: Number(query.get(field)) } : {})
    const digest = query.get('files')
    return row.page({ ...number('epoch'), ...number('since'), ...(digest === null ? {} : { files: digest }) })
  }

  const answers: Record<Step, (turn: Turn) => Reply> = {
    alive: () => ({ status: 200, headers: freshnessOf(row), body: 'up and running' }),
    getkey: () => json(200, makeKeyAnswer(identity, key.publicKey)),
    begin: ({ body }) => {
      const { answer, state } = responderAnswer({ identity, ...key, message: JSON.parse(body.toString()) })
      halfOpen.set(answer.sid, state)
      return json(200, answer)
    },
    confirm: ({ request, body }) => {
      const state = halfOpen.get(request.url?.split('/')[2] ?? '')
      if (!state) return failure(403, 'PM_REFUSED')
      const opened = responderConfirm({ identity, state, message: JSON.parse(body.toString()) })
      sessions.open({ peerId: toHex(opened.peerId), sid: opened.sid, keys: opened.keys })
      return json(200, opened.answer)
    },
    table: ({ request, sealed }) => sealed(200, JSON.stringify(page(request.url ?? ''))),
    update: ({ exchange, body, sealed }) => {
      if (exchange) openRequest(exchange, body)
      return sealed(200, '{}')
    },
    file: ({ request, sealed }) => {
      const content = contents.get(decodeURIComponent(request.url?.split('/')[2] ?? ''))
      return content
        ? sealed(200, content, { frameLog2: 20 })
        : sealed(404, JSON.stringify({ error: { code: 'PM_NOT_PUBLISHED', message: '' } }))
    },
    peers: ({ sealed }) => sealed(200, '{"peers":[]}'),
    probe: ({ sealed }) => sealed(200, '{"reached":false}'),
    other: () => failure(404, 'PM_NOT_FOUND'),
  }

  const server = createServer(async (request, response) => {
    const step = stepOf(request)
    asked.push(step)
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part)
    const { method = '', url = '' } = request
    const inSession = SEALED.has(step)
    const exchange = inSession ? sessions.authenticate(request.headers['portmesh-auth'], method, url) : undefined
    const turn: Turn = {
      request,
      response,
      body: Buffer.concat(parts),
      exchange,
      honest: () => {
        if (inSession && !exchange) return failure(401, 'PM_NO_SESSION')
        try {
          return answers[step](turn)
        } catch (error) {
          if (isOurs(error)) return failure(error.statusCode ?? 500, error.code)
          throw error
        }
      },
      send: ({ status = 200, headers = {}, body = '' }) => {
        response.writeHead(status, { 'content-length': String(Buffer.byteLength(body)), ...headers })
        response.end(body)
      },
      sealed: (status, plaintext, bound = {}) => sealedReply(exchange, status, Buffer.from(plaintext), bound),
    }
    const act = does.get(step) ?? (({ send, honest }) => send(honest()))
    act(turn)
  })
  server.on('clientError', (_error, socket) => socket.destroy())
  server.listen(wanted, host)
  await once(server, 'listening')
  const stop = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  }
  onTestFinished(stop)
  const bound = server.address()
  const port = typeof bound === 'object' && bound ? bound.port : 0
  const address = `${host}:${port}`
  return {
    identity,
    id: toHex(identity.id),
    port,
    address,
    url: `http://${address}/`,
    row,
    sessions,
    asked,
    count: (step) => asked.filter((one) => one === step).length,
    does,
    page,
    stop,
    publish: (fileName, content, lies = {}) => {
      const bytes = Buffer.from(content)
      const hash = createHash('sha256').update(bytes).digest('hex')
      const file = { name: fileName, size: bytes.length, hash, root: hash, publishedMs: 1, ...lies }
      files.set(fileName, file)
      contents.set(fileName, bytes)
      row.sync(files)
      return file
    },
  }
}

/** What /alive shows of a row. */
export const freshnessOf = (row: OwnRow): Record<string, string> => {
  const { head, digest } = row.head()
  return {
    'content-type': 'text/plain; charset=utf-8',
    'portmesh-id': head.id,
    'portmesh-epoch': String(head.epoch),
    'portmesh-table': `${head.version};${toB64u(digest)}`,
  }
}

export const json = (status: number, value: unknown): Reply => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(value),
})

export const failure = (status: number, code: string): Reply => json(status, { error: { code, message: '' } })

/** A page whose head says something else than it should, signed all the same. */
export const signedPage = (identity: Identity, page: RowPage, lies: Record<string, unknown>): RowPage => {
  const head = { ...JSON.parse(Buffer.from(page.head, 'base64url').toString()), ...lies }
  const bytes = utf8(JSON.stringify(head))
  return { ...page, head: toB64u(bytes), sig: toB64u(sign(identity.seed, 'row', bytes)) }
}

const sealedReply = (
  exchange: Exchange | undefined,
  status: number,
  plaintext: Uint8Array,
  bound: Partial<StreamContext>,
): Reply => {
  if (!exchange) return failure(401, 'PM_NO_SESSION')
  const { keys, sid, n, method, target } = exchange
  const context = { key: keys.r2i.enc, kind: 'resp', sid, n, method, target, status, frameLog2: 16 } as const
  return { status, headers: { 'portmesh-sealed': 'v=1' }, body: seal({ ...context, ...bound }, plaintext) }
}

const SEALED: ReadonlySet<Step> = new Set(['table', 'update', 'file', 'peers', 'probe'])
/** Steps that are the first part of their path. */
const NAMED = ['alive', 'getkey', 'table', 'update', 'peers', 'probe'] as const

const stepOf = ({ method, url = '' }: IncomingMessage): Step => {
  const [path = ''] = url.split('?')
  const [, first, second] = path.split('/')
  if (first === 'session' && method === 'POST') return second === undefined ? 'begin' : 'confirm'
  if (first === 'myfiles') return 'file'
  return NAMED.find((step) => step === first) ?? 'other'
}
