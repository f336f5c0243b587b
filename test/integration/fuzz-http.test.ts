/** The whole program under requests that nobody sends: it answers a code or ends the connection, tells nothing, and goes on. */
import { expect, test } from 'vitest'
import { publish } from '../helpers/api.ts'
import { hostileRequest } from '../helpers/hostile-requests.ts'
import { fuzz, PATIENT, type Random } from '../helpers/random.ts'
import { startRoom } from '../helpers/room.ts'
import { answersIn, descriptors, send, type WireAnswer } from '../helpers/wire.ts'
import { isWell, startVictim, type Victim } from './fuzz-victim.ts'

const SENSIBLE = new Set([
  100, 200, 201, 202, 206, 303, 304, 400, 401, 403, 404, 408, 409, 412, 413, 415, 416, 417, 421, 429, 431,
])
/** What chance reaches: beyond the guards, too. */
const REACHED = [200, 400, 401, 404, 415, 421]
const AT_ONCE = 100

const shown = (bytes: Uint8Array): string => JSON.stringify(Buffer.from(bytes).toString('latin1').slice(0, 3_000))

/** @throws with the request when the answer is one that must not be. */
const isSensible = ({ told }: Victim, answer: WireAnswer, own: boolean): void => {
  const { status, headers, head, body } = answer
  if (!SENSIBLE.has(status)) throw new Error(`status ${status}: ${body.toString('latin1').slice(0, 500)}`)
  const isError = status >= 400
  const leak = told(`${head}\r\n${body.toString('latin1')}`, own && !isError)
  if (leak) throw new Error(`status ${status}, it tells ${leak}`)
  if (!answer.whole || !isError || body.length === 0 || !headers.get('content-type')?.startsWith('application/json'))
    return
  const { error } = JSON.parse(body.toString('utf8'))
  expect(error).toEqual({ code: expect.stringMatching(/^PM_[A-Z_]+$/), message: expect.any(String) })
}

/** One connection: a request, several at once, or the beginning of one, in any pieces. */
const attack = async (victim: Victim, random: Random): Promise<readonly WireAnswer[]> => {
  const requests = Array.from({ length: random.chance(0.85) ? 1 : 2 + random.int(4) }, () =>
    hostileRequest(random, victim.known),
  )
  const all = Buffer.concat(requests.map(({ bytes }) => bytes))
  const bytes = random.chance(0.15) ? all.subarray(0, random.int(all.length)) : all
  const then = random.pick(['wait', 'wait', 'wait', 'end', 'reset'] as const)
  const pieces = random.chance(0.8) || bytes.length > 5_000 ? [bytes] : random.chunks(bytes)
  const came = await send({ port: victim.node.port, pieces, then })
  const own = requests.some((request) => request.own)
  try {
    const answers = answersIn(came)
    for (const answer of answers) isSensible(victim, answer, own)
    return answers
  } catch (cause) {
    throw new Error(`${cause instanceof Error ? cause.message : cause}\nfor ${shown(bytes)}`, { cause })
  }
}

test('whatever is sent to whatever route is answered by a code, and nothing is told', PATIENT, async () => {
  const victim = await startVictim()
  expect(victim.known.routes.length).toBeGreaterThan(20)
  const before = await descriptors(victim.node)
  const statuses = new Map<number, number>()
  await fuzz({ rounds: 3, weight: 12, limitMs: 30_000 }, async (random) => {
    // Somebody has unpublished everything by now.
    for (const name of victim.known.names) await publish(victim.node.url, name)
    const answers = await Promise.all(Array.from({ length: AT_ONCE }, () => attack(victim, random)))
    for (const { status } of answers.flat()) statuses.set(status, (statuses.get(status) ?? 0) + 1)
    expect(victim.node.child.exitCode).toBeNull()
  })
  if (process.env.PORTMESH_SEED === undefined) expect([...statuses.keys()]).toEqual(expect.arrayContaining(REACHED))
  await isWell(victim, before)
})

// PORTMESH_SEED=20250101
test('what is no request of HTTP is answered by a code like everything else', async () => {
  const { port } = await startRoom()
  const known = [
    ['GET /alive HTTP/1.1\r\nHost: x\r\nSec-Fetch-Mode: navigavd\x05\r\n\r\n', 400],
    [`GET /alive HTTP/1.1\r\nA: ${'a'.repeat(70_000)}\r\n\r\n`, 431],
    ['no request at all\r\n\r\n', 400],
  ] as const
  for (const [bytes, status] of known) {
    const [answer, more] = answersIn(await send({ port, pieces: [Buffer.from(bytes, 'latin1')] }))
    expect([answer?.status, answer?.whole, more]).toEqual([status, true, undefined])
    expect(JSON.parse(String(answer?.body)).error.code).toBe('PM_BAD_REQUEST')
  }
})
