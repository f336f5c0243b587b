/** Bodies that stall: our own watchdog, because one time limit for every request would end each slow upload. */
import type { IncomingMessage } from 'node:http'

/** Who sends less than this in that time has gone, or means to hold us up. */
export const STALL_MS = 30_000
const STALL_BYTES = 64 * 1024

/**
 * Watch a request until its body is complete or it is closed.
 * @param onStall - called once; what it does has to end the request.
 */
export const watchBody = (request: IncomingMessage, stallMs: number, onStall: () => void): void => {
  const { socket } = request
  let before = socket.bytesRead
  const look = (): void => {
    const received = socket.bytesRead - before
    before = socket.bytesRead
    // What waits to be read is our own slowness, not the sender's.
    if (received >= STALL_BYTES || request.readableLength > 0) return
    clearInterval(timer)
    onStall()
  }
  const timer = setInterval(look, stallMs)
  timer.unref()
  for (const ended of ['end', 'close'] as const) request.once(ended, () => clearInterval(timer))
}
