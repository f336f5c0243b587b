/** Messages of a handshake that nobody would send, keys that are none, texts of bytes in other spellings: refused by a code. */
import { expect, test } from 'vitest'
import { fromB64u, fromHex, lengthPrefixed, toB64u, toHex } from '../../../src/bytes.ts'
import { checkModulus } from '../../../src/crypto/bbs.ts'
import { toBytes } from '../../../src/crypto/bigint.ts'
import { checkPublicValue, PRIME } from '../../../src/crypto/dh.ts'
import {
  initiatorBegin,
  initiatorConfirm,
  makeKeyAnswer,
  responderAnswer,
  responderConfirm,
} from '../../../src/crypto/handshake.ts'
import { checkId, sign, verify } from '../../../src/crypto/identity.ts'
import { readMessage, readVersioned, writeFields } from '../../../src/crypto/messages.ts'
import { Metrics } from '../../../src/metrics.ts'
import { Responder } from '../../../src/session/respond.ts'
import { InSessions } from '../../../src/session/sessions.ts'
import { attempt, attemptLater, fuzz, PATIENT, type Random } from '../../helpers/random.ts'
import { directArithmetic } from '../../helpers/room.ts'
import { handshake, keyPairB, nodeA, nodeB, nodeC } from './given.ts'

const REFUSED = ['PM_BAD_HANDSHAKE', 'PM_UNSUPPORTED_VERSION', 'PM_STALE_KEY', 'PM_REFUSED']

/** What runs at every value: our own word for it, or the honest outcome for the honest message. */
const refusedOr = (outcome: { value: unknown } | { code: string }, isHonest: boolean): void => {
  if ('code' in outcome) expect(REFUSED).toContain(outcome.code)
  expect('value' in outcome, 'accepted exactly when honest').toBe(isHonest)
}

/** Fields of the right form with other values in them, or no such form at all. */
const changed = (random: Random, message: object): unknown => {
  const fields: Record<string, unknown> = { ...message }
  if (random.chance(0.5)) return random.mutatedFields(fields)
  const names = Object.keys(fields).filter((name) => name !== 'v' && name !== 'group')
  const name = random.pick(names)
  const bytes = Buffer.from(String(fields[name]), 'base64url')
  const at = random.int(bytes.length)
  bytes[at] = (bytes[at] ?? 0) ^ (1 << random.int(8))
  return { ...fields, [name]: toB64u(random.chance(0.7) ? bytes : random.bytes(bytes.length)) }
}

const equal = (a: unknown, b: unknown): boolean => {
  const sorted = (value: unknown) => JSON.stringify(Object.entries(value ?? {}).sort(([x], [y]) => (x < y ? -1 : 1)))
  return typeof a === 'object' && a !== null && sorted(a) === sorted(b)
}

test('bytes have one text, and a text that is another is none', PATIENT, async () => {
  await fuzz({ rounds: 1_000 }, (random) => {
    const bytes = random.bytes(random.length(500))
    expect(fromHex(toHex(bytes))).toEqual(bytes)
    expect(fromB64u(toB64u(bytes), bytes.length)).toEqual(bytes)
    const text = random.mutatedText(random.pick([toHex(bytes), toB64u(bytes), random.text()]))
    const hex = fromHex(text)
    if (hex) expect(toHex(hex)).toBe(text)
    const b64u = fromB64u(text, Math.floor((text.length * 3) / 4))
    if (b64u) expect(toB64u(b64u)).toBe(text)
    expect(fromB64u(text, random.number())?.length ?? 0).toBeLessThanOrEqual(text.length)
  })
})

test('fields that are joined can be told apart again', PATIENT, async () => {
  await fuzz({ rounds: 500 }, (random) => {
    const fields = random.list(6, () => (random.chance(0.5) ? random.text() : random.bytes(random.length(80))))
    const joined = Buffer.from(lengthPrefixed(...fields))
    const apart: Uint8Array[] = []
    for (let at = 0; at < joined.length; at += 4 + joined.readUInt32BE(at))
      apart.push(joined.subarray(at + 4, at + 4 + joined.readUInt32BE(at)))
    expect(apart.map(toHex)).toEqual(fields.map((field) => toHex(Buffer.from(field))))
  })
})

test('a message has its fields, each in its one spelling, or is none', PATIENT, async () => {
  const names = ['kid', 'x', 'c'] as const
  await fuzz({ rounds: 500 }, (random) => {
    const fields = { kid: random.bytes(16), x: random.bytes(384), c: random.bytes(32) }
    const texts = Object.fromEntries(Object.entries(fields).map(([name, bytes]) => [name, toB64u(bytes)]))
    const given = random.chance(0.2) ? texts : random.mutatedFields(texts)
    const read = attempt(() => readMessage(given, names))
    if ('code' in read) expect(read.code).toBe('PM_BAD_HANDSHAKE')
    else expect(equal(writeFields(read.value), given)).toBe(true)
    expect('value' in read || !equal(given, texts)).toBe(true)
    const versioned = attempt(() => readVersioned(given, names))
    if ('code' in versioned) expect(REFUSED).toContain(versioned.code)
  })
})

test('each step of a handshake takes the honest message and no other', PATIENT, async () => {
  const keyAnswer = makeKeyAnswer(nodeB(), keyPairB().publicKey)
  await fuzz({ rounds: 12 }, (random) => {
    const first = changed(random, keyAnswer)
    refusedOr(
      attempt(() => initiatorBegin({ identity: nodeA(), keyAnswer: first as never })),
      equal(first, keyAnswer),
    )
    const { begin, answer, confirm, accept } = handshake()
    const second = changed(random, begin.message)
    // Another x or c is another handshake; that nobody can end it shows only later.
    const answered = attempt(() => responderAnswer({ identity: nodeB(), ...keyPairB(), message: second as never }))
    if ('code' in answered) expect(REFUSED).toContain(answered.code)
    const third = changed(random, answer.answer)
    const state = structuredClone(begin.state)
    refusedOr(
      attempt(() => initiatorConfirm({ identity: nodeA(), state, answer: third as never })),
      equal(third, answer.answer),
    )
    const { message } = confirm()
    const fourth = changed(random, message)
    refusedOr(
      attempt(() => accept(fourth as never)),
      equal(fourth, message),
    )
    if ('value' in answered && !equal(second, begin.message)) {
      const other = { identity: nodeB(), state: answered.value.state, message }
      refusedOr(
        attempt(() => responderConfirm(other)),
        false,
      )
    }
  })
})

test('the responder answers a code to any value', PATIENT, async () => {
  const sessions = new InSessions()
  let now = 0
  const clock = () => now
  const responder = new Responder({
    identity: nodeB(),
    arithmetic: directArithmetic(),
    sessions,
    metrics: new Metrics(),
    clock,
  })
  await fuzz({ rounds: 15 }, async (random) => {
    now += random.int(2_000)
    const { message } = initiatorBegin({ identity: nodeC(), keyAnswer: await responder.keyAnswer() })
    const first = random.chance(0.3) ? message : random.chance(0.7) ? changed(random, message) : random.value()
    const begun = await attemptLater(async () => await responder.begin(first, random.text(20)))
    if ('code' in begun) expect([...REFUSED, 'PM_BUSY']).toContain(begun.code)
    const sid = 'value' in begun && random.chance(0.7) ? begun.value.sid : random.text(30)
    const last = { nA: random.bytes(32), id: random.bytes(32), bbs: random.bytes(384), sig: random.bytes(64) }
    const texts = Object.fromEntries(Object.entries({ ...last, mac: random.bytes(32) }).map(([k, v]) => [k, toB64u(v)]))
    const ended = await attemptLater(
      async () => await responder.confirm(sid, random.chance(0.5) ? texts : changed(random, texts)),
    )
    refusedOr(ended, false)
    expect(sessions.size).toBe(0)
  })
})

test(
  'an id, a public value, a modulus, a signature of any bytes is right or wrong, and nothing else',
  PATIENT,
  async () => {
    const { id, seed, modulus } = nodeA()
    const { publicKey } = keyPairB()
    await fuzz({ rounds: 80 }, (random) => {
      const sig = sign(seed, 'row', 'head')
      const bytes = random.pick([id, sig, modulus, publicKey, toBytes(PRIME, 384), random.bytes(random.length(400))])
      const given = random.chance(0.2) ? bytes : random.mutated(bytes)
      expect([true, false]).toContain(checkId(given))
      expect([true, false]).toContain(checkModulus(given))
      const checked = attempt(() => checkPublicValue(given))
      if ('code' in checked) expect(checked.code).toBe('PM_BAD_HANDSHAKE')
      else expect(given.length).toBe(384)
      const fits = Buffer.compare(given, sig) === 0
      expect(verify(id, given, 'row', 'head')).toBe(fits)
      expect(verify(given, sig, 'row', 'head')).toBe(Buffer.compare(given, id) === 0)
      expect(verify(random.bytes(32), random.bytes(64), random.text(9), random.bytes(9))).toBe(false)
    })
  },
)
