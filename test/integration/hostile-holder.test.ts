/** Holders that lie about the pieces of a content: with one honest one the right bytes come in the end, and nobody lies twice. */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Run } from '../../src/store/pieces.ts'
import { until } from '../helpers/api.ts'
import { partials } from '../helpers/faults.ts'
import { type Asked, type HolderTurn, type SharedContent, shared, startHolder } from '../helpers/holder-server.ts'
import { reached, startTaking } from '../helpers/taking.ts'

const PIECE = 128 * 1024
/** 25 pieces, the last one short. */
const content: SharedContent = shared(randomBytes(24 * PIECE + 1_000))

type Lie = readonly [what: string, asked: Asked, answer: (turn: HolderTurn) => void]

/** As many liars as there are lies, and an honest holder who gives nothing before all of them have been found out. */
const foundOut = async (lies: readonly Lie[]) => {
  const liars = await Promise.all(
    lies.map(async ([name, asked, answer]) => {
      const liar = await startHolder(content, { name })
      liar.does.set(asked, answer)
      return liar
    }),
  )
  const honest = await startHolder(content, { name: 'honest' })
  const gate = Promise.withResolvers<void>()
  honest.does.set('pieces', async (turn) => {
    await gate.promise
    turn.honest()
  })
  const taking = await startTaking([...liars, honest])
  const transfer = await taking.begin(content)
  await until(
    async () => transfer.lost.map(({ holder }) => holder.name),
    (dropped) => dropped.length === liars.length,
    15_000,
  )
  gate.resolve()
  await reached(transfer, 'done')
  expect((await taking.fileOf(transfer)).equals(content.bytes)).toBe(true)
  expect(await partials(taking.home)).toEqual([])
  expect(Object.fromEntries(transfer.helpers().map(({ holder, bytes }) => [holder.name, bytes]))).toMatchObject({
    honest: content.size,
  })
  // They are not asked by a later run either.
  expect(transfer.publishers().map(({ name }) => name)).toEqual(['honest'])
  await until(
    async () => liars.filter((liar) => liar.following() > 0).length,
    (following) => following === 0,
  )
  const codes = Object.fromEntries(transfer.lost.map(({ holder, code }) => [holder.name, code]))
  return { liars, codes }
}

const all = (lies: readonly Lie[], code: string) => Object.fromEntries(lies.map(([what]) => [what, code]))

const flipped = (bytes: Uint8Array, at: number): Buffer => {
  const copy = Buffer.from(bytes)
  copy.writeUInt8((copy[at] ?? 0) ^ 1, at)
  return copy
}

test('holders that send wrong bytes are dropped, named, and never asked again; the right ones come from the honest one', async () => {
  const wrong = (what: string, bytes: (run: Run) => Uint8Array): Lie => [
    what,
    'pieces',
    ({ send, pieces, run }) => send(pieces(run, { content: bytes(run) })),
  ]
  const lies: Lie[] = [
    wrong('other bytes', () => randomBytes(content.size)),
    wrong('one bit changed', ({ first }) => flipped(content.bytes, first * PIECE + 77)),
    wrong('the last byte changed', ({ first, count }) =>
      flipped(content.bytes, Math.min(content.size, (first + count) * PIECE) - 1),
    ),
    wrong('the bytes of its neighbour', () => Buffer.concat([content.bytes.subarray(PIECE), Buffer.alloc(PIECE)])),
    wrong('nothing but zeroes', () => new Uint8Array(content.size)),
  ]
  const { liars, codes } = await foundOut(lies)
  expect(codes).toEqual(all(lies, 'PM_WRONG_PIECE'))
  // What was on its way when another thread had looked at the first of it; one that is not dropped is asked without end.
  for (const liar of liars) expect(liar.count('pieces'), liar.name).toBeLessThanOrEqual(8)
})

test('holders whose heads name anything else than what they were asked for are dropped', async () => {
  const wrong = (what: string, answer: (turn: HolderTurn) => Buffer): Lie => [
    what,
    'pieces',
    (turn) => turn.send(answer(turn)),
  ]
  const lies: Lie[] = [
    wrong('another piece', ({ pieces, run }) => pieces({ first: (run.first + 1) % 24, count: 1 })),
    wrong('more pieces', ({ pieces, run }) => pieces({ first: 0, count: run.count + 12 })),
    wrong('no pieces', ({ pieces, run }) => pieces(run, { head: { first: run.first, count: 0 } })),
    wrong('pieces beyond the end', ({ pieces, run }) => pieces(run, { head: { first: 25, count: run.count } })),
    wrong('more pieces than bytes', ({ pieces, run }) =>
      pieces(run, { head: { first: run.first, count: run.count + 1 } }),
    ),
    wrong('millions', ({ pieces, run }) => pieces(run, { head: { first: run.first, count: 0xffff_ffff } })),
  ]
  const { liars, codes } = await foundOut(lies)
  expect(codes).toEqual(all(lies, 'PM_PEER_MISBEHAVED'))
  for (const liar of liars) expect(liar.count('pieces'), liar.name).toBeLessThanOrEqual(4)
})

test('holders of wrong layers are dropped before they are asked for anything', async () => {
  const wrong = (what: string, layer: Uint8Array): Lie => [what, 'tree', ({ sealed }) => sealed(200, layer)]
  const lies: Lie[] = [
    wrong('too short', content.layer.subarray(32)),
    wrong('too long', Buffer.concat([content.layer, Buffer.alloc(32)])),
    wrong('of another content', shared(randomBytes(content.size)).layer),
    wrong('empty', new Uint8Array()),
    wrong('not of whole nodes', content.layer.subarray(1)),
    wrong('of a mebibyte', Buffer.alloc(2 ** 20)),
  ]
  const { liars, codes } = await foundOut(lies)
  expect(codes).toEqual(all(lies, 'PM_PEER_MISBEHAVED'))
  for (const liar of liars) expect([liar.count('tree'), liar.count('pieces'), liar.count('have')]).toEqual([1, 0, 0])
})

const BITS = Math.ceil(25 / 8)
test('holders whose news are not what news may be are dropped', async () => {
  const wrong = (what: string, ...lines: readonly unknown[]): Lie => [
    what,
    'have',
    ({ live }) => {
      const { say } = live()
      for (const line of lines) say(line)
    },
  ]
  const whole = { all: true }
  const lies: Lie[] = [
    wrong('no JSON', '{"all":'),
    wrong('an array', '[]'),
    wrong('nothing about what is here', { new: [1] }),
    wrong('bits of another length', { bits: Buffer.alloc(BITS + 1).toString('base64url') }),
    wrong('bits beyond the last piece', { bits: Buffer.alloc(BITS, 0xff).toString('base64url') }),
    wrong('bits that are no base64url', { bits: '++++' }),
    wrong('bits in another spelling', { bits: 'AAAAAB' }),
    wrong('bits a second time', whole, { bits: Buffer.alloc(BITS).toString('base64url') }),
    wrong('pieces out of range', whole, { new: [25] }),
    wrong('pieces below zero', whole, { new: [-1] }),
    wrong('pieces that are no numbers', whole, { new: ['1'] }),
    wrong('more pieces than any content has', whole, { new: Array.from({ length: 16_385 }, () => 1) }),
    wrong('all, and not', { all: false }),
    wrong('peers that are no list', whole, { peers: 'localhost:1' }),
    wrong('too many peers', whole, { peers: Array.from({ length: 65 }, () => '127.0.0.1:1') }),
  ]
  const { liars, codes } = await foundOut(lies)
  expect(codes).toEqual(all(lies, 'PM_PEER_MISBEHAVED'))
  for (const liar of liars) expect(liar.count('have'), liar.name).toBe(1)
})

test('alone, a liar is given up: the transfer waits with the reason, asks nothing more, and goes on when somebody honest comes', async () => {
  const liar = await startHolder(content, { name: 'a liar' })
  liar.does.set('pieces', ({ send, pieces, run }) => send(pieces(run, { content: randomBytes(content.size) })))
  const taking = await startTaking([liar])
  const transfer = await taking.fetch(content, 'waiting')
  expect(transfer.lost.map(({ holder, code }) => [holder.name, code])).toEqual([['a liar', 'PM_WRONG_PIECE']])
  const asked = { ...(liar.runs.length && { pieces: liar.count('pieces') }), have: liar.count('have') }
  // Longer than a pause after a failure.
  await sleep(1_500)
  expect({ pieces: liar.count('pieces'), have: liar.count('have') }).toEqual(asked)
  expect(liar.count('pieces')).toBeLessThanOrEqual(4)
  const honest = await startHolder(content, { name: 'honest' })
  taking.publishers.add(honest)
  taking.changed()
  await reached(transfer, 'done')
  expect((await taking.fileOf(transfer)).equals(content.bytes)).toBe(true)
  expect(liar.count('pieces')).toBe(asked.pieces)
})

test('a liar that comes back under the same identity at another address is the same liar', async () => {
  const liar = await startHolder(content, { name: 'a liar' })
  liar.does.set('pieces', ({ send, pieces, run }) => send(pieces(run, { content: randomBytes(content.size) })))
  const taking = await startTaking([liar])
  const transfer = await taking.fetch(content, 'waiting')
  await liar.stop()
  taking.publishers.clear()
  taking.changed()
  const again = await startHolder(content, { name: 'nobody you know', identity: liar.stranger.identity })
  const honest = await startHolder(content, { slowMs: 20 })
  taking.publishers.add(again).add(honest)
  taking.changed()
  await reached(transfer, 'done')
  expect((await taking.fileOf(transfer)).equals(content.bytes)).toBe(true)
  expect([again.count('tree'), again.count('have'), again.count('pieces')]).toEqual([0, 0, 0])
})

test('alone, a holder of wrong layers leaves the transfer waiting, and is asked once', async () => {
  const liar = await startHolder(content)
  liar.does.set('tree', ({ sealed }) => sealed(200, randomBytes(content.layer.length)))
  const taking = await startTaking([liar])
  const transfer = await taking.fetch(content, 'waiting')
  await sleep(1_500)
  expect([transfer.state, liar.count('tree'), liar.count('pieces')]).toEqual(['waiting', 1, 0])
})

test('whoever says a wrong hash of a content with a right tree ends in an error, and nothing is kept', async () => {
  const honest = await startHolder(content)
  const taking = await startTaking([honest])
  const transfer = await taking.begin({ ...content, hash: '0'.repeat(64) })
  await reached(transfer, 'failed')
  expect([transfer.record.error, transfer.done, transfer.holding]).toEqual(['PM_WRONG_HASH', 0, undefined])
  expect(await partials(taking.home)).toEqual([])
})

test('addresses that a holder names are never contacted unless they are in the table', async () => {
  const [innocent, honest] = await Promise.all([startHolder(content), startHolder(content, { slowMs: 10 })])
  honest.does.set('have', ({ live }) => {
    const { say } = live()
    say({ all: true })
    say({ peers: [innocent.address, `localhost:${innocent.stranger.port}`, '127.0.0.1:1', 'xyz', '[::1]:1'] })
  })
  const taking = await startTaking([honest])
  const transfer = await taking.fetch(content)
  expect((await taking.fileOf(transfer)).equals(content.bytes)).toBe(true)
  expect(innocent.stranger.asked).toEqual([])
})

test('a node of the table that is named as a relay is followed and used', async () => {
  const relay = await startHolder(content, { name: 'a relay', pieces: [3, 4, 5, 6, 7, 8] })
  const honest = await startHolder(content, { name: 'honest', slowMs: 50 })
  honest.does.set('have', ({ live }) => {
    const { say } = live()
    say({ all: true })
    say({ peers: [relay.address] })
  })
  const taking = await startTaking([honest])
  taking.others.add(relay)
  const transfer = await taking.fetch(content)
  expect((await taking.fileOf(transfer)).equals(content.bytes)).toBe(true)
  expect(relay.runs.length).toBeGreaterThan(0)
  expect(relay.runs.every(({ first }) => first >= 3 && first <= 8)).toBe(true)
})
