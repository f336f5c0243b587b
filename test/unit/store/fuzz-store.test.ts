/** Names from anywhere, contents in pieces of any size, a store whose rows somebody else wrote. */
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve, sep, win32 } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { toHex } from '../../../src/bytes.ts'
import { PeerTable } from '../../../src/dht/table.ts'
import { News } from '../../../src/news.ts'
import { isRowName } from '../../../src/protocol/messages.ts'
import { Remember } from '../../../src/remember.ts'
import hashFile from '../../../src/store/hash-worker.ts'
import { Home } from '../../../src/store/home.ts'
import { BLOCK_BYTES, RootBuilder } from '../../../src/store/merkle.ts'
import { checkName, foldName, localName, numberedName } from '../../../src/store/names.ts'
import { formatStamp, parseStamp } from '../../../src/store/stamp.ts'
import { openState } from '../../../src/store/state.ts'
import { tempDir } from '../../helpers/process.ts'
import { attempt, attemptLater, fuzz, PATIENT, type Random } from '../../helpers/random.ts'

const foreignName = (random: Random): string => {
  const pieces = [
    '..',
    '.',
    'album',
    'a b',
    '.portmesh',
    'state.db',
    'CON',
    'nul.txt ',
    'C:',
    '~',
    'a\\..\\b',
    'x'.repeat(300),
  ]
  if (random.chance(0.5))
    return random.list(8, () => random.pick([...pieces, random.text(30)])).join(random.pick(['/', '//', '\\']))
  return random.text(2_000)
}

test(
  'a foreign name becomes one that lies in the folder on every system, and stays as it is then',
  PATIENT,
  async () => {
    await fuzz({ rounds: 1_000 }, (random) => {
      const keepFolders = random.chance(0.5)
      const name = localName(foreignName(random), { keepFolders })
      for (const platform of ['linux', 'win32', 'darwin'] as const) checkName(name, platform)
      expect(isRowName(name)).toBe(true)
      expect(localName(name, { keepFolders })).toBe(name)
      expect(resolve('/home/here', name).startsWith(`/home/here${sep}`), name).toBe(true)
      expect(win32.resolve('C:\\here', name).startsWith('C:\\here\\'), name).toBe(true)
      if (!keepFolders) expect(name).not.toContain('/')
      const [segment = ''] = name.split('/')
      const numbered = numberedName(segment, random.pick([2, 10, 1_000_000]))
      for (const platform of ['linux', 'win32'] as const) checkName(numbered, platform)
      expect(foldName(foldName(name))).toBe(foldName(name))
    })
  },
)

// PORTMESH_SEED=2659664427
test('a capital sharp s is the same letter as the small one when names are compared', () => {
  for (const name of ['STRA\u1e9eE.txt', 'stra\u00dfe.txt', 'STRASSE.txt']) expect(foldName(name)).toBe('strasse.txt')
})

test('no name leads out of the home', PATIENT, async () => {
  const folder = await tempDir()
  const home = new Home(folder)
  await home.start()
  await fuzz({ rounds: 150 }, async (random) => {
    const name = foreignName(random)
    const path = attempt(() => home.path(name))
    if ('code' in path) expect(path.code).toBe('PM_BAD_NAME')
    else expect(resolve(path.value).startsWith(`${home.realRoot}${sep}`), name).toBe(true)
    for (const ask of ['stat', 'open'] as const) {
      const asked = await attemptLater(async () => await home[ask](name))
      expect(['PM_BAD_NAME', 'PM_NO_SUCH_FILE'], name).toContain('code' in asked ? asked.code : 'it is there')
    }
  })
})

const ROOT = 'a'.repeat(64)

/** The tree of BEP 52 as its text says it. */
const rootOf = (content: Uint8Array): string => {
  const sha = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()
  let nodes: Uint8Array[] = []
  for (let at = 0; at < content.length; at += BLOCK_BYTES) nodes.push(sha(content.subarray(at, at + BLOCK_BYTES)))
  if (nodes.length === 0) return toHex(sha(content))
  while (Math.log2(nodes.length) % 1 !== 0) nodes.push(new Uint8Array(32))
  while (nodes.length > 1)
    nodes = nodes.flatMap((node, at) => (at % 2 === 0 ? [sha(Buffer.concat([node, nodes[at + 1] ?? node]))] : []))
  return toHex(nodes[0] ?? content)
}

test('the root of a content does not depend on the pieces in which it came', PATIENT, async () => {
  await fuzz({ rounds: 20 }, (random) => {
    const blocks = random.int(random.chance(0.2) ? 70 : 9)
    const length = Math.max(0, blocks * BLOCK_BYTES + random.pick([-1, 0, 1, random.int(BLOCK_BYTES)]))
    const content = Buffer.alloc(length, random.bytes(997))
    const inRuns = new RootBuilder()
    for (let at = 0; at < length; ) {
      const run = BLOCK_BYTES * (1 + random.int(5))
      inRuns.addBlocks(content.subarray(at, at + run))
      at += run
    }
    expect(toHex(inRuns.root())).toBe(rootOf(content))
    const height = random.int(4)
    const pieceBytes = BLOCK_BYTES * 2 ** height
    if (length <= pieceBytes) return
    const layer = new RootBuilder(height)
    for (let at = 0; at < length; at += pieceBytes) {
      const piece = new RootBuilder()
      piece.addBlocks(content.subarray(at, at + pieceBytes))
      layer.addNode(piece.root(height))
    }
    expect(toHex(layer.root())).toBe(rootOf(content))
  })
})

test('a file is hashed to the same root', PATIENT, async () => {
  const folder = await tempDir()
  await fuzz({ rounds: 5 }, async (random) => {
    const content = Buffer.alloc(
      random.pick([0, 1, 64 * BLOCK_BYTES, 64 * BLOCK_BYTES + 1, random.int(3_000_000)]),
      random.bytes(991),
    )
    const path = join(folder, 'content')
    await writeFile(path, content)
    const outcome = hashFile({ path, expect: undefined, cancelled: new SharedArrayBuffer(4), progress: undefined })
    const hash = createHash('sha256').update(content).digest('hex')
    expect(outcome).toMatchObject({ size: content.length, hash, root: rootOf(content) })
  })
})

test('a stamp is read as it was written, or not at all', PATIENT, async () => {
  await fuzz({ rounds: 1_000 }, (random) => {
    const parts = random.list(7, () =>
      random.pick(['1', '0', '-1', '16777216', '9'.repeat(random.int(20)), random.text(5)]),
    )
    const stamp = parseStamp(random.mutatedText(parts.join(' ')))
    if (stamp && stamp.size <= Number.MAX_SAFE_INTEGER) expect(parseStamp(formatStamp(stamp))).toEqual(stamp)
  })
})

test('a store with rows of any values opens, and what cannot be used of it is left out', PATIENT, async () => {
  await fuzz({ rounds: 6 }, async (random) => {
    const folder = join(await tempDir(), '.portmesh')
    const made = await openState(folder)
    made.close()
    const database = new DatabaseSync(join(folder, 'state.db'))
    database.exec('PRAGMA foreign_keys=OFF; PRAGMA synchronous=OFF; BEGIN')
    const texts = ['[]', '["127.0.0.1:1"]', '{}', 'epoch', 'queued', 'done', '5 5 5 5 5', ROOT]
    const kinds: Record<string, () => string | number | bigint | Uint8Array> = {
      TEXT: () => (random.chance(0.6) ? random.pick(texts) : random.text(30)),
      INTEGER: () => random.pick([0, 1, 70_000, -1, 2n ** 53n, 2n ** 62n, -(2n ** 62n), random.int(9)]),
      BLOB: () => random.bytes(random.length(400)),
    }
    const some = (type: unknown) =>
      random.chance(0.03) ? null : (kinds[String(type)] ?? random.pick(Object.values(kinds)))()
    const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all()
    expect(tables.length).toBeGreaterThan(4)
    for (const { name } of tables) {
      const columns = database.prepare(`PRAGMA table_info(${name})`).all()
      const insert = database.prepare(`INSERT OR IGNORE INTO ${name} VALUES (${columns.map(() => '?').join(', ')})`)
      for (let rows = 100; rows > 0; rows--) insert.run(...columns.map(({ type }) => some(type)))
    }
    database.exec('COMMIT')
    database.close()
    const state = await openState(folder)
    try {
      const before = state.nextEpoch()
      expect(Number.isSafeInteger(before) && state.nextEpoch() > before).toBe(true)
      for (const { size, publishedMs } of state.published.all()) expect(size >= 0 && publishedMs >= 0).toBe(true)
      for (const { record } of state.transfers.all()) expect(Number.isSafeInteger(record.size)).toBe(true)
      const table = new PeerTable({ news: new News(), verify: () => true, onRow: () => {} })
      const troubles: unknown[] = []
      const remember = new Remember({ table, state, ownId: '', onTrouble: (error) => troubles.push(error) })
      remember.start(new News())
      remember.stop()
      expect(troubles).toEqual([])
    } finally {
      state.close()
    }
  })
})

test('a damaged store is begun anew or refused in a sentence, and never half read', PATIENT, async () => {
  const folder = join(await tempDir(), '.portmesh')
  const made = await openState(folder)
  const names = Array.from({ length: 200 }, (_, at) => `file ${at}`)
  made.published.put(
    names.map((name) => ({
      name,
      size: 1,
      hash: 'a'.repeat(64),
      root: 'b'.repeat(64),
      publishedMs: 1,
      reach: 'computer' as const,
    })),
  )
  made.close()
  const whole = await readFile(join(folder, 'state.db'))
  await fuzz({ rounds: 6 }, async (random) => {
    const place = join(await tempDir(), '.portmesh')
    const first = await openState(place)
    first.close()
    await writeFile(join(place, 'state.db'), random.mutated(whole))
    const opened = await attemptLater(async () => await openState(place))
    if ('code' in opened) return expect(opened.code).toBe('PM_CANNOT_START')
    onTestFinished(() => opened.value.close())
    expect(opened.value.published.all().length).toBeLessThanOrEqual(names.length)
    opened.value.peers.all()
    opened.value.transfers.all()
    opened.value.close()
  })
})
