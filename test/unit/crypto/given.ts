/** What the tests of this folder share: the published run of a handshake, its two nodes, and small tools. */
import { fromHex, toHex } from '../../../src/bytes.ts'
import {
  initiatorBegin,
  initiatorConfirm,
  makeKeyAnswer,
  responderAnswer,
  responderConfirm,
} from '../../../src/crypto/handshake.ts'
import { type Identity, identityFrom } from '../../../src/crypto/identity.ts'
import { isOurs } from '../../../src/errors.ts'
import vector from '../../vectors/handshake-1.json' with { type: 'json' }

export { vector }

export const bytes = (hex: string): Uint8Array => {
  const found = fromHex(hex)
  if (!found) throw new Error(`not hex: ${hex}`)
  return found
}

export const hex = (value: Uint8Array | undefined): string => (value ? toHex(value) : '')

/** Every test gets nodes and keys of its own: some are zeroed after use. */
export const nodeA = (): Identity => identityFrom(bytes(vector.input.seedA), bytes(vector.input.N_A))
export const nodeB = (): Identity => identityFrom(bytes(vector.input.seedB), bytes(vector.input.N_B))
/** A third node, with the seed of nobody and the modulus of A. */
export const nodeC = (): Identity => identityFrom(new Uint8Array(32).fill(7), bytes(vector.input.N_A))

export const keyPairA = () => ({ privateKey: bytes(vector.input.a), publicKey: bytes(vector.common.x) })
export const keyPairB = () => ({ privateKey: bytes(vector.input.b), publicKey: bytes(vector.common.y) })

/** The code of what a function throws; undefined when it does not throw. Anything that is not ours is a fault. */
export const codeOf = (run: () => unknown): string | undefined => {
  try {
    run()
  } catch (error) {
    if (isOurs(error)) return error.code
    throw error
  }
  return undefined
}

/** As `codeOf`, for what fails later. */
export const codeOfLater = async (run: () => Promise<unknown>): Promise<string | undefined> => {
  try {
    await run()
  } catch (error) {
    if (isOurs(error)) return error.code
    throw error
  }
  return undefined
}

/** A copy with one bit changed; negative positions count from the end. */
export const flipped = (value: Uint8Array, at = 0): Uint8Array => {
  const copy = new Uint8Array(value)
  const position = at < 0 ? copy.length + at : at
  copy[position] = (copy[position] ?? 0) ^ 1
  return copy
}

/** The first three messages between A and B, with fresh nonces, up to where the responder has to decide. */
export const handshake = (
  options: { a?: Identity; b?: Identity; pskA?: Uint8Array; pskB?: Uint8Array } = {},
): {
  begin: ReturnType<typeof initiatorBegin>
  answer: ReturnType<typeof responderAnswer>
  confirm: () => ReturnType<typeof initiatorConfirm>
  accept: (message: ReturnType<typeof initiatorConfirm>['message']) => ReturnType<typeof responderConfirm>
} => {
  const { a = nodeA(), b = nodeB(), pskA, pskB } = options
  const keyAnswer = makeKeyAnswer(b, keyPairB().publicKey)
  const begin = initiatorBegin({ identity: a, keyAnswer, ...(pskA ? { psk: pskA } : {}) })
  const answer = responderAnswer({ identity: b, ...keyPairB(), message: begin.message, ...(pskB ? { psk: pskB } : {}) })
  return {
    begin,
    answer,
    confirm: () => initiatorConfirm({ identity: a, state: structuredClone(begin.state), answer: answer.answer }),
    accept: (message) => responderConfirm({ identity: b, state: structuredClone(answer.state), message }),
  }
}
