/** Every route of a node, asked of the program itself: a new one is in the list without being named here. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { resolveConfig } from '../../src/config.ts'
import { createLog } from '../../src/log.ts'
import { createNode } from '../../src/node.ts'
import { saveSecret } from '../../src/store/secret.ts'
import { openState } from '../../src/store/state.ts'
import { freePorts, portsFile } from './process.ts'
import { strangerIdentity } from './stranger.ts'

export interface Route {
  readonly method: string
  /** `/nodes/:id` */
  readonly url: string
}

/** An identity that took no time to make, where a node is going to look for its own. */
export const giveIdentity = async (home: string): Promise<void> => {
  const state = await openState(join(home, '.portmesh'))
  await saveSecret(state.folder, strangerIdentity())
  state.close()
}

/** Builds a node in this process, listens to what it registers, and stops it before it has looked for anybody. */
export const routesOfNode = async (home: string): Promise<readonly Route[]> => {
  const routes: Route[] = []
  const watch = (message: unknown): void => {
    const { fastify } = message as { fastify: FastifyInstance } // what Fastify tells on this channel
    fastify.addHook(
      'onRoute',
      ({ method, url }) => void routes.push(...[method].flat().map((each) => ({ method: each, url }))),
    )
  }
  subscribe('fastify.initialization', watch)
  try {
    const config = resolveConfig({
      options: { ports: await portsFile(await freePorts(1)), files: home, logLevel: 'silent' },
      env: {},
      cwd: home,
      root: home,
      personHome: home,
      user: undefined,
      host: 'a node',
    })
    const node = await createNode(config, { log: createLog('silent', { write: () => {} }), print: () => {} })
    await node.stop()
  } finally {
    unsubscribe('fastify.initialization', watch)
  }
  return routes
}
