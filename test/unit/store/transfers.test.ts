import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { openState, type State } from '../../../src/store/state.ts'
import { TRANSFER_STATES, type TransferRecord } from '../../../src/store/transfers.ts'
import { tempDir } from './fixture.ts'

const record = (number: number, more: Partial<TransferRecord> = {}): TransferRecord => ({
  id: number.toString(16).padStart(16, '0'),
  root: 'a'.repeat(64),
  hash: 'b'.repeat(64),
  size: 1_000_000,
  name: 'album/01.flac',
  state: 'running',
  error: undefined,
  createdMs: 1_800_000_000_000 + number,
  endedMs: undefined,
  finalName: undefined,
  givers: [],
  layer: undefined,
  ...more,
})

const opened = async (folder: string): Promise<State> => {
  const state = await openState(folder)
  onTestFinished(state.close)
  return state
}

const folderOf = async (): Promise<string> => join(await tempDir(), '.portmesh')

test('everything of a transfer comes back, in the order of asking', async () => {
  const folder = await folderOf()
  const state = await opened(folder)
  const full = record(2, {
    name: 'ein "Name" mit \u{1f600} und \\',
    state: 'done',
    error: 'PM_DISK_FULL',
    endedMs: 1_900_000_000_000,
    finalName: 'name (2)',
    givers: [
      { id: 'c'.repeat(64), name: 'one' },
      { id: 'd'.repeat(64), name: '' },
    ],
    layer: Uint8Array.from({ length: 64 }, (_, i) => i),
    size: Number.MAX_SAFE_INTEGER,
  })
  state.transfers.put(full)
  state.transfers.put(record(1))
  state.transfers.putMap(full.id, Uint8Array.of(1, 2, 0, 255), true)
  state.close()
  const [first, second] = (await opened(folder)).transfers.all()
  expect(first).toEqual({ record: record(1), map: undefined, clean: false })
  expect(second).toEqual({ record: full, map: Uint8Array.of(1, 2, 0, 255), clean: true })
})

test('a change keeps what it does not speak of, and every state there is', async () => {
  const state = await opened(await folderOf())
  state.transfers.put(record(1))
  state.transfers.putMap(record(1).id, Uint8Array.of(7), true)
  for (const each of TRANSFER_STATES) {
    state.transfers.put(record(1, { state: each, error: each === 'failed' ? 'PM_WRONG_HASH' : undefined }))
    expect(state.transfers.all()).toEqual([
      {
        record: record(1, { state: each, error: each === 'failed' ? 'PM_WRONG_HASH' : undefined }),
        map: Uint8Array.of(7),
        clean: true,
      },
    ])
  }
  state.transfers.putMap(record(1).id, Uint8Array.of(7), false)
  expect(state.transfers.all()[0]?.clean).toBe(false)
})

test('what is removed is gone, and the map of one that is not there is no error', async () => {
  const state = await opened(await folderOf())
  state.transfers.put(record(1))
  state.transfers.remove(record(1).id)
  state.transfers.remove(record(1).id)
  state.transfers.putMap(record(1).id, Uint8Array.of(1), true)
  expect(state.transfers.all()).toEqual([])
})

test.each([
  ["state = 'dancing'"],
  ["root = 'zz'"],
  ['hash = upper(hash)'],
  ["id = '../../etc'"],
  ['size = -1'],
  ['size = 9223372036854775807'],
  ['created_ms = -9223372036854775807'],
  ['ended_ms = 9223372036854775807'],
  ['clean = 9223372036854775807'],
])('a damaged row (%s) is left out, and the others are read', async (damage) => {
  const folder = await folderOf()
  const state = await opened(folder)
  state.transfers.put(record(1))
  state.transfers.put(record(2))
  state.close()
  const database = new DatabaseSync(join(folder, 'state.db'))
  database.exec(`UPDATE transfer SET ${damage} WHERE id = '${record(1).id}'`)
  database.close()
  expect((await opened(folder)).transfers.all().map((one) => one.record)).toEqual([record(2)])
})

test.each([['not JSON'], ['{}'], ['null'], ['[1, null, {"id": 1, "name": "x"}, {"id": "a"}]'], ['[[]]']])(
  'damaged givers (%s) are nobody',
  async (givers) => {
    const folder = await folderOf()
    const state = await opened(folder)
    state.transfers.put(record(1))
    state.close()
    const database = new DatabaseSync(join(folder, 'state.db'))
    database.prepare('UPDATE transfer SET givers = ?').run(givers)
    database.close()
    expect((await opened(folder)).transfers.all()).toEqual([{ record: record(1), map: undefined, clean: false }])
  },
)
