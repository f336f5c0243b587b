import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { fingerprint } from '../../../src/crypto/identity.ts'
import { BadRequest, DiskFull, NameTaken, UnknownPeer } from '../../../src/errors.ts'
import { type Acquaintance, Acquaintances, shortFingerprint } from '../../../src/trust/acquaintances.ts'

const idOf = (name: string): string => createHash('sha256').update(name).digest('hex')
const BEN = idOf('ben')
const CHLOE = idOf('chloe')
const EVE = idOf('eve')

/** The disk is a map, and the clock is what a test says. */
const setUp = (kept: Acquaintance[] = []) => {
  const disk = new Map(kept.map((one) => [one.id, one]))
  const clock = { now: 1_000 }
  const full = { is: false }
  const troubles: unknown[] = []
  let told = 0
  const start = (): Acquaintances => {
    const acquaintances = new Acquaintances({
      load: () => [...disk.values()],
      save: (changed) => {
        if (full.is) throw new DiskFull()
        for (const one of changed) disk.set(one.id, one)
      },
      remove: (ids) => {
        for (const id of ids) disk.delete(id)
      },
      onTrouble: (error) => troubles.push(error),
      tell: () => {
        told += 1
      },
      now: () => clock.now,
    })
    acquaintances.start()
    return acquaintances
  }
  return { start, clock, full, disk, troubles, told: () => told }
}

const ben = { id: BEN, name: 'Ben' }
const chloe = { id: CHLOE, name: 'Chloé' }

test('whoever is met is pinned with the day, and keeps it whatever he calls himself', () => {
  const { start, clock } = setUp()
  start().meet([ben])
  clock.now = 5_000
  const later = start()
  later.meet([{ id: BEN, name: 'Benjamin' }, chloe])
  expect(later.all().map(({ id, name, metMs }) => [id, name, metMs])).toEqual([
    [BEN, 'Benjamin', 1_000],
    [CHLOE, 'Chloé', 5_000],
  ])
})

test('who leaves the table is forgotten, but not who was named or blocked', () => {
  const { start, disk } = setUp()
  const who = start()
  who.meet([ben, chloe, { id: EVE, name: 'Eve' }])
  who.name(BEN, 'Library PC')
  who.block(CHLOE, '127.0.0.1:5003')
  who.meet([])
  expect([...disk.keys()].sort()).toEqual([BEN, CHLOE].sort())
  const later = start()
  expect(later.petname(BEN)).toBe('Library PC')
  expect(later.isBlocked(CHLOE)).toBe(true)
  expect(later.isBlocked(BEN)).toBe(false)
  expect(later.get(EVE)).toBeUndefined()
})

test('a name is given, kept and taken away again', () => {
  const { start, told } = setUp()
  const who = start()
  who.meet([ben])
  who.name(BEN, '  Library   PC ')
  expect([start().petname(BEN), told()]).toEqual(['Library PC', 1])
  who.name(BEN, '')
  expect([start().petname(BEN), told()]).toEqual([undefined, 2])
})

test('one name is given to one computer only, however it is written', () => {
  const { start } = setUp()
  const who = start()
  who.meet([ben, chloe])
  who.name(BEN, 'Library PC')
  expect(() => who.name(CHLOE, 'LIBRARY-PС')).toThrow(NameTaken)
  expect(who.petname(CHLOE)).toBeUndefined()
  who.name(BEN, 'library pc')
  expect(who.petname(BEN)).toBe('library pc')
})

test('nobody can be named who was never met, nor with a name that is too long', () => {
  const { start } = setUp()
  const who = start()
  who.meet([ben])
  expect(() => who.name(CHLOE, 'Chloé')).toThrow(UnknownPeer)
  expect(() => who.block(CHLOE, undefined)).toThrow(UnknownPeer)
  expect(() => who.name(BEN, 'x'.repeat(65))).toThrow(BadRequest)
})

test('what could not be kept has not happened', () => {
  const { start, full } = setUp()
  const who = start()
  who.meet([ben])
  full.is = true
  expect(() => who.block(BEN, undefined)).toThrow(DiskFull)
  expect(who.isBlocked(BEN)).toBe(false)
})

test('a full disk keeps nobody from being met', () => {
  const { start, full, troubles } = setUp()
  const who = start()
  full.is = true
  who.meet([ben])
  expect([who.get(BEN)?.metMs, troubles.length]).toEqual([1_000, 1])
})

test('a block remembers where to look when it is taken back', () => {
  const { start } = setUp()
  const who = start()
  who.meet([ben])
  who.block(BEN, '127.0.0.1:5001')
  const later = start()
  expect(later.unblock(BEN)).toBe('127.0.0.1:5001')
  expect([later.isBlocked(BEN), start().isBlocked(BEN)]).toEqual([false, false])
})

test('a lie is marked with its day until the person takes the mark away', () => {
  const { start, clock } = setUp()
  const who = start()
  who.meet([ben])
  clock.now = 7_000
  who.lied(BEN, 'PM_WRONG_PIECE')
  who.lied(EVE, 'PM_WRONG_PIECE')
  expect(start().get(BEN)?.lied).toEqual({ atMs: 7_000, code: 'PM_WRONG_PIECE' })
  expect(who.get(EVE)).toBeUndefined()
  who.trustAgain(BEN)
  expect(start().get(BEN)?.lied).toBeUndefined()
})

test('another key with the name a person has given is an alarm, and gets nothing of it', () => {
  const { start, clock } = setUp()
  const who = start()
  who.meet([ben])
  who.name(BEN, 'Library PC')
  clock.now = 9_000
  who.meet([ben, { id: EVE, name: 'librаry pc' }])
  expect(who.warningOf(EVE)).toEqual({ kind: 'pretends', other: who.get(BEN) })
  expect([who.petname(EVE), who.warningOf(BEN)]).toEqual([undefined, undefined])
  expect(who.pretenders().map(({ who: { id } }) => id)).toEqual([EVE])
})

test('the name that a named one gives itself is an alarm for newcomers, not for those who were there before', () => {
  const { start, clock } = setUp()
  const who = start()
  const same = [ben, { id: CHLOE, name: 'Ben' }]
  who.meet(same)
  clock.now = 2_000
  who.name(BEN, 'Library PC')
  clock.now = 3_000
  who.meet([...same, { id: EVE, name: 'Ben' }])
  expect(who.warningOf(EVE)?.kind).toBe('pretends')
  expect(who.warningOf(CHLOE)?.kind).not.toBe('pretends')
})

test('two that only call themselves the same are told apart quietly: the later one is said to be another', () => {
  const { start, clock } = setUp()
  const who = start()
  who.meet([ben])
  clock.now = 2_000
  who.meet([ben, { id: EVE, name: 'BEN' }])
  expect(who.warningOf(EVE)).toEqual({ kind: 'same name', other: who.get(BEN) })
  expect(who.warningOf(BEN)).toBeUndefined()
  expect(who.pretenders()).toEqual([])
})

test('whom the person named himself pretends nothing, whatever he calls himself', () => {
  const { start } = setUp()
  const who = start()
  who.meet([ben, { id: EVE, name: 'Library PC' }])
  who.name(BEN, 'Library PC')
  expect(who.warningOf(EVE)?.kind).toBe('pretends')
  who.name(EVE, 'The old one')
  expect(who.warningOf(EVE)).toBeUndefined()
})

test('an alarm goes when the name does', () => {
  const { start } = setUp()
  const who = start()
  who.meet([ben, { id: EVE, name: 'Library PC' }])
  who.name(BEN, 'Library PC')
  who.name(BEN, '')
  expect(who.warningOf(EVE)).toBeUndefined()
})

test('that something was given is remembered, and written once', () => {
  const { start, told } = setUp()
  const who = start()
  who.meet([ben])
  who.gave(BEN)
  who.gave(BEN)
  expect([start().get(BEN)?.wasGiven, told()]).toEqual([true, 1])
})

test('the short fingerprint is the beginning of the long one', () => {
  expect(shortFingerprint(BEN)).toMatch(/^([0-9a-f]{4} ){3}[0-9a-f]{4}$/)
  expect(fingerprint(Buffer.from(BEN, 'hex')).startsWith(shortFingerprint(BEN).replaceAll(' ', ''))).toBe(true)
})
