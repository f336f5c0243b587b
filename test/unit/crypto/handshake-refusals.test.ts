import { expect, test } from 'vitest'
import { fromB64u, toB64u } from '../../../src/bytes.ts'
import { toBytes } from '../../../src/crypto/bigint.ts'
import { PRIME } from '../../../src/crypto/dh.ts'
import {
  type BeginMessage,
  type ConfirmMessage,
  initiatorBegin,
  initiatorConfirm,
  type KeyAnswer,
  kidOf,
  makeKeyAnswer,
  OTHER_MESH,
  responderAnswer,
  responderConfirm,
} from '../../../src/crypto/handshake.ts'
import { sign } from '../../../src/crypto/identity.ts'
import { commitment, hash1, hash2 } from '../../../src/crypto/transcript.ts'
import ed25519 from '../../vectors/ed25519.json' with { type: 'json' }
import { bytes, codeOf, flipped, handshake, keyPairB, nodeA, nodeB, nodeC } from './given.ts'

const good = handshake()
const keyAnswer = makeKeyAnswer(nodeB(), keyPairB().publicKey)
const confirmed = good.confirm()

type Loose = Readonly<Record<string, unknown>>

/** What a peer sends has no type. */
const foreign = (message: unknown): never => message as never

/** Each message, and what the one who gets it makes of it: the code of an error, or undefined. */
const readers = {
  keyAnswer: {
    message: { ...keyAnswer } as Loose,
    read: (message: Loose) => codeOf(() => initiatorBegin({ identity: nodeA(), keyAnswer: foreign(message) })),
  },
  begin: {
    message: { ...good.begin.message } as Loose,
    read: (message: Loose) =>
      codeOf(() => responderAnswer({ identity: nodeB(), ...keyPairB(), message: foreign(message) })),
  },
  answer: {
    message: { ...good.answer.answer } as Loose,
    read: (message: Loose) =>
      codeOf(() =>
        initiatorConfirm({ identity: nodeA(), state: structuredClone(good.begin.state), answer: foreign(message) }),
      ),
  },
  confirm: {
    message: { ...confirmed.message } as Loose,
    read: (message: Loose) => codeOf(() => good.accept(foreign(message))),
  },
}

type Name = keyof typeof readers
const names = Object.keys(readers) as Name[]
const fields = names.flatMap((name) => Object.keys(readers[name].message).map((field): [Name, string] => [name, field]))
const encoded = fields.filter(([, field]) => field !== 'v' && field !== 'group')

const decode = (text: unknown): Uint8Array => new Uint8Array(Buffer.from(String(text), 'base64url'))

test.each(names)('takes the message as it is: %s', (name) => {
  const { message, read } = readers[name]
  expect(read(message)).toBeUndefined()
})

test.each(fields)('refuses the form of a message without its field: %s, %s', (name, field) => {
  const { message, read } = readers[name]
  const { [field]: _gone, ...rest } = message
  expect(read(rest)).toBe('PM_BAD_HANDSHAKE')
})

test.each(fields)('refuses the form of a message whose field is no text: %s, %s', (name, field) => {
  const { message, read } = readers[name]
  for (const value of [null, undefined, 1, true, {}, [message[field]], decode(message[field])])
    expect(read({ ...message, [field]: value })).toBe('PM_BAD_HANDSHAKE')
})

test.each(names)('refuses the form of a message with a field more, or of no message at all: %s', (name) => {
  const { message, read } = readers[name]
  for (const more of [{ extra: 'x' }, { psk: '' }, JSON.parse('{"__proto__":"x"}')])
    expect(read({ ...message, ...more })).toBe('PM_BAD_HANDSHAKE')
  for (const none of [{}, [], null, 'text', 7]) expect(read(foreign(none))).toBe('PM_BAD_HANDSHAKE')
})

test.each(encoded)('refuses another length or spelling of the same bytes: %s, %s', (name, field) => {
  const { message, read } = readers[name]
  const text = String(message[field])
  const value = decode(text)
  const spellings = [
    toB64u(value.slice(0, -1)),
    toB64u(value.slice(1)),
    toB64u(Uint8Array.of(...value, 0)),
    toB64u(Uint8Array.of(0, ...value)),
    '',
    `${text}=`,
    `${text}\n`,
    ` ${text}`,
    `${text.slice(0, 5)} ${text.slice(5)}`,
    `${text.slice(0, 5)}!${text.slice(5)}`,
    Buffer.from(value).toString('hex'),
    Buffer.from(value).toString('base64'),
  ].filter((spelling) => spelling !== text)
  // The last character of 16, 32 and 64 bytes carries bits that mean nothing: only one of its spellings is right.
  if (value.length !== 384) spellings.push(...'ABCDEFGHIJKLMNOP'.split('').map((last) => text.slice(0, -1) + last))
  for (const spelling of new Set(spellings)) {
    if (fromB64u(spelling, value.length)) continue // another value, rightly spelled
    expect(read({ ...message, [field]: spelling })).toBe('PM_BAD_HANDSHAKE')
  }
})

test.each([
  ['keyAnswer', 'v'],
  ['keyAnswer', 'group'],
  ['begin', 'v'],
  ['begin', 'group'],
] as const)('another text is another version, before anything else is looked at: %s, %s', (name, field) => {
  const { message, read } = readers[name]
  for (const text of ['portmesh/2', 'modp14', 'PORTMESH/1', '', 'portmesh/1 '])
    expect(read({ ...message, [field]: text })).toBe('PM_UNSUPPORTED_VERSION')
  expect(read({ [field]: 'other' })).toBe('PM_UNSUPPORTED_VERSION')
  expect(read({ ...message, [field]: 'other', dh: 1, x: 1, more: 1 })).toBe('PM_UNSUPPORTED_VERSION')
})

const CODE_OF_FLIPPED: Readonly<Record<Name, (field: string) => string>> = {
  keyAnswer: () => 'PM_BAD_HANDSHAKE',
  begin: (field) => (field === 'kid' ? 'PM_STALE_KEY' : 'PM_REFUSED'),
  answer: () => 'PM_REFUSED',
  confirm: () => 'PM_REFUSED',
}

/** A changed first message is noticed at the latest by the initiator, whose transcript is another one. */
const readToTheEnd = (name: Name, message: Loose): string | undefined => {
  if (name !== 'begin') return readers[name].read(message)
  return codeOf(() => {
    const changed = responderAnswer({ identity: nodeB(), ...keyPairB(), message: foreign(message) })
    initiatorConfirm({ identity: nodeA(), state: structuredClone(good.begin.state), answer: changed.answer })
  })
}

test.each(encoded)('a bit changed anywhere ends the handshake: %s, %s', (name, field) => {
  const { message } = readers[name]
  const value = decode(message[field])
  for (const at of [0, value.length >> 1, -1]) {
    const code = readToTheEnd(name, { ...message, [field]: toB64u(flipped(value, at)) })
    const expected = CODE_OF_FLIPPED[name](field)
    // A changed x may or may not be a square.
    expect(field === 'x' ? ['PM_BAD_HANDSHAKE', 'PM_REFUSED'] : [expected]).toContain(code)
  }
})

/** What B would sign if it were dishonest. */
const forgedKeyAnswer = (changes: { dh?: Uint8Array; id?: Uint8Array; bbs?: Uint8Array }, b = nodeB()): KeyAnswer => {
  const { dh = keyPairB().publicKey, id = b.id, bbs = b.modulus } = changes
  const sig = sign(b.seed, 'getkey', 'modp15', dh, id, bbs)
  const texts = { dh: toB64u(dh), kid: toB64u(kidOf(dh)), id: toB64u(id), bbs: toB64u(bbs), sig: toB64u(sig) }
  return { v: 'portmesh/1', group: 'modp15', ...texts }
}

test.each([
  ['0', 0n],
  ['1', 1n],
  ['p - 1', PRIME - 1n],
  ['p', PRIME],
  ['p - 2', PRIME - 2n],
])('refuses the public value %s from both sides, though it is signed and named rightly', (_name, value) => {
  const y = toBytes(value, 384)
  expect(codeOf(() => initiatorBegin({ identity: nodeA(), keyAnswer: forgedKeyAnswer({ dh: y }) }))).toBe(
    'PM_BAD_HANDSHAKE',
  )
  const message: BeginMessage = { ...good.begin.message, x: toB64u(y) }
  expect(codeOf(() => responderAnswer({ identity: nodeB(), ...keyPairB(), message }))).toBe('PM_BAD_HANDSHAKE')
})

test('refuses a rotten modulus from both sides, though it is signed and committed to', () => {
  for (const bbs of [new Uint8Array(384), new Uint8Array(384).fill(0xff), flipped(nodeB().modulus, -1)]) {
    expect(codeOf(() => initiatorBegin({ identity: nodeA(), keyAnswer: forgedKeyAnswer({ bbs }) }))).toBe(
      'PM_BAD_HANDSHAKE',
    )
    const { confirm, accept } = handshake({ a: { ...nodeA(), modulus: bbs } })
    expect(codeOf(() => accept(refusable(confirm)))).toBe('PM_REFUSED')
  }
})

/** With 0 for a modulus not even the liar can compute keys; then the message is made up. */
const refusable = (confirm: ReturnType<typeof handshake>['confirm']): ConfirmMessage => {
  try {
    return confirm().message
  } catch {
    return confirmed.message
  }
}

test.each(ed25519.weak)('refuses the weak id %s from both sides', (weak) => {
  const id = bytes(weak)
  expect(codeOf(() => initiatorBegin({ identity: nodeA(), keyAnswer: forgedKeyAnswer({ id }) }))).toBe(
    'PM_BAD_HANDSHAKE',
  )
  const { state } = structuredClone(good.answer)
  const nA = new Uint8Array(32)
  const c = commitment(nA, { id, modulus: nodeA().modulus })
  const message = { ...confirmed.message, id: toB64u(id), nA: toB64u(nA) }
  const weakState = { ...state, opening: { ...state.opening, c } }
  expect(codeOf(() => responderConfirm({ identity: nodeB(), state: weakState, message }))).toBe('PM_REFUSED')
})

test('refuses to speak with itself, in both roles', () => {
  const own = makeKeyAnswer(nodeA(), keyPairB().publicKey)
  expect(codeOf(() => initiatorBegin({ identity: nodeA(), keyAnswer: own }))).toBe('PM_REFUSED')
  // A copied home: the same identity, its state made as if it had begun with another.
  const { confirm, answer } = handshake({ a: nodeA(), b: nodeB() })
  const { message } = confirm()
  expect(codeOf(() => responderConfirm({ identity: nodeA(), state: answer.state, message }))).toBe('PM_REFUSED')
})

test('refuses another node than the expected one, and an expectation that is no id', () => {
  for (const expectedId of [nodeC().id, 'ff'.repeat(32), 'no hex', '', new Uint8Array(0)])
    expect(codeOf(() => initiatorBegin({ identity: nodeA(), keyAnswer, expectedId }))).toBe('PM_REFUSED')
})

test('refuses the answer and the confirm of another handshake between the same nodes', () => {
  const [one, two] = [handshake(), handshake()]
  const state = structuredClone(one.begin.state)
  expect(codeOf(() => initiatorConfirm({ identity: nodeA(), state, answer: two.answer.answer }))).toBe('PM_REFUSED')
  expect(codeOf(() => two.accept(one.confirm().message))).toBe('PM_REFUSED')
  expect(codeOf(() => one.accept(one.confirm().message))).toBeUndefined()
})

test('refuses a proof that is sent back to the one who made it', () => {
  const { answer, accept, confirm } = handshake()
  const { sig, mac } = answer.answer
  expect(codeOf(() => accept({ ...confirm().message, sig, mac }))).toBe('PM_REFUSED')
})

test('a node that hands out the public value of another as its own cannot finish', () => {
  const keyAnswerOfC = makeKeyAnswer(nodeC(), keyPairB().publicKey)
  const begin = initiatorBegin({ identity: nodeA(), keyAnswer: keyAnswerOfC, expectedId: nodeC().id })
  // C relays to B, who knows the secret, and B answers under its own name.
  const { answer, state } = responderAnswer({ identity: nodeB(), ...keyPairB(), message: begin.message })
  const relayed = { identity: nodeA(), state: structuredClone(begin.state), answer }
  expect(codeOf(() => initiatorConfirm(relayed))).toBe('PM_REFUSED')
  // C signs itself, but has no key for the MAC.
  const sig = toB64u(sign(nodeC().seed, 'sig R', hash2(hash1(state.opening), nodeC())))
  const resigned = { ...relayed, state: begin.state, answer: { ...answer, sig } }
  expect(() => initiatorConfirm(resigned)).toThrow(expect.objectContaining({ code: 'PM_REFUSED', cause: OTHER_MESH }))
})

test('a responder with another private key than its public value is found out', () => {
  const { begin } = handshake()
  const { answer } = responderAnswer({
    identity: nodeB(),
    privateKey: new Uint8Array(35).fill(9),
    publicKey: keyPairB().publicKey,
    message: begin.message,
  })
  expect(codeOf(() => initiatorConfirm({ identity: nodeA(), state: begin.state, answer }))).toBe('PM_REFUSED')
})

test('refuses an initiator that shows another nonce or modulus than it committed to', () => {
  for (const change of ['nonce', 'modulus'] as const) {
    const { begin, answer, accept } = handshake()
    const state = change === 'nonce' ? { ...begin.state, nA: new Uint8Array(32).fill(5) } : begin.state
    const identity = change === 'modulus' ? { ...nodeA(), modulus: nodeB().modulus } : nodeA()
    // Signature and MAC are made over what is shown, and hold.
    const { message } = initiatorConfirm({ identity, state, answer: answer.answer })
    expect(codeOf(() => accept(message))).toBe('PM_REFUSED')
  }
})

test('refuses both roles to a node that has the id of another, but not its key', () => {
  const falseA = { ...nodeA(), seed: nodeC().seed }
  const asInitiator = handshake({ a: falseA })
  expect(codeOf(() => asInitiator.accept(asInitiator.confirm().message))).toBe('PM_REFUSED')
  // Even with the private key of the public value that B has signed.
  const falseB = { ...nodeB(), seed: nodeC().seed }
  const { answer } = responderAnswer({ identity: falseB, ...keyPairB(), message: good.begin.message })
  const state = structuredClone(good.begin.state)
  expect(codeOf(() => initiatorConfirm({ identity: nodeA(), state, answer }))).toBe('PM_REFUSED')
})

test('tells nobody which of its checks a confirm failed', () => {
  const texts = (['nA', 'id', 'bbs', 'sig', 'mac'] as const).map((field) => {
    const message = { ...confirmed.message, [field]: toB64u(flipped(decode(confirmed.message[field]), 3)) }
    try {
      good.accept(message)
    } catch (error) {
      return error instanceof Error ? `${error.message} ${String(error.cause)}` : ''
    }
    return 'accepted'
  })
  expect(new Set(texts).size).toBe(1)
  expect(texts[0]).toContain('refused')
})
