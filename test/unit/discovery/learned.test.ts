import { expect, test } from 'vitest'
import { Learned } from '../../../src/discovery/learned.ts'

const learning = () => {
  const clock = { now: 0 }
  return { clock, learned: new Learned(() => clock.now) }
}

/** Look in vain whenever it is due. @returns when that was, ms. */
const looksOf = (address: string, untilMs: number, { clock, learned }: ReturnType<typeof learning>): number[] => {
  const at: number[] = []
  for (; clock.now <= untilMs; clock.now += 1_000) {
    if (!learned.due().includes(address)) continue
    at.push(clock.now)
    learned.looked(address, false)
  }
  return at
}

test('of one host 16 rumours are kept, whatever the host is', () => {
  for (const host of ['10.0.0.1', '[fd00::1]']) {
    const { learned } = learning()
    const heard = Array.from({ length: 100 }, (_, index) => learned.hear(`${host}:${5000 + index}`))
    expect(heard.filter(Boolean)).toHaveLength(16)
    expect(learned.due()).toHaveLength(16)
    expect(learned.hear('10.0.0.10:5000')).toBe(true)
  }
})

test('256 rumours are kept in all, and there is room again when one is gone; what the person types always has room', () => {
  const { learned } = learning()
  const address = (index: number): string => `10.0.${index >> 8}.${index & 255}:5000`
  const heard = Array.from({ length: 1_000 }, (_, index) => learned.hear(address(index)))
  expect(heard.filter(Boolean)).toHaveLength(256)
  expect(learned.hear('10.9.9.9:5000')).toBe(false)
  expect(learned.hear('10.9.9.8:5000', true)).toBe(true)
  expect(learned.due()).toHaveLength(257)
  for (const index of [0, 1]) learned.forget(address(index))
  expect(learned.hear('10.9.9.9:5000')).toBe(true)
})

test('a rumour is looked at four times with growing pauses, then forgotten, and may be heard anew', () => {
  const all = learning()
  const { learned } = all
  learned.hear('10.0.0.1:5000')
  expect(looksOf('10.0.0.1:5000', 3_600_000, all)).toEqual([0, 4_000, 12_000, 28_000])
  expect(learned.hear('10.0.0.1:5000')).toBe(true)
})

test('hearing a rumour again does not make it due before its time', () => {
  const { learned, clock } = learning()
  learned.hear('10.0.0.1:5000')
  learned.looked('10.0.0.1:5000', false)
  expect(learned.hear('10.0.0.1:5000')).toBe(false)
  clock.now = 4_000
  expect(learned.hear('10.0.0.1:5000')).toBe(true)
})

test('where a node was found the table goes on', () => {
  const { learned, clock } = learning()
  learned.hear('10.0.0.1:5000')
  learned.looked('10.0.0.1:5000', true)
  clock.now = 3_600_000
  expect(learned.due()).toEqual([])
})

test('what was typed is looked at for ever, at last once a minute, also when it was found or is told by others', () => {
  const all = learning()
  const { learned } = all
  learned.hear('10.0.0.1:5000', true)
  const looks = looksOf('10.0.0.1:5000', 600_000, all)
  const pauses = looks.slice(1).map((at, index) => at - (looks[index] ?? 0))
  expect(pauses.slice(0, 6)).toEqual([4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
  expect(new Set(pauses.slice(4))).toEqual(new Set([60_000]))
  learned.looked('10.0.0.1:5000', true)
  expect(learned.hear('10.0.0.1:5000')).toBe(false)
  expect(learned.typed()).toEqual(['10.0.0.1:5000'])
  // The person asks once more: now.
  expect(learned.hear('10.0.0.1:5000', true)).toBe(true)
  expect(learned.due()).toEqual(['10.0.0.1:5000'])
})

test('a rumour that is typed is kept from then on, and one that is taken out is gone', () => {
  const all = learning()
  const { learned } = all
  learned.hear('10.0.0.1:5000')
  expect(learned.typed()).toEqual([])
  learned.hear('10.0.0.1:5000', true)
  expect(looksOf('10.0.0.1:5000', 600_000, all).length).toBeGreaterThan(4)
  learned.forget('10.0.0.1:5000')
  expect([learned.typed(), learned.due()]).toEqual([[], []])
})
