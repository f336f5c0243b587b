/** A holder that does nothing but seal and send: any question is answered with one content of zeroes. Its keys are known to everybody. */
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { FILE_FRAME_LOG2 } from '../../src/protocol/constants.ts'
import { sealPieces } from '../../src/session/sealed.ts'
import type { Exchange } from '../../src/session/sessions.ts'

/** Written but not sent yet. */
const AHEAD_BYTES = 4 * 1024 * 1024

const direction = (value: number) => ({ enc: new Uint8Array(32).fill(value), auth: new Uint8Array(32).fill(value) })
export const OPENED = {
  peerId: '0'.repeat(64),
  sid: new Uint8Array(16),
  keys: { i2r: direction(1), r2i: direction(2) },
}

const answer = async (socket: Socket, exchange: Exchange, bytes: number): Promise<void> => {
  const frame = new Uint8Array(2 ** FILE_FRAME_LOG2)
  const { length, sealer } = sealPieces(exchange, bytes)
  socket.write(`HTTP/1.1 200 OK\r\nPortmesh-Sealed: v=1\r\nContent-Length: ${length}\r\n\r\n`)
  socket.write(sealer.begin(new Uint8Array([0, 0, 0, 0, 0, 0, 0, 1])))
  for (let left = bytes; left > 0; left -= frame.length) {
    for (const part of sealer.seal(frame.subarray(0, left), left <= frame.length)) socket.write(part)
    if (socket.writableLength > AHEAD_BYTES) await once(socket, 'drain')
  }
}

/** In a process of its own; tells its parent the port. */
const serve = async (bytes: number): Promise<void> => {
  const server = createServer((socket) => {
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('data', (question) => {
      const [, method = '', target = ''] = /^(\w+) (\S+) /.exec(question.toString('latin1')) ?? []
      const n = Number(/; n=(\d+);/.exec(question.toString('latin1'))?.[1])
      answer(socket, { ...OPENED, n, method, target }, bytes).catch(() => socket.destroy())
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  process.once('disconnect', () => process.exit())
  process.send?.(typeof bound === 'object' ? bound?.port : undefined)
}

if (import.meta.main) await serve(Number(process.argv[2]))
