/** What is kept of peers: written a little at a time, and found again. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test, vi } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import type { SharedFile } from '../../src/dht/digest.ts'
import { OwnRow } from '../../src/dht/row.ts'
import { FILES_A_SLICE } from '../../src/dht/slices.ts'
import { PeerTable } from '../../src/dht/table.ts'
import { News } from '../../src/news.ts'
import type { RowPage } from '../../src/protocol/messages.ts'
import { Remember } from '../../src/remember.ts'
import { openState, type State } from '../../src/store/state.ts'
import { tempDir } from '../helpers/process.ts'

const ID = new Uint8Array(32).fill(9)
const BEN = toHex(ID)
const HERE = '127.0.0.1:5001'
const MANY = 3 * FILES_A_SLICE

const hash = createHash('sha256').update('x').digest('hex')
const files = new Map(
  Array.from({ length: MANY }, (_, at): [string, SharedFile] => [
    `file ${at}`,
    { name: `file ${at}`, size: 1, hash, root: hash, publishedMs: at },
  ]),
)

/** A node's memory of others, from here to the end of the state. */
const setUp = async (state: State) => {
  const news = new News()
  const troubles: unknown[] = []
  const table: PeerTable = new PeerTable({ news, verify: () => true, onRow: (change) => remember.note(change) })
  const remember = new Remember({ table, state, ownId: 'f'.repeat(64), onTrouble: (error) => troubles.push(error) })
  await remember.start(news)
  const row = new OwnRow({ id: ID, name: 'Ben', epoch: 1, sign: () => new Uint8Array(64) })
  const pull = async (): Promise<void> => {
    const pages: RowPage[] = []
    for (let upTo = 0; pages.length === 0 || upTo < row.version; upTo = pages.at(-1)?.upTo ?? row.version)
      pages.push(row.page(upTo === 0 ? {} : { epoch: 1, since: upTo }))
    expect(await table.accept({ id: BEN, address: HERE, pages })).toBe(true)
  }
  return { table, remember, row, pull, troubles }
}

const open = async (): Promise<{ state: State; folder: string }> => {
  const folder = join(await tempDir(), '.portmesh')
  const state = await openState(folder)
  onTestFinished(() => state.close())
  return { state, folder }
}

test('a large row is written in slices, and is whole after a restart', async () => {
  const { state, folder } = await open()
  const written = vi.spyOn(state.peers, 'putFiles')
  const { remember, row, pull, troubles } = await setUp(state)
  row.sync(files)
  await pull()
  while (state.peers.all()[0]?.files.length !== MANY) await sleep(50)
  expect(Math.max(...written.mock.calls.map(([, changed, gone]) => changed.length + gone.length))).toBe(FILES_A_SLICE)
  expect(written).toHaveBeenCalledTimes(MANY / FILES_A_SLICE)
  remember.stop()
  expect(troubles).toEqual([])
  state.close()
  const again = await openState(folder)
  onTestFinished(() => again.close())
  const { table } = await setUp(again)
  expect(table.get(BEN)).toMatchObject({ alive: false, version: MANY, filesDigest: row.head().head.files })
})

test('what was not written yet when a node stops is written then', async () => {
  const { state, folder } = await open()
  const { remember, row, pull } = await setUp(state)
  row.sync(files)
  await pull()
  row.sync(new Map([...files].slice(1)))
  await pull()
  remember.stop()
  state.close()
  const again = await openState(folder)
  onTestFinished(() => again.close())
  const { table } = await setUp(again)
  expect(table.get(BEN)).toMatchObject({ version: MANY + 1, filesDigest: row.head().head.files })
})

test('a row of which only a part was written is pulled from nothing', async () => {
  const { state, folder } = await open()
  const { remember, row, pull } = await setUp(state)
  row.sync(files)
  await pull()
  const putFiles = state.peers.putFiles.bind(state.peers)
  // As if the process had been killed after the first slice.
  vi.spyOn(state.peers, 'putFiles').mockImplementation((id, changed) => putFiles(id, changed.slice(0, 100), []))
  remember.stop()
  state.close()
  const again = await openState(folder)
  onTestFinished(() => again.close())
  const { table } = await setUp(again)
  expect(table.get(BEN)).toMatchObject({ epoch: 0, version: 0 })
  expect(table.get(BEN)?.files.size).toBe(100)
})
