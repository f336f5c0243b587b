import { expect, test } from 'vitest'
import { HintBudget } from '../../../src/discovery/hint-budget.ts'

const take = (budget: HintBudget, peer: string, times: number): number =>
  Array.from({ length: times }, () => budget.take(peer)).filter(Boolean).length

test('a peer makes us look at a few addresses, all together at some more, and later at a few again', () => {
  let now = 0
  const limits = { ofPeer: { burst: 4, perS: 1 }, all: { burst: 10, perS: 2 } }
  const budget = new HintBudget(limits, () => now)
  expect(take(budget, 'a', 100)).toBe(4)
  expect(take(budget, 'b', 100)).toBe(4)
  // Whoever asks in vain takes nothing from the others.
  expect(take(budget, 'a', 1000)).toBe(0)
  expect(take(budget, 'c', 100)).toBe(2)
  now = 1_000
  expect(take(budget, 'a', 100)).toBe(1)
  expect(take(budget, 'b', 100)).toBe(1)
  expect(take(budget, 'c', 100)).toBe(0)
})
