/** Strangers that lie in a handshake, against the routes and rooms of a real node. */
import { expect, test } from 'vitest'
import { fromB64u, toB64u } from '../../src/bytes.ts'
import { sharedSecret } from '../../src/crypto/dh.ts'
import { initiatorBegin, initiatorConfirm, makeKeyAnswer } from '../../src/crypto/handshake.ts'
import { NO_MESH } from '../../src/crypto/keys.ts'
import { extractSecret, hash1, hash2, hash3, proofMac } from '../../src/crypto/transcript.ts'
import { startRoom } from '../helpers/room.ts'
import {
  getKey,
  halfHandshake,
  type PlainAnswer,
  sendBegin,
  sendConfirm,
  strangerIdentity,
} from '../helpers/stranger.ts'

const REFUSED = { status: 403, code: 'PM_REFUSED' }
const MALFORMED = { status: 400, code: 'PM_BAD_HANDSHAKE' }

const told = ({ status, code }: PlainAnswer) => ({ status, code })

/** A text of base64url that decodes to other bytes of the same length. */
const flipped = (text: string): string => `${text.startsWith('A') ? 'B' : 'A'}${text.slice(1)}`

/** What can be done to one field of a message. */
const damages = (field: string, text: string): [string, unknown][] => [
  [`${field} is flipped`, flipped(text)],
  [`${field} is cut`, text.slice(0, -4)],
  [`${field} is longer`, `${text}AAAA`],
  [`${field} stands there twice`, text + text],
  [`${field} is empty`, ''],
  [`${field} is padded`, `${text}=`],
  [`${field} is a number`, 1],
  [`${field} is a list`, [text]],
  [`${field} is null`, null],
  [`${field} is missing`, undefined],
]

test('a confirm opens one session, however often it is sent', async () => {
  const { url, sessions } = await startRoom()
  const { confirm } = await halfHandshake(url)
  expect((await sendConfirm(url, confirm.sid, confirm.message)).status).toBe(200)
  expect(told(await sendConfirm(url, confirm.sid, confirm.message))).toEqual(REFUSED)
  expect(sessions.size).toBe(1)
})

test('a first message that is sent again leads to keys nobody else has', async () => {
  const { url, sessions } = await startRoom()
  const { begin, answer, confirm } = await halfHandshake(url)
  const again = JSON.parse((await sendBegin(url, begin.message)).bytes.toString())
  expect(again.sid).not.toBe(answer.sid)
  expect(again.nB).not.toBe(answer.nB)
  expect(told(await sendConfirm(url, again.sid, confirm.message))).toEqual(REFUSED)
  expect(sessions.size).toBe(0)
})

test('messages of two handshakes cannot be mixed, and one wrong confirm ends an attempt', async () => {
  const { url, sessions } = await startRoom()
  const identity = strangerIdentity()
  const [one, two] = [await halfHandshake(url, identity), await halfHandshake(url, identity)]
  expect(told(await sendConfirm(url, two.confirm.sid, one.confirm.message))).toEqual(REFUSED)
  expect(told(await sendConfirm(url, two.confirm.sid, two.confirm.message))).toEqual(REFUSED)
  const { sig } = two.confirm.message
  expect(told(await sendConfirm(url, one.confirm.sid, { ...one.confirm.message, sig }))).toEqual(REFUSED)
  expect(sessions.size).toBe(0)
})

test("a node's own proofs are not taken for somebody else's", async () => {
  const { url, sessions } = await startRoom()
  const key = await getKey(url)
  const x = key.dh
  const { answer, confirm } = await halfHandshake(url)
  const mirrored = { ...confirm.message, id: key.id, bbs: key.bbs, sig: answer.sig, mac: answer.mac }
  expect(told(await sendConfirm(url, confirm.sid, mirrored))).toEqual(REFUSED)
  const begun = await sendBegin(url, { v: key.v, group: key.group, kid: key.kid, x, c: confirm.message.nA })
  const { sid, sig, mac } = JSON.parse(begun.bytes.toString())
  expect(told(await sendConfirm(url, sid, { ...mirrored, sig, mac }))).toEqual(REFUSED)
  expect(sessions.size).toBe(0)
})

test('nobody speaks to a node under its own identity, even with its key', async () => {
  const { url, identity, sessions } = await startRoom()
  const key = await getKey(url)
  const y = fromB64u(key.dh, 384) ?? new Uint8Array()
  // The key under another name, so that our own arithmetic goes along; then what the node itself would send.
  const begin = initiatorBegin({ identity, keyAnswer: makeKeyAnswer(strangerIdentity(), y) })
  const answer = JSON.parse((await sendBegin(url, begin.message)).bytes.toString())
  const state = { ...begin.state, peer: identity }
  const confirm = initiatorConfirm({ identity, state, answer })
  expect(told(await sendConfirm(url, answer.sid, confirm.message))).toEqual(REFUSED)
  expect(sessions.size).toBe(0)
})

test('every damaged field of either message ends without a session', async () => {
  const { url, sessions } = await startRoom()
  const [first] = [await halfHandshake(url)]
  for (const [field, text] of Object.entries(first.begin.message)) {
    for (const [what, value] of damages(field, text)) {
      const answer = await sendBegin(url, { ...first.begin.message, [field]: value })
      // Another c, or another x that is still a public value, is found out by the confirm.
      if (answer.status === 200 && (field === 'c' || field === 'x')) {
        const { sid } = JSON.parse(answer.bytes.toString())
        expect(told(await sendConfirm(url, sid, first.confirm.message)), what).toEqual(REFUSED)
      } else {
        expect([400, 409], what).toContain(answer.status)
        expect(answer.code, what).toMatch(/^PM_(BAD_HANDSHAKE|UNSUPPORTED_VERSION|STALE_KEY)$/)
      }
    }
  }
  const base = { ...(await halfHandshake(url)) }
  const bucket = 24
  let used = 0
  for (const [field, text] of Object.entries(base.confirm.message)) {
    for (const [what, value] of damages(field, text)) {
      // A source has 64 first messages at once, and this test is one source.
      if (++used > bucket) await new Promise((resolve) => setTimeout(resolve, 35))
      const { confirm } = await halfHandshake(url, base.identity)
      const answer = await sendConfirm(url, confirm.sid, { ...confirm.message, [field]: value })
      expect([400, 403], what).toContain(answer.status)
      expect(answer.code, what).toMatch(/^PM_(BAD_HANDSHAKE|REFUSED)$/)
      expect(answer.bytes.toString(), what).not.toContain(field === 'id' ? 'modulus' : field)
    }
  }
  expect(sessions.size).toBe(0)
})

test('a sid nobody has is refused, one that is no sid is malformed', async () => {
  const { url } = await startRoom()
  const { confirm } = await halfHandshake(url)
  expect(told(await sendConfirm(url, toB64u(new Uint8Array(16)), confirm.message))).toEqual(REFUSED)
  for (const sid of ['', 'A', `${'A'.repeat(21)}B`, 'A'.repeat(23), '%00'.repeat(8), '__proto__', '..%2f..'])
    expect([MALFORMED, { status: 401, code: 'PM_NO_SESSION' }]).toContainEqual(
      told(await sendConfirm(url, sid, confirm.message)),
    )
})

test('a modulus that is not allowed is refused at the confirm, however well everything is signed', async () => {
  const { url, sessions } = await startRoom()
  const good = strangerIdentity()
  const bad = (change: (bytes: Uint8Array) => void) => {
    const modulus = new Uint8Array(good.modulus)
    change(modulus)
    return { ...good, modulus }
  }
  const last = good.modulus[383] ?? 0
  const moduli = {
    even: bad((bytes) => bytes.set([last - 1], 383)),
    '3 mod 4': bad((bytes) => bytes.set([last ^ 2], 383)),
    'too short': bad((bytes) => bytes.set([0x7f], 0)),
    'divisible by 3': bad((bytes) => bytes.fill(0).set([0x80]) ?? bytes.set([1], 383)),
  }
  for (const [what, identity] of Object.entries(moduli)) {
    const { confirm } = await halfHandshake(url, identity)
    expect(told(await sendConfirm(url, confirm.sid, confirm.message)), what).toEqual(REFUSED)
  }
  expect(sessions.size).toBe(0)
})

test('the identity whose one signature holds for every message opens nothing', async () => {
  const { url, sessions } = await startRoom()
  const neutral = Uint8Array.of(1, ...new Uint8Array(31))
  const identity = { ...strangerIdentity(), id: neutral }
  const { state, message } = initiatorBegin({ identity, keyAnswer: await getKey(url) })
  const { sid, nB, sig, mac } = JSON.parse((await sendBegin(url, message)).bytes.toString())
  const bytes = (text: string, length: number) => fromB64u(text, length) ?? new Uint8Array()
  const secret = extractSecret(sharedSecret(state.privateKey, state.y), NO_MESH)
  const th1 = hash1({ x: state.x, c: state.c, y: state.y, nB: bytes(nB, 32), sid: bytes(sid, 16) })
  const th3 = hash3(hash2(th1, state.peer), { sig: bytes(sig, 64), mac: bytes(mac, 32) }, state.nA, identity)
  const universal = Uint8Array.of(1, ...new Uint8Array(63))
  const confirm = {
    nA: toB64u(state.nA),
    id: toB64u(neutral),
    bbs: toB64u(identity.modulus),
    sig: toB64u(universal),
    mac: toB64u(proofMac(secret, 'I', th1, th3, universal)),
  }
  expect(told(await sendConfirm(url, sid, confirm))).toEqual(REFUSED)
  expect(sessions.size).toBe(0)
})
