/** The arithmetic of a handshake, in a thread of its own: Diffie-Hellman, Jacobi symbols and squarings would hold up the event loop. */
import { keepCompiled } from '../compiled.ts'
import { generateDh } from '../crypto/dh.ts'
import {
  initiatorBegin,
  initiatorConfirm,
  type KeyAnswer,
  makeKeyAnswer,
  responderAnswer,
  responderConfirm,
} from '../crypto/handshake.ts'
import type { Identity } from '../crypto/identity.ts'
import { isOurs } from '../errors.ts'

keepCompiled({ sleeps: true })

/** A Diffie-Hellman key pair and what /getkey says of it. */
export interface KeyPair {
  readonly privateKey: Uint8Array
  readonly publicKey: Uint8Array
  readonly answer: KeyAnswer
}

/** Errors lose their class between threads, so a job answers with a value or with the code of the error. */
export type Outcome<Value> = { readonly value: Value } | { readonly code: string }

const outcome = <Task, Value>(job: (task: Task) => Value): ((task: Task) => Outcome<Value>) => {
  return (task) => {
    try {
      return { value: job(task) }
    } catch (error) {
      if (isOurs(error)) return { code: error.code }
      throw error
    }
  }
}

export const makeKey = outcome((identity: Identity): KeyPair => {
  const { privateKey, publicKey } = generateDh()
  return { privateKey, publicKey, answer: makeKeyAnswer(identity, publicKey) }
})
export const begin = outcome(initiatorBegin)
export const confirm = outcome(initiatorConfirm)
export const answer = outcome(responderAnswer)
export const accept = outcome(responderConfirm)
