/** The jobs of handshake-worker.ts as typed calls. */
import type { initiatorBegin, initiatorConfirm, responderAnswer, responderConfirm } from '../crypto/handshake.ts'
import type { Identity } from '../crypto/identity.ts'
import { errorFromCode, Internal } from '../errors.ts'
import { type WorkerPool, workerFile } from '../workers.ts'
import type { KeyPair, Outcome } from './handshake-worker.ts'

const FILE = workerFile('./handshake-worker', import.meta.url)

type Job<Function_ extends (task: never) => unknown> = (
  task: Parameters<Function_>[0],
) => Promise<ReturnType<Function_>>

/** What a handshake has computed elsewhere; each call throws the errors of crypto/handshake.ts, and Busy when too many wait. */
export interface Arithmetic {
  readonly makeKey: (identity: Identity) => Promise<KeyPair>
  readonly begin: Job<typeof initiatorBegin>
  readonly confirm: Job<typeof initiatorConfirm>
  readonly answer: Job<typeof responderAnswer>
  readonly accept: Job<typeof responderConfirm>
}

export const arithmeticIn = (pool: WorkerPool): Arithmetic => {
  const job =
    <Task, Value>(name: string) =>
    async (task: Task): Promise<Value> => {
      const outcome = await pool.run<Outcome<Value>>(FILE, task, { name })
      if ('value' in outcome) return outcome.value
      throw errorFromCode(outcome.code) ?? new Internal()
    }
  return {
    makeKey: job('makeKey'),
    begin: job('begin'),
    confirm: job('confirm'),
    answer: job('answer'),
    accept: job('accept'),
  }
}
