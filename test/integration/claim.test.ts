import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type Claim, claim } from '../../src/claim.ts'
import type { Config } from '../../src/config.ts'
import { isLoopback } from '../../src/connections.ts'
import { CannotStart, HomeInUse } from '../../src/errors.ts'
import { UNLIMITED } from '../../src/rate-words.ts'
import { freePorts, tempDir } from '../helpers/process.ts'

const configOf = async (home?: string): Promise<Config> => ({
  portsFile: '/somewhere/ports.txt',
  home,
  homes: join(await tempDir(), 'files'),
  name: 'Ana',
  intervalMs: 1_000,
  logLevel: 'silent',
  lan: false,
  hosts: [],
  limits: UNLIMITED,
  fixed: { name: false, interval: false, lan: false, limits: {} },
})

const end = ({ server, state }: Claim): void => {
  server.close()
  state.close()
}

const claimed = async (config: Config, ports: readonly number[]): Promise<Claim> => {
  const result = await claim(config, ports)
  onTestFinished(() => end(result))
  return result
}

/** Another program on a port of ours. */
const occupy = async (port: number): Promise<void> => {
  const server = createServer((_request, response) => response.end('something else'))
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
}

test('ten that start at the same instant get ten ports and ten homes', async () => {
  const [config, ports] = [await configOf(), await freePorts(10)]
  const claims = await Promise.all(ports.map(() => claimed(config, ports)))
  expect(claims.map(({ port }) => port).sort()).toEqual([...ports].sort())
  expect(new Set(claims.map(({ home }) => home)).size).toBe(10)
})

test('a node has the home of its port, and finds it again', async () => {
  const [config, ports] = [await configOf(), await freePorts(2)]
  const first = await claim(config, ports)
  expect(first).toMatchObject({ port: ports[0], home: join(config.homes, String(ports[0])) })
  end(first)
  expect((await claimed(config, ports)).home).toBe(first.home)
})

test('where another program has the port of last time, the home moves on to the next port', async () => {
  const [config, ports] = [await configOf(), await freePorts(3)]
  const [first = 0, second = 0, third = 0] = ports
  end(await claim(config, ports))
  await occupy(first)
  const moved = await claimed(config, ports)
  expect(moved).toMatchObject({ port: second, home: join(config.homes, String(first)) })
  const other = await claimed(config, ports)
  expect(other).toMatchObject({ port: third, home: join(config.homes, String(third)) })
})

test('a port that another program had before there was a home leaves no home behind', async () => {
  const [config, ports] = [await configOf(), await freePorts(2)]
  const [first = 0, second = 0] = ports
  await occupy(first)
  expect(await claimed(config, ports)).toMatchObject({ port: second, home: join(config.homes, String(second)) })
  expect(existsSync(join(config.homes, String(first)))).toBe(false)
})

test('a given home belongs to one process', async () => {
  const [home, ports] = [await tempDir(), await freePorts(2)]
  await claimed(await configOf(home), ports)
  const began = performance.now()
  await expect(claim(await configOf(home), ports)).rejects.toThrow(HomeInUse)
  expect(performance.now() - began).toBeGreaterThan(2_900)
})

test('no free port is one sentence, and the home is free again', async () => {
  const [home, ports] = [await tempDir(), await freePorts(1)]
  await mkdir(home, { recursive: true })
  await occupy(ports[0] ?? 0)
  const config = await configOf(home)
  await expect(claim(config, ports)).rejects.toThrow(CannotStart)
  await expect(claim(config, ports)).rejects.toThrow(/the only port \(\d+\) of .*ports\.txt is taken/)
})

test('visitors who only hold connections make room for others', async () => {
  const door = { isOwnAddress: isLoopback, limits: { all: 20, ofSource: 20 } }
  const { port, handleWith, ...rest } = await claim(await configOf(), await freePorts(1), door)
  onTestFinished(() => end({ port, handleWith, ...rest }))
  handleWith((_request, response) => response.end('here'))
  const idle = Array.from({ length: 20 }, () => connect(port, '127.0.0.1'))
  onTestFinished(() => {
    for (const socket of idle) socket.destroy()
  })
  for (const socket of idle) {
    socket.on('error', () => {})
    socket.write('GET / HTTP/1.1\r\nHost: here\r\n\r\n')
    await once(socket, 'data')
  }
  expect(await fetch(`http://127.0.0.1:${port}/`).then((answer) => answer.text())).toBe('here')
})
