/**
 * Takes the place of src/node.ts in a copy of the program (fake-node-program.ts), so that starting and stopping can be
 * tried with nodes that hang, fail and crash when they are told to: the node's name says what it does.
 */
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Config, readPortsFile } from '../../src/config.ts'
import { parsePorts } from '../../src/discovery/ports.ts'
import { CannotStart } from '../../src/errors.ts'
import type { ProcessLog } from '../../src/log.ts'
import { withSettings } from '../../src/settings.ts'

interface Deps {
  readonly log: ProcessLog
  readonly print: (line: string) => void
}

const FOREVER_MS = 2 ** 31 - 1

export const createNode = async (given: Config, { log, print }: Deps) => {
  const { candidates } = parsePorts(await readPortsFile(given.portsFile), given.portsFile)
  if (given.name === 'slow to create') {
    print('creating')
    await sleep(FOREVER_MS)
  }
  const server = createServer((_request, response) => response.end('up and running'))
  const port = await bind(server, candidates)
  const home = given.home ?? join(given.homes, String(port))
  await mkdir(home, { recursive: true })
  const notices: string[] = []
  const { name, intervalMs } = await withSettings(given, home, notices)
  log.toHome(home)
  return {
    url: `http://127.0.0.1:${port}/`,
    port,
    home,
    start: async () => {
      log.warn({ key: 'very secret', name }, 'starting')
      if (name === 'slow to start') {
        print('starting')
        await sleep(FOREVER_MS)
      }
      for (const notice of notices) print(notice)
      if (name === 'broken') throw new TypeError('a secret detail')
      print(`name ${name}, interval ${intervalMs}, pid ${process.pid}`)
      print(`portmesh ready at http://127.0.0.1:${port}/`)
      if (name === 'crashes')
        setTimeout(() => {
          throw new TypeError('a secret detail')
        }, 50)
      if (name === 'rejects') setTimeout(() => void Promise.reject(new TypeError('a secret detail')), 50)
      if (name === 'talks') for (;;) await sleep(20).then(() => print('still here'))
    },
    stop: async () => {
      print('stopping')
      if (name === 'slow to stop') await sleep(2_000)
      if (name === 'never stops') await sleep(FOREVER_MS)
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      print('stopped')
    },
  }
}

const bind = async (server: ReturnType<typeof createServer>, candidates: readonly number[]): Promise<number> => {
  for (const port of candidates) {
    server.listen({ host: '127.0.0.1', port, exclusive: true })
    const free = await Promise.race([
      once(server, 'listening').then(() => true),
      once(server, 'error').then(() => false),
    ]).catch(() => false)
    if (free) return port
  }
  throw new CannotStart('all ports are taken')
}
