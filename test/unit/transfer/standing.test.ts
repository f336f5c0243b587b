import { expect, test } from 'vitest'
import { FileChanged, NotPublished, PeerMisbehaved, WrongPiece } from '../../../src/errors.ts'
import { Standing } from '../../../src/transfer/standing.ts'
import { Vain } from '../../../src/transfer/vain.ts'

const holder = (id: string) => ({ id, name: `node ${id}`, address: `127.0.0.1:${id}` })

test('who lied stays dropped, whoever has not got what he said can come back', () => {
  const standing = new Standing(() => 0)
  expect(standing.lose(holder('1'), new WrongPiece('a'))).toBe('PM_WRONG_PIECE')
  expect(standing.lose(holder('2'), new PeerMisbehaved('a'))).toBe('PM_PEER_MISBEHAVED')
  expect(standing.lose(holder('3'), new FileChanged())).toBe('PM_FILE_CHANGED')
  expect(standing.lose(holder('4'), new NotPublished())).toBe('PM_NOT_PUBLISHED')
  expect(standing.lose(holder('4'), new FileChanged())).toBe('PM_FILE_CHANGED')
  expect(['1', '2', '3', '4'].map((id) => standing.lied(holder(id)))).toEqual([true, true, false, false])
  expect(standing.lost).toHaveLength(4)
  standing.gave(holder('3'), 10)
  expect(standing.lost.map(({ holder: { id } }) => id)).toEqual(['1', '2', '4'])
  standing.forgive()
  expect(standing.lost.map(({ holder: { id } }) => id)).toEqual(['1', '2'])
  // Also at another address, and under another name.
  expect(standing.lied({ id: '1', name: 'somebody else', address: '127.0.0.1:99' })).toBe(true)
})

test('of many who were dropped the latest are remembered, and all who lied', () => {
  const standing = new Standing(() => 0)
  for (let id = 0; id < 50; id++) standing.lose(holder(String(id)), new PeerMisbehaved('a'))
  expect(standing.lost.map(({ holder: { id } }) => Number(id))).toEqual(Array.from({ length: 16 }, (_, i) => 34 + i))
  expect(standing.lied(holder('0'))).toBe(true)
})

test('counts what each gave, and how fast', () => {
  let nowMs = 0
  const standing = new Standing(() => nowMs)
  standing.received(holder('1'), 3_000)
  standing.gave(holder('1'), 2_000)
  standing.received(holder('2'), 1_000)
  nowMs = 1_000
  const figures = standing.helpers().map(({ holder: { id }, bytes, rate }) => [id, bytes, Math.round(rate)])
  expect(figures).toEqual([
    ['1', 2_000, 3_000],
    ['2', 0, 1_000],
  ])
})

/** Vain attempts, and a clock that stands where it is put. */
const attempts = () => {
  const clock = { ms: 0 }
  return { clock, vain: new Vain(() => clock.ms) }
}

test('whoever was asked in vain is left alone for a second, then longer, at most half a minute', () => {
  const { clock, vain } = attempts()
  expect(vain.allows(['a'])).toBe(true)
  for (const seconds of [1, 2, 4, 8, 16, 30, 30]) {
    vain.note(['a', 'b'], false)
    clock.ms += seconds * 1_000 - 1
    expect(vain.allows(['a'])).toBe(false)
    expect(vain.allows(['a', 'b'])).toBe(false)
    clock.ms += 1
    expect(vain.allows(['a'])).toBe(true)
  }
  vain.note(['a'], true)
  clock.ms += 1_000
  expect(vain.allows(['a'])).toBe(true)
})

test('somebody new is asked at once, and so is whoever was away', () => {
  const { vain } = attempts()
  for (let round = 0; round < 5; round++) vain.note(['a'], false)
  expect(vain.allows(['a', 'c'])).toBe(true)
  expect(vain.allows(['a'])).toBe(false)
  expect(vain.allows([])).toBe(false)
  expect(vain.allows(['a'])).toBe(true)
  for (let round = 0; round < 5; round++) vain.note(['a'], false)
  expect(vain.allows(['a'])).toBe(false)
  vain.forget()
  expect(vain.allows(['a'])).toBe(true)
})
