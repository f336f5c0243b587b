import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { type AcquaintanceRecord, acquaintanceStore } from '../../../src/store/acquaintances.ts'
import { openState, type State } from '../../../src/store/state.ts'
import { tempDir } from './fixture.ts'

const opened = async (folder: string): Promise<State> => {
  const state = await openState(folder)
  onTestFinished(state.close)
  return state
}

const plain: AcquaintanceRecord = {
  id: 'a'.repeat(64),
  metMs: 1_800_000_000_000,
  name: 'Ben’s desktop',
  petname: undefined,
  blockedMs: undefined,
  lied: undefined,
  wasGiven: false,
  address: undefined,
}
const full: AcquaintanceRecord = {
  ...plain,
  id: 'b'.repeat(64),
  metMs: plain.metMs + 1,
  petname: { name: 'Library PC', atMs: 5 },
  blockedMs: 6,
  lied: { atMs: 7, code: 'PM_WRONG_PIECE' },
  wasGiven: true,
  address: '127.0.0.1:5003',
}

test('who was met comes back as it was kept, whether or not he has a row', async () => {
  const folder = join(await tempDir(), '.portmesh')
  const first = await opened(folder)
  first.acquaintances.put([full, plain])
  first.acquaintances.put([{ ...plain, name: 'Benjamin' }])
  first.peers.remove(plain.id)
  first.close()
  expect((await opened(folder)).acquaintances.all()).toEqual([{ ...plain, name: 'Benjamin' }, full])
})

test('one that is removed is gone', async () => {
  const folder = join(await tempDir(), '.portmesh')
  const state = await opened(folder)
  state.acquaintances.put([plain, full])
  state.acquaintances.remove([plain.id])
  expect(state.acquaintances.all()).toEqual([full])
})

test('every change waits for the disk', async () => {
  const folder = join(await tempDir(), '.portmesh')
  ;(await opened(folder)).close()
  const database = new DatabaseSync(join(folder, 'state.db'))
  onTestFinished(() => database.close())
  const durabilities: string[] = []
  const store = acquaintanceStore(database, (durability, work) => {
    durabilities.push(durability)
    return work()
  })
  store.put([plain])
  store.remove([plain.id])
  expect(durabilities).toEqual(['durable', 'durable'])
})

test('a damaged row is left out', async () => {
  const folder = join(await tempDir(), '.portmesh')
  const first = await opened(folder)
  first.acquaintances.put([plain, full])
  first.close()
  const database = new DatabaseSync(join(folder, 'state.db'))
  database.exec('UPDATE acquaintance SET met_ms = -1 WHERE petname IS NOT NULL')
  database.close()
  expect((await opened(folder)).acquaintances.all()).toEqual([plain])
})
