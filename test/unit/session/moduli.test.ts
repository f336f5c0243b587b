import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Moduli } from '../../../src/session/moduli.ts'

const modulusOf = (value: number): Uint8Array => new Uint8Array(384).fill(value)

/** Says that the modulus of sevens is prime, and how it was asked. */
const setUp = (pauseMs: number) => {
  const asked: number[] = []
  let running = 0
  let most = 0
  const isPrime = async ([first = 0]: Uint8Array): Promise<boolean> => {
    asked.push(first)
    running += 1
    most = Math.max(most, running)
    await turn()
    running -= 1
    return first === 7
  }
  return { moduli: new Moduli({ isPrime, pauseMs }), asked, most: () => most }
}

test('each modulus is looked at once, however many handshakes it is in', async () => {
  const { moduli, asked } = setUp(0)
  const all = await Promise.all([7, 8, 7, 7, 8].map((value) => moduli.isPrime(modulusOf(value))))
  expect(all).toEqual([true, false, true, true, false])
  expect(await moduli.isPrime(modulusOf(7))).toBe(true)
  expect(asked.sort()).toEqual([7, 8])
})

test('a storm of new moduli is looked at one after the other', async () => {
  const { moduli, most } = setUp(0)
  await Promise.all(Array.from({ length: 10 }, (_, value) => moduli.isPrime(modulusOf(value))))
  expect(most()).toBe(1)
})

test('nothing is looked at before what the handshake was made for had its time', async () => {
  const { moduli, asked } = setUp(60_000)
  void moduli.isPrime(modulusOf(7))
  await sleep(50)
  expect(asked).toEqual([])
})

test('no more moduli are remembered than a node has sessions', async () => {
  const { moduli, asked } = setUp(0)
  const names = Array.from({ length: 1_025 }, (_, at) => Uint8Array.of(at % 256, at >> 8))
  await Promise.all(names.map((modulus) => moduli.isPrime(modulus)))
  const before = asked.length
  await moduli.isPrime(names.at(-1) ?? new Uint8Array())
  expect(asked.length).toBe(before)
  await moduli.isPrime(names[0] ?? new Uint8Array())
  expect(asked.length).toBe(before + 1)
})
