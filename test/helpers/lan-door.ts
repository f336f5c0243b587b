/**
 * Loaded into a node before the program, in a lab alone: the node answers on a socket file besides, by which whoever is outside of
 * its namespace reaches the person's routes. With LAB_EVERYWHERE it answers on every address of its namespace, too, which nobody
 * outside reaches.
 */
import { createServer, type ListenOptions, Server } from 'node:net'
import { isMainThread } from 'node:worker_threads'

const LOOPBACK = '127.0.0.1'
const EVERYWHERE = '0.0.0.0'

const socketFile = process.env.LAB_SOCKET
const host = process.env.LAB_EVERYWHERE === undefined ? LOOPBACK : EVERYWHERE

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
      return Reflect.apply(listen, this, [{ ...options, host }, ...rest])
    },
  })
}

function onLoopback(options: unknown): options is ListenOptions {
  return typeof options === 'object' && options !== null && 'host' in options && options.host === LOOPBACK
}
