/** The same from inside a session: whoever has a key may lie about everything else, and is answered sealed. */
import { expect, test } from 'vitest'
import { openAnswer, openLive, openPieces, sealRequest } from '../../src/session/sealed.ts'
import type { Exchange } from '../../src/session/sessions.ts'
import { bodyOf, filled, targetOf } from '../helpers/hostile-requests.ts'
import { fuzz, PATIENT, type Random } from '../helpers/random.ts'
import { type AskingStranger, openSession } from '../helpers/stranger.ts'
import { answersIn, descriptors, send, type WireAnswer } from '../helpers/wire.ts'
import { isWell, startVictim, type Victim } from './fuzz-victim.ts'

const SEALED = new Set([200, 400, 404, 409, 413, 429])
/** What Node itself does not take for a request, and what is answered to whoever proved nothing. */
const PLAIN = new Set([100, 400, 401, 413, 417, 431])
/** Routes for peers, as peers ask them; all others come besides. */
const PEERS = [
  ['GET', '/table'],
  ['POST', '/update'],
  ['GET', '/myfiles/:name'],
  ['GET', '/content/:root?pieces=0'],
  ['GET', '/content/:root/tree'],
  ['GET', '/content/:root/have'],
] as const
/** What anybody may ask is answered to everybody alike. */
const OPEN = /^\/(alive|getkey|session)/
const AT_ONCE = 40

interface SealedTry {
  readonly exchange: Exchange
  readonly bytes: Uint8Array
  /** Everything about it that matters is as it should be: the answer has to be sealed. */
  readonly honest: boolean
}

/** A proof for some method and target, perhaps sent with others; a body that is sealed, or was. */
const tryOf = (session: AskingStranger, { known }: Victim, random: Random): SealedTry => {
  const route = random.pick(known.routes.filter(({ url }) => !OPEN.test(url)))
  // One of every two comes to what lies behind the proof.
  const [ownMethod, ownUrl] = random.pick(PEERS)
  const polite = random.chance(0.5)
  const url = polite ? ownUrl : route.url
  // An answer to HEAD has no body to seal.
  const odd = random.pick(['GET', 'GET', 'POST', 'POST', 'DELETE', 'PROPFIND', route.method.replace('HEAD', 'GET')])
  const method = polite ? ownMethod : odd
  const target = polite ? filled(random, url, known) : targetOf(random, url, known)
  const { exchange, auth } = session.prepare(method, target, random.chance(0.05) ? random.pick([0, 1, 2]) : undefined)
  const lie = polite && random.chance(0.7) ? 0 : random.int(8)
  const sentTarget = lie === 1 ? random.mutatedText(target) : target
  const sentAuth = lie === 2 ? random.mutatedText(auth) : auth
  const head = [
    `${lie === 3 ? 'PUT' : method} ${sentTarget} HTTP/1.1`,
    'Host: x',
    `Portmesh-Auth: ${sentAuth}`,
    'Connection: close',
  ]
  if (lie === 4) head.push(`Portmesh-Auth: ${auth}`)
  const plaintext = random.chance(0.9)
    ? bodyOf(random, 'application/json', known)
    : new Uint8Array(random.int(1_100_000))
  const sealed = sealRequest(exchange, plaintext)
  const body = method === 'GET' ? new Uint8Array() : lie === 5 ? random.mutated(sealed) : sealed
  if (method !== 'GET')
    head.push(
      `Content-Length: ${body.length}`,
      `Content-Type: ${lie === 6 ? 'text/plain' : 'application/octet-stream'}`,
    )
  // What is no target of HTTP, or in no head of a request, is none of ours to answer.
  const isHttp = /^\/[\x21-\x7e]*$/.test(sentTarget) && sentTarget.length < 12_000
  const isProved = (lie < 1 || lie > 4) && exchange.n > 2
  // News of a content have no end, and are not waited for.
  const ends = !target.includes('/have')
  return {
    exchange,
    bytes: Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), body]),
    honest: isHttp && isProved && ends,
  }
}

/** The plaintext of an answer, as its kind is told by the size of its frames; of a live one what came so far. */
const opened = async (exchange: Exchange, { status, body }: WireAnswer): Promise<string> => {
  const frameLog2 = body[16]
  const parts: Uint8Array[] = []
  if (frameLog2 === 0) for (const message of openLive(exchange, status).push(body)) parts.push(new Uint8Array(message))
  else if (frameLog2 === 20 && exchange.target.startsWith('/content/')) {
    const frame = (some: readonly Uint8Array[]) => void parts.push(...some.map((part) => new Uint8Array(part)))
    const opener = openPieces(exchange, status, body.length, { head: () => {}, frame })
    opener.push(body)
    opener.end()
  } else {
    expect([16, 20], 'the size of frames').toContain(frameLog2)
    for await (const part of openAnswer(exchange, { status, frameLog2: frameLog2 ?? 0, source: toAsync([body]) }))
      parts.push(new Uint8Array(part))
  }
  return Buffer.concat(parts).toString('latin1')
}

async function* toAsync(parts: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* parts
}

const attack = async (victim: Victim, session: AskingStranger, random: Random): Promise<string> => {
  const { exchange, bytes, honest } = tryOf(session, victim, random)
  const came = await send({
    port: victim.node.port,
    pieces: [bytes],
    silenceMs: exchange.target.includes('/have') ? 300 : 3_000,
  })
  try {
    const answer = answersIn(came).find(({ status }) => status !== 100)
    const isLive = answer?.status === 200 && answer.body[16] === 0
    if (!answer || (!answer.whole && !isLive)) {
      expect(honest && bytes.length < 1_000_000, 'it is answered').toBe(false)
      return 'none'
    }
    const isSealed = answer.headers.get('portmesh-sealed') === 'v=1'
    // The person's own routes are not for those who call this node x, session or not.
    const isShut = answer.status === 421 && answer.body.length === 0
    if (honest) expect(isSealed || isShut, `sealed, not a plain ${answer.status}`).toBe(true)
    expect(isShut || (isSealed ? SEALED : PLAIN).has(answer.status), `${answer.status}`).toBe(true)
    const text = isSealed ? await opened(exchange, answer) : answer.body.toString('latin1')
    expect(victim.told(`${answer.head}\r\n${text}`, false)).toBeUndefined()
    if (isSealed && answer.status !== 200)
      expect(JSON.parse(text)).toEqual({ error: { code: expect.stringMatching(/^PM_/), message: expect.any(String) } })
    return `${isSealed ? 'sealed' : 'plain'} ${answer.status}`
  } catch (cause) {
    const shown = JSON.stringify(Buffer.from(bytes).toString('latin1').slice(0, 3_000))
    throw new Error(`${cause instanceof Error ? cause.message : cause}\nfor ${shown}`, { cause })
  }
}

test(
  'whatever is asked in a session is answered sealed, and nothing is told that is not published',
  PATIENT,
  async () => {
    const victim = await startVictim()
    await (await openSession(victim.node.url)).ask('GET', '/table')
    const before = await descriptors(victim.node)
    const seen = new Set<string>()
    await fuzz({ rounds: 3, weight: 12, limitMs: 30_000 }, async (random) => {
      const session = await openSession(victim.node.url)
      session.prepare('GET', '/', 2)
      const told = await Promise.all(Array.from({ length: AT_ONCE }, () => attack(victim, session, random)))
      for (const one of told) seen.add(one)
      expect((await session.ask('GET', '/table')).status).toBe(200)
      expect(victim.node.child.exitCode).toBeNull()
    })
    if (process.env.PORTMESH_SEED === undefined)
      expect([...seen]).toEqual(expect.arrayContaining(['sealed 200', 'sealed 400', 'sealed 404', 'plain 401']))
    await isWell(victim, before)
  },
)
