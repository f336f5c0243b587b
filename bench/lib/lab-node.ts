/**
 * Loaded into a node before the program, in a lab alone: there it answers on every address of its namespace, which nobody outside
 * reaches, and on a socket file besides, by which the benchmark outside speaks with it.
 */
import { createServer, type ListenOptions, Server } from 'node:net'
import { isMainThread } from 'node:worker_threads'

const LOOPBACK = '127.0.0.1'
const EVERYWHERE = '0.0.0.0'

const socketFile = process.env.BENCH_SOCKET

if (isMainThread && socketFile !== undefined) {
  const { listen } = Server.prototype
  Object.assign(Server.prototype, {
    listen(this: Server, ...words: unknown[]): Server {
      const [options, ...rest] = words
      if (!onLoopback(options)) return Reflect.apply(listen, this, words)
      this.once('listening', () => {
        const door = createServer((socket) => this.emit('connection', socket))
        Reflect.apply(listen, door, [{ path: socketFile }])
        door.unref()
      })
      return Reflect.apply(listen, this, [{ ...options, host: EVERYWHERE }, ...rest])
    },
  })
}

function onLoopback(options: unknown): options is ListenOptions {
  return typeof options === 'object' && options !== null && 'host' in options && options.host === LOOPBACK
}
