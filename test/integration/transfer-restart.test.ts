/** What a process leaves that ends at the worst moments, and a state that is damaged: the next one makes the best of it. */
import { randomBytes } from 'node:crypto'
import { link, readdir, rm, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { partials } from '../helpers/faults.ts'
import { shared, startHolder } from '../helpers/holder-server.ts'
import { reached, startTaking } from '../helpers/taking.ts'

const PIECE = 128 * 1024
const content = shared(randomBytes(12 * PIECE + 1_000))

/** A content that was fetched by a process that has ended, and what it left changed by hand. */
const left = async (
  change: string,
  meanwhile: (home: string, partial: string) => Promise<unknown> = async () => {},
) => {
  const holder = await startHolder(content)
  const first = await startTaking([holder])
  const { id } = (await first.fetch(content)).record
  await first.stop()
  const database = new DatabaseSync(join(first.home, '.portmesh', 'state.db'))
  database.exec(`UPDATE transfer SET ${change} WHERE id = '${id}'`)
  database.close()
  await meanwhile(first.home, join(first.home, '.portmesh', 'partial', `${id}.part`))
  const asked = holder.count('pieces')
  const taking = await startTaking([holder], { home: first.home })
  const transfer = taking.transfers.get(id)
  await reached(transfer, 'done')
  const names = (await readdir(taking.home)).filter((name) => !name.startsWith('.'))
  expect((await taking.fileOf(transfer)).equals(content.bytes)).toBe(true)
  expect(await partials(taking.home)).toEqual([])
  return { transfer, names, asked: holder.count('pieces') - asked, holder }
}

const UNDER_WAY = "state = 'verifying', ended_ms = NULL"

test('ended between the name and the removal of the partial file, it is done under that name, and fetched no second time', async () => {
  const { names, asked, transfer } = await left(
    `${UNDER_WAY}, final_name = NULL`,
    async (home, partial) => await link(join(home, 'content.bin'), partial),
  )
  expect([names, asked, transfer.record.finalName]).toEqual([['content.bin'], 0, 'content.bin'])
})

test('ended before the last note, it is done under the name that was noted', async () => {
  for (const partialToo of [true, false]) {
    const { names, asked } = await left(UNDER_WAY, async (home, partial) => {
      if (partialToo) await link(join(home, 'content.bin'), partial)
    })
    expect([names, asked]).toEqual([['content.bin'], 0])
  }
})

test('a noted name whose file is gone is no file: it is fetched anew', async () => {
  const { names, asked } = await left(UNDER_WAY, async (home) => await rm(join(home, 'content.bin')))
  expect(names).toEqual(['content.bin'])
  expect(asked).toBeGreaterThan(0)
})

test('a damaged layer is asked for anew, and makes nobody a liar', async () => {
  const damaged = randomBytes(content.layer.length).toString('hex')
  for (const layer of [`X'${damaged}'`, `X'${damaged.slice(2)}'`]) {
    const { transfer, holder } = await left(
      `${UNDER_WAY}, final_name = NULL, layer = ${layer}, map = NULL, clean = 0`,
      async (home) => await unlink(join(home, 'content.bin')),
    )
    expect(transfer.lost).toEqual([])
    expect(holder.count('tree')).toBe(2)
  }
})

test('a map that says more, or less, than is there is a hint only', async () => {
  for (const [map, clean] of [
    [Buffer.alloc(13, 1).toString('hex'), 1],
    [Buffer.alloc(5, 9).toString('hex'), 0],
  ] as const) {
    const { asked } = await left(
      `${UNDER_WAY}, final_name = NULL, map = X'${map}', clean = ${clean}`,
      async (home, partial) => {
        await rm(join(home, 'content.bin'))
        const spoiled = Buffer.from(content.bytes)
        spoiled.fill(0, 3 * PIECE, 4 * PIECE)
        await writeFile(partial, spoiled)
      },
    )
    expect(asked, `${map} ${clean}`).toBe(1)
  }
})

test('the partial file of a transfer that has ended otherwise is removed, that of one that can be tried again is kept', async () => {
  const taking = await startTaking([])
  const transfer = await taking.begin(content)
  await taking.stop()
  const folder = join(taking.home, '.portmesh', 'partial')
  for (const [state, kept] of [
    ['cancelled', false],
    ['failed', true],
    ['paused', true],
    ['waiting', true],
    ['done', false],
  ] as const) {
    const database = new DatabaseSync(join(taking.home, '.portmesh', 'state.db'))
    database.exec(`UPDATE transfer SET state = '${state}'`)
    database.close()
    await writeFile(join(folder, `${transfer.record.id}.part`), 'x')
    const next = await startTaking([], { home: taking.home })
    expect((await readdir(folder)).length > 0, state).toBe(kept)
    await next.stop()
  }
})
