import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { toHex } from '../../../src/bytes.ts'
import type { SharedFile } from '../../../src/dht/digest.ts'
import type { RoomLimits } from '../../../src/dht/room.ts'
import { headOf, OwnRow } from '../../../src/dht/row.ts'
import { PeerTable, type RowChange } from '../../../src/dht/table.ts'
import { PeerMisbehaved, TableFull } from '../../../src/errors.ts'
import { News } from '../../../src/news.ts'

const hex = (text: string): string => createHash('sha256').update(text).digest('hex')
const file = (name: string): SharedFile => ({ name, size: 3, hash: hex(name), root: hex(name), publishedMs: 1 })
const mapOf = (...names: string[]): Map<string, SharedFile> => new Map(names.map((name) => [name, file(name)]))
const ID = new Uint8Array(32).fill(9)
const BEN = toHex(ID)
const HERE = '127.0.0.1:5001'

/** A signature stands for real ones here: the first byte of the id, sixty-four times. */
const rowOf = (epoch: number, id = ID): OwnRow =>
  new OwnRow({ id, name: 'Ben', epoch, sign: () => new Uint8Array(64).fill(id[0] ?? 0) })

const setUp = (room?: RoomLimits) => {
  const changes: RowChange[] = []
  const news = new News()
  let told = 0
  news.on('table', () => {
    told += 1
  })
  const table = new PeerTable({
    news,
    verify: (id, sig) => sig.every((byte) => byte === id[0]),
    onRow: (change) => changes.push(change),
    now: () => 42,
    ...(room && { room }),
  })
  return { table, changes, told: () => told }
}

test('a pulled row is there, alive, at its address', async () => {
  const { table, changes, told } = setUp()
  const row = rowOf(1)
  row.sync(mapOf('a', 'b'))
  expect(await table.accept({ id: BEN, address: HERE, pages: [row.page({})] })).toBe(true)
  expect(table.at(HERE)).toMatchObject({ id: BEN, name: 'Ben', alive: true, lastSeenMs: 42, epoch: 1, version: 2 })
  expect(changes[0]?.added.map(({ name }) => name)).toEqual(['a', 'b'])
  expect(told()).toBe(1)
})

test('changes are put on top of what is known', async () => {
  const { table, changes } = setUp()
  const row = rowOf(1)
  row.sync(mapOf('a', 'b'))
  await table.accept({ id: BEN, address: HERE, pages: [row.page({})] })
  const files = mapOf('b', 'c')
  row.sync(files)
  expect(await table.accept({ id: BEN, address: HERE, pages: [row.page({ epoch: 1, since: 2 })] })).toBe(true)
  expect([...(table.get(BEN)?.files.keys() ?? [])].sort()).toEqual(['b', 'c'])
  expect(changes.at(-1)?.removed.map(({ name }) => name)).toContain('a')
})

test('a peer that has nothing new to say is alive, and nobody is told but of that', async () => {
  const { table, changes, told } = setUp()
  const row = rowOf(1)
  row.sync(mapOf('a', 'b'))
  const pull = async () =>
    await table.accept({ id: BEN, address: HERE, pages: [row.page({ epoch: 1, since: row.version })] })
  await table.accept({ id: BEN, address: HERE, pages: [row.page({})] })
  expect(await pull()).toBe(true)
  expect([changes.length, told()]).toEqual([1, 1])
  table.gone(HERE)
  expect(await pull()).toBe(true)
  expect(table.get(BEN)?.alive).toBe(true)
  expect([changes.length, told()]).toEqual([1, 3])
})

test('a head that is known has still to come with its signature', async () => {
  const { table } = setUp()
  const row = rowOf(1)
  row.sync(mapOf('a'))
  await table.accept({ id: BEN, address: HERE, pages: [row.page({})] })
  const sig = Buffer.alloc(64, 1).toString('base64url')
  const pages = [{ ...row.page({ epoch: 1, since: 1 }), sig }]
  await expect(table.accept({ id: BEN, address: HERE, pages })).rejects.toThrow(PeerMisbehaved)
})

test('a row that came back without some of its files is not taken for known because of its head', async () => {
  const { table } = setUp()
  const row = rowOf(1)
  row.sync(mapOf('a', 'b'))
  const { bytes: head, sig } = row.head()
  table.restore({ id: BEN, head, sig, files: mapOf('a'), addresses: new Map([[HERE, 40]]), lastSeenMs: 40 })
  expect(table.get(BEN)).toMatchObject({ epoch: 0, version: 0 })
  expect(await table.accept({ id: BEN, address: HERE, pages: [row.page({ epoch: 1, since: 2 })] })).toBe(false)
  expect(await table.accept({ id: BEN, address: HERE, pages: [row.page({})] })).toBe(true)
  expect(table.get(BEN)?.files.size).toBe(2)
})

test('changes that do not add up to the signed digest are not believed', async () => {
  const { table } = setUp()
  const row = rowOf(1)
  row.sync(mapOf('a'))
  const page = row.page({})
  expect(await table.accept({ id: BEN, address: HERE, pages: [{ ...page, files: [] }] })).toBe(false)
  expect(table.get(BEN)).toBeUndefined()
})

test("refuses another node's row, and a row with a wrong signature", async () => {
  const { table } = setUp()
  const row = rowOf(1)
  const other = rowOf(1, new Uint8Array(32).fill(8))
  await expect(table.accept({ id: BEN, address: HERE, pages: [other.page({})] })).rejects.toThrow(PeerMisbehaved)
  const sig = Buffer.alloc(64, 1).toString('base64url')
  await expect(table.accept({ id: BEN, address: HERE, pages: [{ ...row.page({}), sig }] })).rejects.toThrow(
    PeerMisbehaved,
  )
})

test('refuses a row that goes back, and a second one under the same version', async () => {
  const { table } = setUp()
  const row = rowOf(2)
  row.sync(mapOf('a'))
  await table.accept({ id: BEN, address: HERE, pages: [row.page({})] })
  const older = rowOf(1)
  await expect(table.accept({ id: BEN, address: HERE, pages: [older.page({})] })).rejects.toThrow(PeerMisbehaved)
  const twin = rowOf(2)
  twin.sync(mapOf('b'))
  await expect(table.accept({ id: BEN, address: HERE, pages: [twin.page({})] })).rejects.toThrow(PeerMisbehaved)
})

test('refuses names that no row may have', async () => {
  const { table } = setUp()
  for (const name of ['../up', '.hidden', 'a//b', '/etc/passwd', 'x\0y', 'a/.portmesh/b']) {
    const row = rowOf(1)
    row.sync(mapOf(name))
    expect(await table.accept({ id: BEN, address: HERE, pages: [row.page({})] }), name).toBe(false)
  }
})

test('a file may be called __proto__', async () => {
  const { table } = setUp()
  const row = rowOf(1)
  row.sync(mapOf('__proto__', 'constructor'))
  expect(await table.accept({ id: BEN, address: HERE, pages: [row.page({})] })).toBe(true)
  expect(table.get(BEN)?.files.size).toBe(2)
})

test('a silent peer stays, marked, and is alive again when it answers', async () => {
  const { table } = setUp()
  await table.accept({ id: BEN, address: HERE, pages: [rowOf(1).page({})] })
  table.gone(HERE)
  expect(table.get(BEN)).toMatchObject({ alive: false, lastSeenMs: 42 })
  table.answered(HERE)
  expect(table.get(BEN)?.alive).toBe(true)
})

test('another identity at the same address takes it over; the old row is not alive any more', async () => {
  const { table } = setUp()
  await table.accept({ id: BEN, address: HERE, pages: [rowOf(1).page({})] })
  const chloe = new Uint8Array(32).fill(3)
  await table.accept({ id: toHex(chloe), address: HERE, pages: [rowOf(1, chloe).page({})] })
  expect(table.get(BEN)?.alive).toBe(false)
  expect(table.at(HERE)?.id).toBe(toHex(chloe))
})

test('a row kept on disk comes back as away, with its files', async () => {
  const { table, changes } = setUp()
  const row = rowOf(1)
  row.sync(mapOf('a'))
  const { bytes: head, sig } = row.head()
  table.restore({ id: BEN, head, sig, files: mapOf('a'), addresses: new Map([[HERE, 40]]), lastSeenMs: 40 })
  expect(table.at(HERE)).toMatchObject({ name: 'Ben', alive: false, epoch: 1 })
  expect(changes[0]?.added.length).toBe(1)
})

/** All pages of a row, as a pull asks for them. */
const pagesOf = (row: OwnRow, known?: { epoch: number; version: number }) => {
  const version = headOf(row.page({}))?.version ?? 0
  const pages = [row.page(known ? { epoch: known.epoch, since: known.version } : {})]
  for (let last = pages[0]; last && last.upTo < version; last = pages.at(-1))
    pages.push(row.page({ epoch: 1, since: last.upTo }))
  return pages
}

test('all rows together have a limit: the large newcomer is refused, a small one and one that shrinks are not', async () => {
  // Shared among 1,024 rows: two names each in any case.
  const { table } = setUp({ names: 2048, bytes: 2 ** 30 })
  const names = (count: number) => Array.from({ length: count }, (_, at) => `file ${at}`)
  const pull = async (byte: number, row: OwnRow): Promise<boolean> => {
    const id = toHex(new Uint8Array(32).fill(byte))
    const known = table.get(id)
    return await table.accept({ id, address: `127.0.0.1:${5000 + byte}`, pages: pagesOf(row, known) })
  }
  const rows = [1, 2, 3].map((byte) => rowOf(1, new Uint8Array(32).fill(byte)))
  const [large, next, small] = rows
  if (!large || !next || !small) throw new Error('three rows')
  large.sync(mapOf(...names(2000)))
  await pull(1, large)
  next.sync(mapOf(...names(100)))
  await expect(pull(2, next)).rejects.toThrow(TableFull)
  expect(table.all()).toHaveLength(1)
  small.sync(mapOf('a', 'b'))
  expect(await pull(3, small)).toBe(true)
  large.sync(mapOf(...names(2100)))
  await expect(pull(1, large)).rejects.toThrow(TableFull)
  expect(table.get(toHex(new Uint8Array(32).fill(1)))?.files.size).toBe(2000)
  large.sync(mapOf(...names(1000)))
  expect(await pull(1, large)).toBe(true)
  expect(await pull(2, next)).toBe(true)
  table.forget(toHex(new Uint8Array(32).fill(2)))
  large.sync(mapOf(...names(2040)))
  expect(await pull(1, large)).toBe(true)
})

test('long names count, also in a row with few of them', async () => {
  const { table } = setUp({ names: 1e9, bytes: 1024 * 1000 })
  const row = rowOf(1)
  row.sync(
    mapOf(
      ...Array.from({ length: 900 }, (_, at) =>
        String(at)
          .padStart(500, 'x')
          .replace(/(.{200})/g, '$1/'),
      ),
    ),
  )
  await expect(table.accept({ id: BEN, address: HERE, pages: pagesOf(row) })).rejects.toThrow(TableFull)
})
