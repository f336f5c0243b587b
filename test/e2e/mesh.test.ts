import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ask, catalogueOf, nodesOf, publish, until } from '../helpers/api.ts'
import {
  freePorts,
  launchNode,
  listens,
  portsFile,
  type RunningNode,
  startMesh,
  startNode,
  tempDir,
} from '../helpers/process.ts'

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

const download = async (url: string): Promise<{ status: number; bytes: Buffer; headers: Headers }> => {
  const answer = await fetch(url)
  return { status: answer.status, bytes: Buffer.from(await answer.arrayBuffer()), headers: answer.headers }
}

const seesAll = async ({ url }: RunningNode, others: number): Promise<void> => {
  await until(
    () => nodesOf(url),
    (nodes) => nodes.filter(({ alive }) => alive).length === others,
  )
}

test('three nodes find each other; what one publishes the others fetch, byte for byte, whatever its size', async () => {
  const [a, b, c] = (await startMesh(3)) as [RunningNode, RunningNode, RunningNode]
  await Promise.all([a, b, c].map((node) => seesAll(node, 2)))
  const sizes = [0, 1, 16_384, 16_385, 1024 * 1024 - 1, 1024 * 1024, 1024 * 1024 + 1, 5_000_003, 150_000_000]
  await mkdir(join(a.home, 'album'))
  for (const [index, size] of sizes.entries()) {
    const name = index % 2 === 0 ? `file ${size}.bin` : `album/file ${size}.bin`
    const content = randomBytes(size)
    await writeFile(join(a.home, name), content)
    const published = await publish(a.url, name)
    expect(published).toMatchObject({ name, size, hash: sha256(content), alreadyOn: [], alsoHere: [] })
    for (const { url } of [b, c]) {
      await until(
        () => catalogueOf(url),
        ({ files }) => files.some(({ root, mine }) => root === published.root && !mine),
      )
    }
    const byName = await download(`${c.url}getfile/${a.port}/${encodeURIComponent(name)}`)
    expect(byName.status).toBe(200)
    expect(Number(byName.headers.get('content-length'))).toBe(size)
    expect(sha256(byName.bytes)).toBe(sha256(content))
    for (const key of [published.hash, published.root]) {
      const byContent = await download(`${b.url}getfile/${key}`)
      expect([byContent.status, sha256(byContent.bytes)]).toEqual([200, sha256(content)])
    }
  }
})

test('what was published before a node started reaches it, and what is taken out goes everywhere', async () => {
  const ports = await portsFile(await freePorts(4))
  const a = await startNode({ ports, interval: 10 })
  await writeFile(join(a.home, 'early.txt'), 'early')
  await publish(a.url, 'early.txt')
  const b = await startNode({ ports, interval: 10 })
  const seen = await until(
    () => catalogueOf(b.url),
    ({ files }) => files.length === 1,
    2_000,
  )
  expect(seen.files[0]).toMatchObject({ names: ['early.txt'], mine: false, holders: [{ alive: true }] })
  await ask(a.url, '/myfiles/early.txt/clear', 'POST')
  await until(
    () => catalogueOf(b.url),
    ({ total }) => total === 0,
    1_000,
  )
  expect(await readFile(join(a.home, 'early.txt'), 'utf8')).toBe('early')
})

test('a publish, a start, a clean stop and a kill are noticed promptly, not at the next round', async () => {
  const ports = await portsFile(await freePorts(4))
  const a = await startNode({ ports, interval: 600 })
  const b = await startNode({ ports, interval: 600 })
  await seesAll(a, 1)
  await writeFile(join(b.home, 'new.txt'), 'new')
  await publish(b.url, 'new.txt')
  await until(
    () => catalogueOf(a.url),
    ({ total }) => total === 1,
    1_000,
  )
  const c = await startNode({ ports, interval: 600 })
  await seesAll(a, 2)
  await c.stop('SIGTERM')
  await until(
    () => nodesOf(a.url),
    (nodes) => nodes.some(({ alive }) => !alive),
    1_000,
  )
  await b.kill()
  const nodes = await until(
    () => nodesOf(a.url),
    (all) => all.every(({ alive }) => !alive),
    2_000,
  )
  expect(nodes.length).toBe(2)
  expect((await catalogueOf(a.url)).files[0]).toMatchObject({ names: ['new.txt'], holders: [{ alive: false }] })
})

test('a returning peer is alive again, with its files, under the same identity', async () => {
  const ports = await portsFile(await freePorts(3))
  const [home, a] = [await tempDir(), await startNode({ ports })]
  const b = await startNode({ ports, home })
  await writeFile(join(home, 'kept.txt'), 'kept')
  await publish(b.url, 'kept.txt')
  await seesAll(a, 1)
  const before = (await nodesOf(a.url))[0]
  await b.kill()
  await until(
    () => nodesOf(a.url),
    (nodes) => nodes.every(({ alive }) => !alive),
  )
  await startNode({ ports, home })
  const after = await until(
    () => nodesOf(a.url),
    (nodes) => nodes.some(({ alive, count }) => alive && count === 1),
  )
  expect(after.length).toBe(1)
  expect(after[0]?.id).toBe(before?.id)
})

test('peers are remembered over a restart, as away', async () => {
  const ports = await portsFile(await freePorts(3))
  const home = await tempDir()
  const a = await startNode({ ports, home })
  const b = await startNode({ ports, name: 'Ben' })
  await writeFile(join(b.home, 'song.mp3'), 'la')
  await publish(b.url, 'song.mp3')
  await until(
    () => catalogueOf(a.url),
    ({ total }) => total === 1,
  )
  await a.stop()
  await b.stop()
  const again = await startNode({ ports, home })
  expect((await nodesOf(again.url))[0]).toMatchObject({ name: 'Ben', alive: false, count: 1 })
  expect((await catalogueOf(again.url)).files[0]?.names).toEqual(['song.mp3'])
})

test('ten nodes started at the same instant get ten ports and all see each other', async () => {
  const lines = await freePorts(10)
  const nodes = await startMesh(10, { ports: lines, interval: 5 })
  expect(nodes.map(({ port }) => port).sort()).toEqual([...lines].sort())
  await Promise.all(nodes.map((node) => seesAll(node, 9)))
})

test('the same content on two nodes is one entry with two holders, and the second publisher is told', async () => {
  const [a, b] = (await startMesh(2)) as [RunningNode, RunningNode]
  await seesAll(b, 1)
  await writeFile(join(a.home, 'photo.jpg'), 'pixels')
  await writeFile(join(b.home, 'IMG_1.jpg'), 'pixels')
  await publish(a.url, 'photo.jpg')
  await until(
    () => catalogueOf(b.url),
    ({ total }) => total === 1,
  )
  expect(await publish(b.url, 'IMG_1.jpg')).toMatchObject({ alreadyOn: [`127.0.0.1:${a.port}`] })
  const { files } = await until(
    () => catalogueOf(a.url),
    (all) => all.files[0]?.names.length === 2,
  )
  expect([...(files[0]?.names ?? [])].sort()).toEqual(['IMG_1.jpg', 'photo.jpg'])
  expect(files[0]).toMatchObject({ mine: true, holders: [{ address: `127.0.0.1:${b.port}` }] })
})

test('a file that changed since it was published is not fetched under its old hash', async () => {
  const [a, b] = (await startMesh(2)) as [RunningNode, RunningNode]
  await seesAll(b, 1)
  await writeFile(join(a.home, 'essay.txt'), 'first')
  const { hash } = await publish(a.url, 'essay.txt')
  await until(
    () => catalogueOf(b.url),
    ({ total }) => total === 1,
  )
  await writeFile(join(a.home, 'essay.txt'), 'other')
  const answer = await download(`${b.url}getfile/${hash}`)
  expect([404, 409, 503]).toContain(answer.status)
  expect(answer.bytes.toString()).not.toContain('other')
  await until(
    () => catalogueOf(b.url),
    ({ total }) => total === 0,
  )
})

test('only /alive and /getkey answer a caller without a session, and nothing readable crosses the wire', async () => {
  const node = await startNode()
  await writeFile(join(node.home, 'secret plan.txt'), 'plan')
  await publish(node.url, 'secret plan.txt')
  const alive = await download(`${node.url}alive`)
  expect(alive.bytes.toString()).toBe('up and running')
  expect(alive.headers.get('portmesh-table')).toMatch(/^\d+;[\w-]{22}$/)
  for (const path of ['table', 'myfiles/secret%20plan.txt', 'content/aa', 'update']) {
    const answer = await fetch(`${node.url}${path}`, {
      method: path === 'update' ? 'POST' : 'GET',
      headers: { 'portmesh-auth': 'x' },
    })
    expect(answer.status, path).toBe(401)
    expect(await answer.json()).toEqual({ error: { code: 'PM_NO_SESSION', message: 'no session' } })
  }
})

test('a port that is bound while its node is still being built keeps nobody waiting for ever', async () => {
  const [port = 0] = await freePorts(1)
  const node = await launchNode({ ports: [port] })
  await until(
    () => listens(port),
    (bound) => bound,
  )
  const answer = await fetch(`http://127.0.0.1:${port}/alive`, { signal: AbortSignal.timeout(10_000) })
  expect(await answer.text()).toBe('up and running')
  await node.says(/ready/)
})

test('an address that cannot be read is refused by the same guard as any other', async () => {
  const node = await startNode()
  const ours = await fetch(`${node.url}myfiles/%zz`)
  expect(ours.status).toBe(400)
  expect(ours.headers.get('content-security-policy')).toContain("default-src 'none'")
  const socket = connect(node.port, '127.0.0.1')
  socket.end('GET /%zz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n')
  const text = Buffer.concat(await socket.toArray()).toString()
  expect(text).toMatch(/^HTTP\/1\.1 421 /)
  expect(text.split('\r\n\r\n')[1]).toBe('')
})
