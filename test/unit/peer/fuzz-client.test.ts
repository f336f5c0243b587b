/** Answers of peers as no node gives them, and proofs that prove nothing: an error of ours, never a surprise. */
import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { toB64u } from '../../../src/bytes.ts'
import { requestMac, type SessionKeys } from '../../../src/crypto/keys.ts'
import { carryOver, PeerClient } from '../../../src/peer/client.ts'
import type { Reach } from '../../../src/peer/reach.ts'
import type { ShortAnswer, ShortLimits } from '../../../src/peer/short.ts'
import { sealAnswer } from '../../../src/session/sealed.ts'
import { InSessions, OutSession } from '../../../src/session/sessions.ts'
import { attemptLater, fuzz, PATIENT, type Random } from '../../helpers/random.ts'

const HERE = '127.0.0.1:5001'
const PEER = 'a'.repeat(64)
const direction = () => ({ enc: new Uint8Array(randomBytes(32)), auth: new Uint8Array(randomBytes(32)) })
const KEYS: SessionKeys = { i2r: direction(), r2i: direction() }
const TOLD = ['PM_PEER_MISBEHAVED', 'PM_PEER_UNREACHABLE', 'PM_NO_SESSION', 'PM_BUSY', 'PM_STOPPING']
/** What a peer may say of itself by a code, and the errors those are here. */
const CODES = ['PM_NOT_PUBLISHED', 'PM_FILE_CHANGED', 'PM_NOT_FOUND', 'PM_TOO_LARGE', 'PM_STALE_KEY', 'PM_BAD_STREAM']
const HANDSHAKE = ['PM_UNSUPPORTED_VERSION', 'PM_BAD_HANDSHAKE', 'PM_REFUSED']

interface Given {
  readonly statusCode: number
  readonly headers: Record<string, unknown>
  readonly bytes: Uint8Array
}

/** A peer that answers the same to everything. */
const answering = (random: Random, given: () => Given): Reach => {
  const request = async () => {
    const { statusCode, headers, bytes } = given()
    const body = Readable.from(random.chunks(bytes), { objectMode: false })
    if (random.chance(0.05)) setImmediate(() => body.destroy(new Error('reset')))
    return { statusCode, headers, body: Object.assign(body, { dump: async () => body.on('error', () => {}).resume() }) }
  }
  const short = async (_address: string, _path: string, { maxBytes }: ShortLimits): Promise<ShortAnswer> => {
    const { statusCode: status, headers, bytes } = given()
    if (random.chance(0.05)) throw new Error('reset')
    const text = bytes.length > maxBytes ? undefined : Buffer.from(bytes).toString('utf8')
    return { status, headers: headers as ShortAnswer['headers'], text }
  }
  return { request, short } as unknown as Reach
}

const statusOf = (random: Random): number =>
  random.pick([200, 200, 200, 200, 204, 302, 400, 401, 404, 409, 429, 500, 503, 999])

const oddHeaders = (random: Random, honest: Record<string, string>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(honest).flatMap(([name, value]): [string, unknown][] => {
      const kind = random.int(12)
      if (kind === 0) return []
      if (kind === 1) return [[name, random.mutatedText(value)]]
      if (kind === 2) return [[name, [value, value]]]
      if (kind === 3) return [[name, random.text(400)]]
      return [[name, value]]
    }),
  )

test('what /alive says is a hint of the right form, or none', PATIENT, async () => {
  await fuzz({ rounds: 400 }, async (random) => {
    const id = random.bytes(32)
    const headers = oddHeaders(random, {
      'portmesh-id': toB64u(id),
      'portmesh-epoch': random.pick(['1', '9007199254740993', '01', '-1', '1e3', '0']),
      'portmesh-table': `${random.pick(['0', '7', '00', '9'.repeat(16)])};${toB64u(random.bytes(16))}`,
      ...(random.chance(0.1) ? { 'content-encoding': 'gzip' } : {}),
    })
    const word = Buffer.from('up and running')
    const bytes = random.pick([word, random.mutated(word), random.bytes(random.length(3_000))])
    const reach = answering(random, () => ({ statusCode: statusOf(random), headers, bytes }))
    const asked = await attemptLater(async () => await new PeerClient(reach, sessions()).alive(HERE))
    if ('code' in asked) return expect(TOLD).toContain(asked.code)
    const { freshness, portmesh } = asked.value
    if (!freshness) return
    expect(portmesh).toBe(true)
    expect(freshness.id).toMatch(/^[0-9a-f]{64}$/)
    expect(freshness.headDigest).toMatch(/^[0-9a-f]{32}$/)
    for (const number of [freshness.epoch, freshness.version])
      expect(Number.isInteger(number) && number >= 0).toBe(true)
  })
})

const sessions = () => ({
  session: async () => new OutSession({ peerId: PEER, sid: new Uint8Array(16), keys: KEYS }),
  drop: () => {},
})

test('a sealed answer is what its schema says, or an error', PATIENT, async () => {
  await fuzz({ rounds: 400 }, async (random) => {
    const target = random.pick(['table', 'update', 'file'] as const)
    const page = { head: 'AA', sig: 'A'.repeat(86), whole: true, upTo: 1, files: [], gone: ['a'] }
    const plaintext = random.pick([
      () => JSON.stringify(page),
      () => JSON.stringify(random.mutatedFields(page)) ?? '',
      () => JSON.stringify({ error: { code: random.pick([...CODES, random.text(20)]), message: random.text() } }),
      () => random.text(2_000),
    ])()
    const status = statusOf(random)
    const asked = { table: '/table', update: '/update', file: '/myfiles/a' }[target]
    const exchange = {
      sid: new Uint8Array(16),
      keys: KEYS,
      peerId: PEER,
      n: 1,
      method: target === 'update' ? 'POST' : 'GET',
      target: asked,
    }
    const sealed = sealAnswer(exchange, status, Buffer.from(plaintext))
    const headers = oddHeaders(random, { 'portmesh-sealed': 'v=1' })
    const bytes = random.chance(0.6) ? sealed : random.mutated(sealed)
    const client = new PeerClient(
      answering(random, () => ({ statusCode: status, headers, bytes })),
      sessions(),
    )
    const told = await attemptLater(async () => {
      if (target === 'table') return (await client.table(HERE, {})).page
      if (target === 'update') return await client.update(HERE, { kind: 'changed', port: 1 })
      const parts: Uint8Array[] = []
      for await (const part of await client.file(HERE, PEER, 'a', AbortSignal.timeout(5_000))) parts.push(part)
      return parts
    })
    if ('code' in told) expect([...TOLD, ...CODES, ...HANDSHAKE]).toContain(told.code)
    else expect(status).toBe(200)
  })
})

test('an answer of the handshake is JSON, or an error', PATIENT, async () => {
  await fuzz({ rounds: 250 }, async (random) => {
    const error = { error: { code: random.pick([...HANDSHAKE, 'PM_BUSY', '__proto__', random.text(9)]), message: '' } }
    const text = JSON.stringify(random.chance(0.5) ? error : random.value(4)) ?? ''
    const bytes = random.mutated(Buffer.from(random.chance(0.05) ? text.padEnd(9_000) : text))
    const carry = carryOver(answering(random, () => ({ statusCode: statusOf(random), headers: {}, bytes })))
    const told = await attemptLater(async () => await carry(HERE, 'GET', '/getkey'))
    if ('code' in told) expect([...TOLD, ...CODES, ...HANDSHAKE]).toContain(told.code)
  })
})

test('a proof of a request holds in its one form, for its one request, once', PATIENT, async () => {
  const incoming = new InSessions()
  const sid = new Uint8Array(randomBytes(16))
  incoming.open({ peerId: PEER, sid, keys: KEYS })
  let n = 0
  await fuzz({ rounds: 800 }, (random) => {
    n += 1
    const target = `/table?since=${random.int(99)}`
    const mac = requestMac(KEYS.i2r.auth, sid, n, 'GET', target)
    const header = `v=1; sid=${toB64u(sid)}; n=${n}; mac=${toB64u(mac)}`
    const changed = random.pick<unknown>([random.mutatedText(header), random.text(200), random.value(), `${header}\n`])
    const asked = random.chance(0.8) ? target : random.mutatedText(target)
    const wrong = incoming.authenticate(changed, 'GET', asked)
    expect(wrong !== undefined, JSON.stringify(changed)).toBe(changed === header && asked === target)
    if (wrong) return
    expect(incoming.authenticate(header, 'GET', target)).toMatchObject({ n, target, peerId: PEER })
    expect(incoming.authenticate(header, 'GET', target)).toBeUndefined()
  })
})
