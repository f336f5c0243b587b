/** A home and a port for this node. A home belongs to one process, a port to whoever binds it first: both are taken by trying. */
import { existsSync } from 'node:fs'
import type { RequestListener, Server } from 'node:http'
import { join } from 'node:path'
import type { Config } from './config.ts'
import { type Doorkeeper, isLoopback } from './connections.ts'
import { CannotStart, HomeInUse } from './errors.ts'
import { limitedServer, listenAt } from './http-server.ts'
import { openState, type State } from './store/state.ts'

/** A node that is just ending frees its home within this time. */
const HOME_WAIT_MS = 3_000

export interface Claim {
  readonly home: string
  readonly state: State
  readonly port: number
  /** Listening on 127.0.0.1. */
  readonly server: Server
  /** Whoever answers from now on. What was asked before, while the node was being built, is answered then. */
  readonly handleWith: (handler: RequestListener) => void
}

type Bound = Pick<Claim, 'server' | 'handleWith'>

interface Held {
  readonly home: string
  readonly state: State
}

/**
 * Take the first free port of the list, and with it a home: the given one, or `<homes>/<port>`.
 * Where this computer's node had a port that another program holds now, its home goes with it to the next port.
 * @param door - who gets in when many want to
 * @throws CannotStart when no port is free, HomeInUse when the given home belongs to another process.
 */
export const claim = async (
  config: Config,
  candidates: readonly number[],
  door: Doorkeeper = { isOwnAddress: isLoopback },
): Promise<Claim> => {
  let held = config.home === undefined ? undefined : await hold(config.home, HOME_WAIT_MS)
  try {
    for (const port of candidates) {
      const own = join(config.homes, String(port))
      if (!held && existsSync(join(own, '.portmesh'))) {
        held = await holdFree(own)
        if (!held) continue
      }
      const bound = await bind(port, door)
      if (!bound) continue
      held ??= await holdFree(own)
      if (held) return { ...held, ...bound, port }
      bound.server.close()
    }
    const all = candidates.length === 1 ? `the only port (${candidates[0]})` : `each of the ${candidates.length} ports`
    throw new CannotStart(
      `${all} of ${config.portsFile} is taken: stop another program, or add a line with a free port`,
    )
  } catch (error) {
    held?.state.close()
    throw error
  }
}

const hold = async (home: string, waitMs: number): Promise<Held> => ({
  home,
  state: await openState(join(home, '.portmesh'), { waitMs }),
})

/** Undefined when another node has this home. */
const holdFree = async (home: string): Promise<Held | undefined> => {
  try {
    return await hold(home, 0)
  } catch (error) {
    if (error instanceof HomeInUse) return undefined
    throw error
  }
}

/** Undefined when the port is taken, or not for us. */
const bind = async (port: number, door: Doorkeeper): Promise<Bound | undefined> => {
  const ready = Promise.withResolvers<RequestListener>()
  // A port answers the others' probes as soon as it is bound; one that stays silent would be taken for a stopped node.
  const server = limitedServer((request, response) => {
    void ready.promise.then((handler) => handler(request, response))
  }, door)
  try {
    await listenAt(server, '127.0.0.1', port)
    return { server, handleWith: ready.resolve }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EADDRINUSE' || code === 'EACCES') return undefined
    throw new CannotStart(`port ${port} of 127.0.0.1 cannot be opened`, { cause: error })
  }
}
