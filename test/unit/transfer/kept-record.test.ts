import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { DiskFull } from '../../../src/errors.ts'
import { openState } from '../../../src/store/state.ts'
import type { TransferRecord } from '../../../src/store/transfers.ts'
import { KeptRecord } from '../../../src/transfer/kept-record.ts'
import { tempDir } from '../../helpers/process.ts'
import { membersOf, PIECE, setOf } from './content-fixture.ts'

const SIZE = 4 * PIECE
const RECORD: TransferRecord = {
  ...{ id: '0123456789abcdef', root: 'a'.repeat(64), hash: 'b'.repeat(64), size: SIZE, name: 'a.bin' },
  ...{ state: 'queued', error: undefined, createdMs: 1, endedMs: undefined, finalName: undefined },
  ...{ givers: [], layer: undefined },
}
const GIVER = { id: 'c'.repeat(64), name: 'one' }

/** A record, and what the next start would find of it. */
const kept = async () => {
  const state = await openState(join(await tempDir(), '.portmesh'))
  onTestFinished(state.close)
  const troubles: string[] = []
  let told = 0
  let full = false
  const store = { ...state.transfers }
  for (const change of ['put', 'putMap'] as const) {
    const write = store[change] as (...given: unknown[]) => void
    store[change] = (...given: unknown[]) => {
      if (full) throw new DiskFull()
      write(...given)
    }
  }
  const deps = {
    store,
    onTrouble: (what: string) => void troubles.push(what),
    tell: () => {
      told += 1
    },
  }
  const record = new KeptRecord(deps, RECORD, undefined, false)
  record.save()
  const found = () => {
    const [row] = state.transfers.all()
    if (!row) throw new Error('nothing is kept')
    return new KeptRecord(deps, row.record, row.map, row.clean)
  }
  return {
    ...{ record, troubles, found },
    told: () => told,
    fill: (is: boolean) => {
      full = is
    },
  }
}

test('before the first look anything may be there', async () => {
  const { record, found } = await kept()
  expect(membersOf(record.maybe())).toEqual([0, 1, 2, 3])
  expect(membersOf(found().maybe())).toEqual([0, 1, 2, 3])
})

test('from the look on a crash leaves a file that has to be looked at as a whole, after a rest only what was told', async () => {
  const { record, found } = await kept()
  record.looked(setOf(SIZE, [1]))
  record.weave.put(2, GIVER)
  record.rested()
  expect(membersOf(found().maybe())).toEqual([1, 2])
  const again = found()
  again.looked(setOf(SIZE, [1, 2]))
  again.weave.put(3, GIVER)
  // Nothing more was kept than that it goes on.
  expect(membersOf(found().maybe())).toEqual([0, 1, 2, 3])
  expect(membersOf(found().weave.pieces())).toEqual([1, 2])
  again.keepMap()
  expect(membersOf(found().weave.pieces())).toEqual([1, 2, 3])
  expect(membersOf(found().maybe())).toEqual([0, 1, 2, 3])
})

test('a run that ends before it has looked makes nothing cleaner than it was', async () => {
  const { record, found } = await kept()
  record.looked(setOf(SIZE, [0]))
  const crashed = found()
  crashed.rested()
  expect(membersOf(found().maybe())).toEqual([0, 1, 2, 3])
  crashed.looked(setOf(SIZE, [0, 3]))
  crashed.rested()
  expect(membersOf(found().maybe())).toEqual([0, 3])
  found().rested()
  expect(membersOf(found().maybe())).toEqual([0, 3])
  found().replaced()
  expect(membersOf(found().maybe())).toEqual([0, 1, 2, 3])
})

test('when nothing is there any more, nothing is looked for', async () => {
  const { record, found } = await kept()
  record.looked(setOf(SIZE, [0, 1]))
  record.emptied()
  record.rested()
  expect([membersOf(found().maybe()), record.weave.counts()]).toEqual([[], []])
})

test('givers are kept with the record', async () => {
  const { record, found } = await kept()
  record.looked(setOf(SIZE, []))
  record.weave.put(0, GIVER)
  record.to('running')
  record.keepMap()
  expect([found().record.givers, found().weave.counts()]).toEqual([[GIVER], [1]])
})

test('on a full disk a state changes all the same, and is told as trouble; what is asked to be kept throws and changes nothing', async () => {
  const { record, found, fill, troubles, told } = await kept()
  fill(true)
  const before = told()
  record.to('paused', { error: 'PM_DISK_FULL' })
  record.keepMap()
  expect([record.record.state, record.record.error, troubles.length, told()]).toEqual([
    'paused',
    'PM_DISK_FULL',
    2,
    before + 1,
  ])
  expect(() => record.save({ state: 'queued' })).toThrow(DiskFull)
  expect([record.record.state, found().record.state]).toEqual(['paused', 'queued'])
  fill(false)
  record.to('paused')
  expect(found().record).toMatchObject({ state: 'paused', error: 'PM_DISK_FULL' })
})
