/** Rows as liars would sign them: what is taken in adds up, what is not leaves everything as it was. */
import { expect, test } from 'vitest'
import { toB64u, toHex, utf8 } from '../../../src/bytes.ts'
import { sign, verify } from '../../../src/crypto/identity.ts'
import { Catalogue, SORTS } from '../../../src/dht/catalogue.ts'
import { FilesDigest, type SharedFile } from '../../../src/dht/digest.ts'
import { KINDS } from '../../../src/dht/kinds.ts'
import { headOf, OwnRow } from '../../../src/dht/row.ts'
import { PeerTable } from '../../../src/dht/table.ts'
import { pullRow } from '../../../src/discovery/pull.ts'
import { News } from '../../../src/news.ts'
import {
  checker,
  ErrorReply,
  isRowName,
  RowFile,
  RowHead,
  RowPage,
  TableQuery,
  Update,
} from '../../../src/protocol/messages.ts'
import { checkName } from '../../../src/store/names.ts'
import { until } from '../../helpers/api.ts'
import { attempt, attemptLater, fuzz, PATIENT, type Random } from '../../helpers/random.ts'
import { strangerIdentity } from '../../helpers/stranger.ts'

const OWNER = strangerIdentity()
const ID = toHex(OWNER.id)
const HERE = '127.0.0.1:5001'

const fileOf = (random: Random, name: string): SharedFile => ({
  name,
  size: random.pick([0, 1, 2 ** 32, random.int(1_000_000)]),
  hash: toHex(random.bytes(32)),
  root: toHex(random.bytes(32)),
  publishedMs: random.pick([0, 1, 2 ** 52]),
})

const nameOf = (random: Random): string => {
  for (;;) {
    const name = random.chance(0.5) ? random.pick(['a', 'b', 'c/d', '__proto__', 'constructor']) : random.text(60)
    if (isRowName(name)) return name
  }
}

const rowOf = (random: Random): OwnRow => {
  const signed = (head: Uint8Array) => sign(OWNER.seed, 'row', head)
  const row = new OwnRow({ id: OWNER.id, name: 'Ben', epoch: 1 + random.int(3), sign: signed })
  for (let changes = random.int(4); changes >= 0; changes--)
    row.sync(new Map(random.list(6, () => nameOf(random)).map((name) => [name, fileOf(random, name)])))
  return row
}

/** A page with lies in it. Mostly it has the form of one, and its head is signed. */
const lying = (random: Random, page: RowPage): unknown => {
  const kind = random.int(7)
  if (kind === 0) return page
  if (kind === 1) return random.mutatedFields(page)
  if (kind === 2) {
    const bytes = Buffer.from(page.head, 'base64url')
    const told = JSON.parse(bytes.toString('utf8'))
    const head = random.chance(0.5)
      ? random.mutated(bytes)
      : utf8(
          JSON.stringify(random.chance(0.5) ? random.mutatedFields(told) : { ...told, version: random.int(9) }) ?? '',
        )
    return { ...page, head: toB64u(head), sig: toB64u(sign(OWNER.seed, 'row', head)) }
  }
  if (kind === 3) return { ...page, upTo: random.pick([0, 1, 2, 3, random.number()]), whole: random.chance(0.5) }
  // What only the digest of all files tells.
  if (kind === 6) return { ...page, files: page.files.map((file) => ({ ...file, hash: toHex(random.bytes(32)) })) }
  if (kind === 4) return { ...page, gone: random.list(5, () => random.text(20)) }
  const files = random.list(5, () => {
    const { publishedMs, ...file } = fileOf(random, random.chance(0.5) ? nameOf(random) : random.text())
    return random.chance(0.7) ? { ...file, published: publishedMs } : random.mutatedFields(file)
  })
  return { ...page, files: random.chance(0.5) ? files : [...page.files, ...page.files] }
}

const asPage = checker(RowPage)

const adds = (table: PeerTable, catalogue: Catalogue): void => {
  const peer = table.get(ID)
  const files = [...(peer?.files.values() ?? [])]
  const digest = new FilesDigest()
  for (const file of files) digest.set(file)
  if (peer) expect(peer.filesDigest).toBe(digest.value())
  if (peer) expect(peer.size).toBe(files.reduce((sum, file) => sum + file.size, 0))
  if (peer) expect(headOf({ head: toB64u(peer.head) })?.count).toBe(files.length)
  expect(files.every(({ name }) => isRowName(name))).toBe(true)
  for (const file of files) expect(catalogue.of(file)?.names).toContain(file.name)
  expect(catalogue.count).toBe(new Set(files.map(({ root, hash, size }) => `${root}${hash}${size}`)).size)
}

const setUp = () => {
  const catalogue = new Catalogue()
  const table = new PeerTable({
    news: new News(),
    verify: (id, sig, head) => verify(id, sig, 'row', head),
    onRow: (change) => catalogue.change(change),
  })
  return {
    table,
    catalogue,
    seen: () => JSON.stringify([[...(table.get(ID)?.files.values() ?? [])].sort(byName), table.get(ID)?.version]),
  }
}

const byName = (a: SharedFile, b: SharedFile): number => (a.name < b.name ? -1 : 1)

test('pages become a row that adds up, or change nothing', PATIENT, async () => {
  await fuzz({ rounds: 40 }, async (random) => {
    const { table, catalogue, seen } = setUp()
    for (let pulls = 1 + random.int(4); pulls > 0; pulls--) {
      const row = rowOf(random)
      const known = table.get(ID)
      const query = known && random.chance(0.5) ? { epoch: known.epoch, since: known.version } : {}
      const pages = random
        .list(2, () => lying(random, row.page(query)))
        .map((page) => asPage(JSON.stringify(page) ?? ''))
      const before = seen()
      const taken = await attemptLater(
        async () => await table.accept({ id: ID, address: HERE, pages: pages.flatMap((page) => page ?? []) }),
      )
      if ('code' in taken) expect(taken.code).toBe('PM_PEER_MISBEHAVED')
      if ('code' in taken || !taken.value) expect(seen()).toBe(before)
      adds(table, catalogue)
    }
    table.forget(ID)
    await until(
      async () => catalogue.count,
      (count) => count === 0,
    )
  })
})

test('a pull of lying pages ends, and takes in what adds up only', PATIENT, async () => {
  await fuzz({ rounds: 40 }, async (random) => {
    const { table, catalogue } = setUp()
    for (let pulls = 1 + random.int(3); pulls > 0; pulls--) {
      const row = rowOf(random)
      let asked = 0
      const client = {
        table: async (_address: string, query: TableQuery) => {
          asked += 1
          const page = random.chance(0.7)
            ? row.page(query)
            : asPage(JSON.stringify(lying(random, row.page(query))) ?? '')
          return { id: random.chance(0.97) ? ID : 'f'.repeat(64), page: page ?? row.page({}) }
        },
      }
      const pulled = await attemptLater(async () => await pullRow(client, table, HERE, AbortSignal.timeout(10_000)))
      if ('code' in pulled) expect(pulled.code).toBe('PM_PEER_MISBEHAVED')
      expect(asked).toBeLessThan(900)
      adds(table, catalogue)
    }
  })
})

test('a head is one that its owner could have written, or none', PATIENT, async () => {
  await fuzz({ rounds: 150 }, (random) => {
    const { head } = rowOf(random).page({})
    const bytes = Buffer.from(head, 'base64url')
    const text = random.chance(0.5) ? toB64u(random.mutated(bytes)) : random.mutatedText(head)
    const read = headOf({ head: text })
    if (!read) return
    expect(Buffer.from(text, 'base64url').toString('base64url')).toBe(text)
    expect(checker(RowHead)(JSON.stringify(read))).toEqual(read)
    expect(Buffer.byteLength(read.name)).toBeLessThanOrEqual(64)
  })
})

test('any text is a message of its schema, or none', PATIENT, async () => {
  const schemas = [RowFile, RowHead, RowPage, TableQuery, Update, ErrorReply].map((schema) => checker(schema))
  await fuzz({ rounds: 150 }, (random) => {
    const value = random.pick([
      () => rowOf(random).page({}),
      () => ({ kind: 'changed', port: random.number() }),
      () => ({ error: { code: random.text(9), message: random.text() } }),
      () => random.value(5),
    ])()
    const whole = JSON.stringify(random.chance(0.3) ? value : random.mutatedFields(Object(value))) ?? ''
    const deep = random.pick(['[', '{"a":', '[[],']).repeat(random.int(20_000))
    const text = random.pick([whole, random.mutatedText(whole), random.text(), deep])
    for (const check of schemas) {
      const read = check(text)
      if (read !== undefined) expect(check(JSON.stringify(read))).toEqual(read)
    }
  })
})

test('a name of a row is one that a folder can have', PATIENT, async () => {
  await fuzz({ rounds: 1_500 }, (random) => {
    const name = random.text(1_200)
    const named = attempt(() => checkName(name, 'linux'))
    expect(isRowName(name)).toBe('value' in named)
    if ('code' in named) expect(named.code).toBe('PM_BAD_NAME')
  })
})

test('a search finds what has its words, whatever the words are', PATIENT, async () => {
  await fuzz({ rounds: 30 }, (random) => {
    const catalogue = new Catalogue()
    const files = random.list(40, () => fileOf(random, nameOf(random)))
    const change = { id: ID, removed: [], added: [...new Map(files.map((file) => [file.name, file])).values()] }
    catalogue.change(change)
    for (let searches = 10; searches > 0; searches--) {
      const [first] = change.added
      const q = random.chance(0.5) ? random.text(1_000) : (first?.name ?? '').slice(random.int(5))
      const kind = random.pick([undefined, ...KINDS])
      const page = random.pick([1, 2, 1_000_000])
      const pageSize = random.pick([1, 50, 1_000])
      const { total, entries } = catalogue.search({ q, kind, sort: random.pick(SORTS), page, pageSize })
      expect(entries.length).toBe(Math.max(0, Math.min(pageSize, total - (page - 1) * pageSize)))
      expect(total).toBeLessThanOrEqual(catalogue.count)
      for (const { names } of entries) expect(change.added.some(({ name }) => names.includes(name))).toBe(true)
    }
    catalogue.change({ id: ID, removed: change.added, added: [] })
    expect(catalogue.count).toBe(0)
    for (const sort of SORTS) expect(catalogue.search({ sort }).total).toBe(0)
  })
})
