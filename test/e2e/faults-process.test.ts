/** What a process may lack: somebody who reads its output, and free descriptors. */
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { catalogueOf, nodesOf, publish, until } from '../helpers/api.ts'
import { type Answer, answerTo, upload } from '../helpers/faults.ts'
import { freePorts, listens, portsFile, REPOSITORY, run, startNode, tempDir } from '../helpers/process.ts'

/** A shell runs the node, after what it is told to do first. */
const shell = (first: string, end = 'exec "$@"'): { runtime: string; runtimeWords: readonly string[] } => ({
  runtime: 'sh',
  runtimeWords: ['-c', `${first}; ${end}`, 'sh', process.execPath],
})

test('a node goes on when nobody reads its output any more', async () => {
  const node = await startNode({ logLevel: 'debug' })
  node.child.stdout?.destroy()
  node.child.stderr?.destroy()
  await writeFile(join(node.home, 'a.txt'), 'a')
  const { hash } = await publish(node.url, 'a.txt')
  // Every refusal is a line of the log, to a standard error that is closed.
  for (let asked = 0; asked < 5; asked++) await answerTo(node.url, '/nowhere')
  expect(await answerTo(node.url, `/getfile/${hash}`)).toEqual({ status: 200, text: 'a' })
  expect(await node.stop()).toEqual({ code: 0, signal: null })
})

test.each([
  ['closed', '>&- 2>&-'],
  ['full', '> /dev/full 2>&1'],
])('a node starts, works and stops with an output that is %s from the start', async (_what, output) => {
  const [port = 0] = await freePorts(1)
  const words = ['start', `--ports=${await portsFile([port])}`, `--files=${await tempDir()}`, '--log-level=debug']
  const program = [process.execPath, join(REPOSITORY, 'bin', 'portmesh.js'), ...words]
  const node = run('sh', ['-c', `exec "$@" ${output}`, 'sh', ...program])
  await until(
    () => listens(port),
    (bound) => bound,
    20_000,
  )
  const url = `http://127.0.0.1:${port}/`
  expect((await upload(url, 'a.txt', Buffer.from('a'), '?publish=1')).status).toBe(201)
  expect((await answerTo(url, '/nowhere')).status).toBe(404)
  expect(await node.stop()).toEqual({ code: 0, signal: null })
})

/** As many connections as it takes, held open. */
const flood = async (port: number, count: number): Promise<() => void> => {
  const sockets: Socket[] = Array.from({ length: count }, () =>
    connect({ host: '127.0.0.1', port }).on('error', () => {}),
  )
  const end = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  onTestFinished(end)
  await Promise.all(sockets.map((socket) => once(socket, 'connect').catch(() => {})))
  return end
}

test('a node without free descriptors refuses what it cannot do, and does it again once there are some', async () => {
  const ports = await portsFile(await freePorts(3))
  const [a, b] = await Promise.all([startNode({ ports, ...shell('ulimit -n 50') }), startNode({ ports })])
  await until(
    () => nodesOf(b.url),
    ([node]) => node?.alive === true,
  )
  for (const name of ['a.txt', 'b.txt', 'c.txt']) await writeFile(join(a.home, name), name)
  const attempts = (): Promise<PromiseSettledResult<Answer>[]> =>
    Promise.allSettled([
      answerTo(a.url, '/'),
      answerTo(a.url, '/myfiles/b.txt/upload', 'POST'),
      upload(a.url, 'new.txt', Buffer.from('new')),
    ])
  // Connections that are there already go on being served. No thread has been needed yet, and none can be made now.
  await Promise.all([1, 2, 3].map(() => answerTo(a.url, '/alive')))
  const refused: string[] = []
  for (const count of [200, 8, 4]) {
    const end = await flood(a.port, count)
    await sleep(200)
    for (const result of await attempts()) {
      if (result.status === 'fulfilled' && result.value.status >= 400) refused.push(result.value.text)
    }
    end()
    await sleep(200)
  }
  expect(refused.length).toBeGreaterThan(0)
  for (const text of refused) expect(text).toContain('PM_BUSY')
  expect(
    (
      await until(
        () => answerTo(a.url, '/').catch(() => undefined),
        (answer) => answer?.status === 200,
      )
    )?.status,
  ).toBe(200)
  const { hash } = await publish(a.url, 'a.txt')
  await publish(a.url, 'c.txt')
  expect((await upload(a.url, 'last.txt', Buffer.from('last'), '?publish=1')).status).toBe(201)
  await until(
    () => catalogueOf(b.url),
    ({ files }) => files.filter(({ holders: [holder] }) => holder?.alive).length >= 3,
  )
  expect(await answerTo(b.url, `/getfile/${hash}`)).toEqual({ status: 200, text: 'a.txt' })
  expect(a.output()).not.toContain('went wrong')
  expect(await a.stop()).toEqual({ code: 0, signal: null })
})
