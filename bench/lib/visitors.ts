/**
 * Visitors of one page, as a program of its own: `node visitors.ts PORT PATH CONNECTIONS RATE`. With a rate they come evenly, so many a
 * second, and what has to wait counts as late; with 0 each connection asks again as soon as it is answered. It begins and ends
 * when its parent says so, and then tells what it saw.
 */
import { connect, type Socket } from 'node:net'

export interface Seen {
  readonly answersPerSecond: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  readonly most: number
}

const [port = '', path = '/', connections = '1', rate = '0'] = process.argv.slice(2)
const perSecond = Number(rate)
const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAccept: application/json\r\n\r\n`)

const free: Visitor[] = []
/** When somebody wanted to ask, and nobody could yet. */
const due: number[] = []
let latencies: number[] = []
let running = false
let began = 0
let wanted = 0

class Visitor {
  readonly #socket: Socket
  #since = 0
  #text = ''
  /** Bytes of the answer before: the next one nearly always has as many. */
  #usual = 0

  constructor() {
    this.#socket = connect({ port: Number(port), host: '127.0.0.1', noDelay: true })
    this.#socket.on('data', (chunk) => this.#hear(chunk))
    this.#socket.on('error', () => process.exit(1))
  }

  ask(since: number): void {
    this.#since = since
    this.#socket.write(request)
  }

  #hear(chunk: Buffer): void {
    if (this.#text !== '' || chunk.length !== this.#usual) {
      this.#text += chunk.toString('latin1')
      const head = this.#text.indexOf('\r\n\r\n')
      if (head < 0) return
      const length = Number(/content-length: (\d+)/i.exec(this.#text)?.[1])
      if (this.#text.length < head + 4 + length) return
      this.#usual = this.#text.length
      this.#text = ''
    }
    const now = performance.now()
    if (running) latencies.push(now - this.#since)
    if (!running) free.push(this)
    else if (perSecond === 0) this.ask(now)
    else this.#next()
  }

  #next(): void {
    const since = due.shift()
    if (since === undefined) free.push(this)
    else this.ask(since)
  }
}

for (let at = 0; at < Number(connections); at++) free.push(new Visitor())

const tick = (): void => {
  if (!running || perSecond === 0) return
  const now = performance.now()
  for (; wanted < ((now - began) / 1_000) * perSecond; wanted++) {
    const visitor = free.pop()
    if (visitor) visitor.ask(now)
    else due.push(now)
  }
}
setInterval(tick, 1)

process.on('disconnect', () => process.exit(0))
process.on('message', (word) => {
  if (word === 'begin') {
    ;[running, began, wanted, latencies] = [true, performance.now(), 0, []]
    due.length = 0
    if (perSecond === 0) for (const visitor of free.splice(0)) visitor.ask(began)
    return
  }
  running = false
  const seconds = (performance.now() - began) / 1_000
  const sorted = latencies.sort((a, b) => a - b)
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  const seen: Seen = { answersPerSecond: sorted.length / seconds, p50: at(0.5), p99: at(0.99), most: at(1) }
  process.send?.(seen)
})
process.send?.('ready')
