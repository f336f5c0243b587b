/**
 * The four steps of a handshake as pure functions (PROTOCOL.md, "Handshake"). They run in a worker thread, so everything that goes in
 * or comes out is plain: texts, numbers, bytes. What they are given for nonces and keys is for test vectors; left out, it is fresh.
 * Secrets are zeroed after use as far as JavaScript allows: BigInts cannot be wiped, nor copies that travelled between threads.
 */
import { randomBytes } from 'node:crypto'
import { equalBytes, fromHex, toB64u } from '../bytes.ts'
import { BadHandshake, Refused, StaleKey } from '../errors.ts'
import { checkModulus } from './bbs.ts'
import { checkPublicValue, type DhKeyPair, GROUP, generateDh, sharedSecret } from './dh.ts'
import { checkId, type Identity, sign, verify } from './identity.ts'
import { deriveKeys, NO_MESH, type SessionKeys, VERSION } from './keys.ts'
import {
  type BeginAnswer,
  type BeginMessage,
  type ConfirmAnswer,
  type ConfirmMessage,
  type KeyAnswer,
  readMessage,
  readVersioned,
  writeFields,
} from './messages.ts'
import {
  commitment,
  extractSecret,
  finish,
  hash1,
  hash2,
  hash3,
  hash4,
  kidOf,
  mainSecret,
  type Opening,
  type Party,
  type Proof,
  proofMac,
  sasIndices,
} from './transcript.ts'

export type { BeginAnswer, BeginMessage, ConfirmAnswer, ConfirmMessage, KeyAnswer } from './messages.ts'
export { kidOf } from './transcript.ts'

const NONCE_BYTES = 32
const SID_BYTES = 16

/** `cause` of a Refused when the peer signed well but its MAC is wrong: another mesh key, or somebody in the middle. */
export const OTHER_MESH = 'another mesh key'

/** What the initiator keeps between its two messages. Secret; good for one confirm, which zeroes it. */
export interface InitiatorState {
  readonly privateKey: Uint8Array
  readonly psk: Uint8Array
  readonly x: Uint8Array
  readonly c: Uint8Array
  readonly y: Uint8Array
  readonly nA: Uint8Array
  readonly peer: Party
}

/** What the responder keeps between two messages. Secret; good for one confirm, which zeroes it. */
export interface ResponderState {
  readonly secret: Uint8Array
  readonly opening: Opening
  readonly proof: Proof
}

/** An open session: 16 bytes of `sid`, its keys, and the indices of the three words people compare. */
export interface Opened {
  readonly sid: Uint8Array
  readonly keys: SessionKeys
  readonly sasIndices: number[]
}

/** The answer to /getkey for a Diffie-Hellman value of 384 bytes. Self-signed and without a date: it authenticates nobody. */
export const makeKeyAnswer = (identity: Identity, publicKey: Uint8Array): KeyAnswer => {
  const { id, seed, modulus } = identity
  const sig = sign(seed, 'getkey', GROUP, publicKey, id, modulus)
  return { v: VERSION, group: GROUP, ...writeFields({ dh: publicKey, kid: kidOf(publicKey), id, bbs: modulus, sig }) }
}

export interface InitiatorBegin {
  readonly identity: Identity
  readonly keyAnswer: KeyAnswer
  /** The id that must answer, 32 bytes or their hex. */
  readonly expectedId?: Uint8Array | string
  /** The mesh secret, 32 bytes. */
  readonly psk?: Uint8Array
  readonly ephemeral?: DhKeyPair
  readonly nA?: Uint8Array
}

/**
 * The initiator reads /getkey and makes the first message.
 * @returns besides message and state, the id that /getkey claims; it is proved only by the next step.
 * @throws UnsupportedVersion, BadHandshake; Refused when the id is one's own or not the expected one.
 */
export const initiatorBegin = ({
  identity,
  keyAnswer,
  expectedId,
  psk = NO_MESH,
  ephemeral,
  nA = fresh(NONCE_BYTES),
}: InitiatorBegin): { message: BeginMessage; state: InitiatorState; peerId: Uint8Array } => {
  const { dh: y, kid, id, bbs, sig } = readVersioned(keyAnswer, ['dh', 'kid', 'id', 'bbs', 'sig'])
  if (!checkId(id)) throw new BadHandshake()
  if (equalBytes(id, identity.id) || !isExpected(id, expectedId)) throw new Refused()
  if (!equalBytes(kid, kidOf(y))) throw new BadHandshake()
  checkPublicValue(y)
  if (!checkModulus(bbs) || !verify(id, sig, 'getkey', GROUP, y, id, bbs)) throw new BadHandshake()
  const { privateKey, publicKey: x } = ephemeral ?? generateDh()
  const c = commitment(nA, identity)
  return {
    message: { v: VERSION, group: GROUP, ...writeFields({ kid, x, c }) },
    state: { privateKey, psk: copy(psk), x, c, y, nA, peer: { id, modulus: bbs } },
    peerId: id,
  }
}

export interface ResponderAnswer extends DhKeyPair {
  readonly identity: Identity
  readonly message: BeginMessage
  /** The mesh secret, 32 bytes. */
  readonly psk?: Uint8Array
  readonly nB?: Uint8Array
  readonly sid?: Uint8Array
}

/**
 * The responder answers the first message with the key pair its `kid` names.
 * @throws UnsupportedVersion, BadHandshake; StaleKey when the message names another key.
 */
export const responderAnswer = ({
  identity,
  privateKey,
  publicKey: y,
  message,
  psk = NO_MESH,
  nB = fresh(NONCE_BYTES),
  sid = fresh(SID_BYTES),
}: ResponderAnswer): { answer: BeginAnswer; state: ResponderState } => {
  const { kid, x, c } = readVersioned(message, ['kid', 'x', 'c'])
  if (!equalBytes(kid, kidOf(y))) throw new StaleKey()
  checkPublicValue(x)
  const secret = agree(privateKey, x, psk)
  const opening = { x, c, y, nB, sid }
  const th1 = hash1(opening)
  const th2 = hash2(th1, identity)
  const sig = sign(identity.seed, 'sig R', th2)
  const proof = { sig, mac: proofMac(secret, 'R', th1, th2, sig) }
  return { answer: writeFields({ sid, nB, ...proof }), state: { secret, opening, proof } }
}

export interface InitiatorConfirm {
  readonly identity: Identity
  readonly state: InitiatorState
  readonly answer: BeginAnswer
}

/**
 * The initiator checks who answered, and only then shows itself. Zeroes the state, whatever the outcome.
 * @returns besides the message and the session, the `fin` (32 bytes) that the responder must answer.
 * @throws BadHandshake for the form; Refused when signature or MAC is wrong, with cause `OTHER_MESH` when only the MAC is.
 */
export const initiatorConfirm = ({
  identity,
  state,
  answer,
}: InitiatorConfirm): Opened & { message: ConfirmMessage; fin: Uint8Array } => {
  let secret: Uint8Array | undefined
  try {
    const { sid, nB, ...proofB } = readMessage(answer, ['sid', 'nB', 'sig', 'mac'])
    const { x, c, y, nA, peer } = state
    const opening = { x, c, y, nB, sid }
    const th1 = hash1(opening)
    const th2 = hash2(th1, peer)
    if (!verify(peer.id, proofB.sig, 'sig R', th2)) throw new Refused()
    secret = agree(state.privateKey, y, state.psk)
    if (!equalBytes(proofB.mac, proofMac(secret, 'R', th1, th2, proofB.sig))) throw new Refused({ cause: OTHER_MESH })
    const th3 = hash3(th2, proofB, nA, identity)
    const sig = sign(identity.seed, 'sig I', th3)
    const proofA = { sig, mac: proofMac(secret, 'I', th1, th3, sig) }
    const th4 = hash4(th3, proofA)
    const keys = sessionKeys(secret, th4, identity.modulus, peer.modulus)
    const message = writeFields({ nA, id: identity.id, bbs: identity.modulus, ...proofA })
    return { message, fin: finish(keys, th4), keys, sid, sasIndices: sasIndices(opening, nA, identity.id, peer.id) }
  } finally {
    wipe(secret, state.privateKey, state.psk)
  }
}

export interface ResponderConfirm {
  readonly identity: Identity
  readonly state: ResponderState
  readonly message: ConfirmMessage
}

/**
 * The responder checks who asks, and opens the session. Zeroes the state, whatever the outcome.
 * @throws BadHandshake for the form; Refused for everything else, without saying which check failed.
 */
export const responderConfirm = ({
  identity,
  state,
  message,
}: ResponderConfirm): Opened & { answer: ConfirmAnswer; peerId: Uint8Array; peerModulus: Uint8Array } => {
  const { secret, opening, proof } = state
  try {
    const { nA, id, bbs: modulus, ...proofA } = readMessage(message, ['nA', 'id', 'bbs', 'sig', 'mac'])
    const peer = { id, modulus }
    if (!checkId(id) || equalBytes(id, identity.id)) throw new Refused()
    if (!equalBytes(opening.c, commitment(nA, peer)) || !checkModulus(modulus)) throw new Refused()
    const th1 = hash1(opening)
    const th3 = hash3(hash2(th1, identity), proof, nA, peer)
    if (!verify(id, proofA.sig, 'sig I', th3)) throw new Refused()
    if (!equalBytes(proofA.mac, proofMac(secret, 'I', th1, th3, proofA.sig))) throw new Refused()
    const th4 = hash4(th3, proofA)
    const keys = sessionKeys(secret, th4, modulus, identity.modulus)
    return {
      answer: { fin: toB64u(finish(keys, th4)) },
      peerId: id,
      peerModulus: modulus,
      keys,
      sid: opening.sid,
      sasIndices: sasIndices(opening, nA, id, identity.id),
    }
  } finally {
    wipe(secret)
  }
}

/** prk0. */
const agree = (privateKey: Uint8Array, peerPublic: Uint8Array, psk: Uint8Array): Uint8Array => {
  const shared = sharedSecret(privateKey, peerPublic)
  const secret = extractSecret(shared, psk)
  wipe(shared)
  return secret
}

const sessionKeys = (
  secret: Uint8Array,
  th4: Uint8Array,
  initiatorModulus: Uint8Array,
  responderModulus: Uint8Array,
): SessionKeys => {
  const main = mainSecret(secret, th4)
  const keys = deriveKeys(main, initiatorModulus, responderModulus)
  wipe(main)
  return keys
}

const isExpected = (id: Uint8Array, expected: Uint8Array | string | undefined): boolean => {
  const bytes = typeof expected === 'string' ? fromHex(expected) : expected
  return expected === undefined || (bytes !== undefined && equalBytes(id, bytes))
}

const fresh = (length: number): Uint8Array => copy(randomBytes(length))

/** Bytes of their own: a Buffer may be a window on memory that others use, and would travel with all of it. */
const copy = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes)

const wipe = (...secrets: readonly (Uint8Array | undefined)[]): void => {
  for (const secret of secrets) secret?.fill(0)
}
