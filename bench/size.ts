/** Ten thousand files in one row, fifty rows of two thousand, a row of a hundred thousand: joining, searching, one more publish, and how long the event loop is held up. */
import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { toHex } from '../src/bytes.ts'
import { Catalogue } from '../src/dht/catalogue.ts'
import type { SharedFile } from '../src/dht/digest.ts'
import { OwnRow } from '../src/dht/row.ts'
import { PeerTable } from '../src/dht/table.ts'
import { News } from '../src/news.ts'
import type { RowPage } from '../src/protocol/messages.ts'
import { ask, catalogueOf, publish } from '../test/helpers/api.ts'
import { freePorts, portsFile, startNode, tempDir } from '../test/helpers/process.ts'
import { cleanUp, median, report } from './measure.ts'

const FILES = 10_000
const ROWS = 50
const FILES_A_ROW = 2_000
const AT_ONCE = 16

const timed = async (work: () => Promise<unknown> | unknown): Promise<number> => {
  const began = performance.now()
  await work()
  return performance.now() - began
}
const ms = (value: number): string => `${value.toFixed(1)} ms`

// One node with ten thousand files, and one that joins.
const ports = await portsFile(await freePorts(3), cleanUp)
const home = await tempDir(cleanUp)
await mkdir(join(home, 'many'))
for (let at = 0; at < FILES; at++) await writeFile(join(home, 'many', `${at}.txt`), `file ${at}`)
const owner = await startNode({ ports, home, interval: 10, cleanUp })
const names = Array.from({ length: FILES }, (_, at) => `many/${at}.txt`)
const publishing = await timed(async () => {
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let name = names.pop(); name !== undefined; name = names.pop()) await publish(owner.url, name)
    }),
  )
})
report(`publish ${FILES} files one by one`, `${(publishing / 1000).toFixed(1)} s`)
const joiner = await startNode({ ports, interval: 10, cleanUp })
const has =
  (total: number): (() => Promise<void>) =>
  async () => {
    while ((await ask<{ total: number }>(joiner.url, '/getfile/available?size=1')).total !== total) await sleep(10)
  }
report('join: a new node has them all', ms(await timed(has(FILES))))
// A peer that has just sent ten thousand files rests for twice that time.
await sleep(2_000)
await writeFile(join(home, 'one more.txt'), 'one more')
report(
  'one more publish, until the other sees it',
  ms(
    await timed(async () => {
      await publish(owner.url, 'one more.txt')
      await has(FILES + 1)()
    }),
  ),
)
const searches: number[] = []
for (let at = 0; at < 20; at++) {
  searches.push(await timed(() => ask(joiner.url, `/getfile/available?q=${at * 37}`)))
}
report(`search ${FILES} files, over HTTP`, ms(median(searches)))
report('a page of a thousand, over HTTP', ms(await timed(() => catalogueOf(joiner.url))))

// Fifty rows of two thousand, in one table.
const hex = (text: string): string => createHash('sha256').update(text).digest('hex')
const file = (row: number, at: number): SharedFile => {
  const name = `folder ${at % 40}/file ${at} of ${row}.bin`
  return { name, size: at, hash: hex(name), root: hex(name), publishedMs: at }
}
const catalogue = new Catalogue()
const table = new PeerTable({ news: new News(), verify: () => true, onRow: (change) => catalogue.change(change) })
const accepts: number[] = []
const changes: number[] = []
let bytes = 0
/** A row with so many files, its pages as a peer gets them, and then one file more. */
const rowOf = (at: number, count: number) => {
  const row = new OwnRow({
    id: new Uint8Array(32).fill(at),
    name: `node ${at}`,
    epoch: 1,
    sign: () => new Uint8Array(64),
  })
  const files = new Map(Array.from({ length: count }, (_, index) => file(at, index)).map((one) => [one.name, one]))
  row.sync(files)
  const since = row.version
  const pages: RowPage[] = []
  for (let upTo = 0; upTo < since; upTo = pages.at(-1)?.upTo ?? since)
    pages.push(row.page(upTo === 0 ? {} : { epoch: 1, since: upTo }))
  const oneMore = (): RowPage => {
    const more = file(at, count)
    files.set(more.name, more)
    row.sync(files)
    return row.page({ epoch: 1, since })
  }
  return { pages, oneMore, take: { id: toHex(new Uint8Array(32).fill(at)), address: `127.0.0.1:${6_000 + at}` } }
}
for (let at = 1; at <= ROWS; at++) {
  const { pages, oneMore, take } = rowOf(at, FILES_A_ROW)
  accepts.push(await timed(() => table.accept({ ...take, pages })))
  const change = oneMore()
  bytes = JSON.stringify(change).length
  changes.push(await timed(() => table.accept({ ...take, pages: [change] })))
}
report(`take in a row of ${FILES_A_ROW} files`, ms(median(accepts)))
report('take in one more file of it', `${ms(median(changes))}, ${bytes} bytes of JSON`)
catalogue.search({ q: 'file 7' })
report(`search ${ROWS * (FILES_A_ROW + 1)} files`, ms(await timed(() => catalogue.search({ q: '7 of 13' }))))

// The event loop while a large row is taken in; the worst of a machine with other work says little, so the median of some rounds.
/** The longest time between two turns. */
const longestBlock = async (work: () => Promise<unknown>): Promise<number> => {
  let longest = 0
  let over = false
  const done = (async () => {
    for (let before = performance.now(); !over; before = performance.now()) {
      await turn()
      longest = Math.max(longest, performance.now() - before)
    }
  })()
  await turn()
  await work()
  over = true
  await done
  return longest
}
for (const [count, rounds] of [
  [10_000, 9],
  [99_999, 5],
] as const) {
  const blocks: Record<'taken' | 'searched' | 'more', number[]> = { taken: [], searched: [], more: [] }
  const { pages, oneMore, take } = rowOf(ROWS + 1, count)
  const change = oneMore()
  for (let round = 0; round < rounds; round++) {
    const own = new Catalogue()
    const alone = new PeerTable({ news: new News(), verify: () => true, onRow: (one) => own.change(one) })
    blocks.taken.push(await longestBlock(async () => await alone.accept({ ...take, pages })))
    blocks.searched.push(await longestBlock(async () => own.search({})))
    blocks.more.push(await longestBlock(async () => await alone.accept({ ...take, pages: [change] })))
  }
  const figure = (all: readonly number[]): string => `${ms(median(all))} (at most ${ms(Math.max(...all))})`
  report(`longest block: take in ${count} files`, `${figure(blocks.taken)}, limit 10 ms`)
  report('longest block: show the newest of them', figure(blocks.searched))
  report('longest block: take in one more', figure(blocks.more))
}
