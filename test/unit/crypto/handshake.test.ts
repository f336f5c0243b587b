import { expect, test } from 'vitest'
import { fromB64u } from '../../../src/bytes.ts'
import {
  initiatorBegin,
  initiatorConfirm,
  makeKeyAnswer,
  OTHER_MESH,
  responderAnswer,
  responderConfirm,
} from '../../../src/crypto/handshake.ts'
import { meshSecret } from '../../../src/crypto/keys.ts'
import { bytes, handshake, hex, keyPairA, keyPairB, nodeA, nodeB, nodeC, vector } from './given.ts'

test.each([
  ['without a mesh key', 'open'],
  ['with a mesh key', 'mesh'],
] as const)('the published run comes out %s, whatever travels between threads', (_name, run) => {
  const { input, messages } = vector
  const expected = vector[run]
  const psk = run === 'mesh' ? { psk: meshSecret(bytes(input.mesh_key)) } : {}
  const keyAnswer = makeKeyAnswer(nodeB(), keyPairB().publicKey)
  expect(JSON.stringify(keyAnswer)).toBe(messages.getkey)

  const begin = structuredClone(
    initiatorBegin({
      identity: nodeA(),
      keyAnswer,
      expectedId: vector.common.idB,
      ephemeral: keyPairA(),
      nA: bytes(input.nA),
      ...psk,
    }),
  )
  expect(JSON.stringify(begin.message)).toBe(messages.session)
  expect(hex(begin.peerId)).toBe(vector.common.idB)

  const [nB, sid] = [bytes(input.nB), bytes(input.sid)]
  const answer = structuredClone(
    responderAnswer({ identity: nodeB(), ...keyPairB(), message: begin.message, nB, sid, ...psk }),
  )
  if (run === 'open') expect(JSON.stringify(answer.answer)).toBe(messages.session_answer)
  expect(hex(answer.state.secret)).toBe(expected.prk0)
  expect(hex(fromB64u(answer.answer.sig, 64))).toBe(expected.sigB)
  expect(hex(fromB64u(answer.answer.mac, 32))).toBe(expected.macB)

  const confirm = structuredClone(initiatorConfirm({ identity: nodeA(), state: begin.state, answer: answer.answer }))
  if (run === 'open') expect(JSON.stringify(confirm.message)).toBe(messages.confirm)
  expect(hex(fromB64u(confirm.message.sig, 64))).toBe(expected.sigA)
  expect(hex(fromB64u(confirm.message.mac, 32))).toBe(expected.macA)
  expect(hex(confirm.fin)).toBe(expected.fin)

  const accepted = structuredClone(
    responderConfirm({ identity: nodeB(), state: answer.state, message: confirm.message }),
  )
  if (run === 'open') expect(JSON.stringify(accepted.answer)).toBe(messages.confirm_answer)
  expect(hex(fromB64u(accepted.answer.fin, 32))).toBe(expected.fin)
  expect(hex(accepted.peerId)).toBe(vector.common.idA)
  expect(hex(accepted.peerModulus)).toBe(vector.input.N_A)
  for (const end of [confirm, accepted]) {
    expect(hex(end.sid)).toBe(input.sid)
    expect(end.sasIndices).toEqual(expected.sas_indices)
    for (const direction of ['i2r', 'r2i'] as const) {
      expect(hex(end.keys[direction].enc)).toBe(expected[direction].K_enc)
      expect(hex(end.keys[direction].auth)).toBe(expected[direction].K_auth)
    }
  }
})

test('two handshakes of the same nodes with the same public value have nothing in common', () => {
  const ends = [handshake(), handshake()].map(({ confirm }) => confirm())
  const values = ends.flatMap(({ sid, fin, keys, message }) => [
    ...[sid, fin, keys.i2r.enc, keys.i2r.auth, keys.r2i.enc, keys.r2i.auth].map(hex),
    message.nA,
    message.sig,
  ])
  expect(new Set(values).size).toBe(values.length)
})

test('a replayed first message gets another session', () => {
  const { begin } = handshake()
  const answers = [1, 2].map(() => responderAnswer({ identity: nodeB(), ...keyPairB(), message: begin.message }))
  expect(new Set(answers.map(({ answer }) => answer.sid)).size).toBe(2)
  expect(new Set(answers.map(({ answer }) => answer.mac)).size).toBe(2)
})

test('a key that was expected is found, as hex and as bytes', () => {
  const keyAnswer = makeKeyAnswer(nodeB(), keyPairB().publicKey)
  for (const expectedId of [nodeB().id, vector.common.idB])
    expect(hex(initiatorBegin({ identity: nodeA(), keyAnswer, expectedId }).peerId)).toBe(vector.common.idB)
})

test('nothing that has to be secret is left after the last step, also when it fails', () => {
  const zero = (secret: Uint8Array): boolean => secret.every((byte) => byte === 0)
  const good = handshake()
  const state = structuredClone(good.begin.state)
  const { message } = initiatorConfirm({ identity: nodeA(), state, answer: good.answer.answer })
  expect([state.privateKey, state.psk].every(zero)).toBe(true)
  responderConfirm({ identity: nodeB(), state: good.answer.state, message })
  expect(zero(good.answer.state.secret)).toBe(true)

  const bad = handshake()
  expect(() => initiatorConfirm({ identity: nodeA(), state: bad.begin.state, answer: good.answer.answer })).toThrow()
  expect(zero(bad.begin.state.privateKey)).toBe(true)
  expect(() => responderConfirm({ identity: nodeB(), state: bad.answer.state, message })).toThrow()
  expect(zero(bad.answer.state.secret)).toBe(true)
})

test('the responder key survives a handshake that zeroes its own', () => {
  const pair = keyPairB()
  const { message } = handshake().begin
  responderAnswer({ identity: nodeB(), ...pair, message })
  expect(hex(pair.privateKey)).toBe(hex(keyPairB().privateKey))
})

test('the mesh secret of the node survives a handshake that zeroes its own', () => {
  const psk = meshSecret(new Uint8Array(16).fill(1))
  const { begin, answer } = handshake({ pskA: psk, pskB: psk })
  initiatorConfirm({ identity: nodeA(), state: begin.state, answer: answer.answer })
  expect(hex(psk)).toBe(hex(meshSecret(new Uint8Array(16).fill(1))))
})

test('a state is good for one confirm', () => {
  const { begin, answer } = handshake()
  const options = { identity: nodeA(), state: begin.state, answer: answer.answer }
  initiatorConfirm(options)
  expect(() => initiatorConfirm(options)).toThrow()
})

const mesh = (fill: number): Uint8Array => meshSecret(new Uint8Array(16).fill(fill))

test.each([
  ['the initiator has another mesh key', { pskA: mesh(1), pskB: mesh(2) }],
  ['only the initiator has a mesh key', { pskA: mesh(1) }],
  ['only the responder has a mesh key', { pskB: mesh(1) }],
])('stops before the initiator shows itself when %s, and says so', (_name, psks) => {
  const { confirm } = handshake(psks)
  expect(confirm).toThrow(expect.objectContaining({ code: 'PM_REFUSED', cause: OTHER_MESH }))
})

test('members of one mesh understand each other', () => {
  const { confirm, accept } = handshake({ pskA: mesh(1), pskB: mesh(1) })
  const { message, fin } = confirm()
  expect(hex(fromB64u(accept(message).answer.fin, 32))).toBe(hex(fin))
})

test('somebody in the middle with keys of its own makes the words differ', () => {
  const [left, right] = [handshake({ b: nodeC() }), handshake({ a: nodeC() })]
  const atA = left.confirm()
  const toB = right.confirm()
  expect(atA.sasIndices).not.toEqual(right.accept(toB.message).sasIndices)
})
