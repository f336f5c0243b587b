/** The connections to each holder: those that answer, those that wait to be used again, and who waits for one. */
import { Connection } from './lane-connection.ts'

/** Connections for pieces to one address; one question more waits. */
const CONNECTIONS = 24
/** Much shorter than a holder keeps one (PROTOCOL.md, "Transport"): it is not ended there while we begin to ask. */
const IDLE_MS = 5_000

/** Gets a connection, once. */
export type Turn = (connection: Connection) => void

interface Line {
  readonly idle: Map<Connection, NodeJS.Timeout>
  readonly waiting: Set<Turn>
  count: number
}

export class Lines {
  readonly #lines = new Map<string, Line>()
  readonly #onBroken: (address: string) => void

  /** @param onBroken - told when a connection broke that had been there. */
  constructor(onBroken: (address: string) => void) {
    this.#onBroken = onBroken
  }

  /** @returns what takes the wish back, as long as it was not granted. */
  take(address: string, turn: Turn): () => void {
    const line = this.#lines.get(address) ?? { idle: new Map(), waiting: new Set(), count: 0 }
    this.#lines.set(address, line)
    line.waiting.add(turn)
    this.#serve(address, line)
    return () => line.waiting.delete(turn)
  }

  /** An answer was read to its end, and another one may follow on its connection. */
  give(address: string, connection: Connection): void {
    const line = this.#lines.get(address)
    if (!line) return
    connection.release()
    line.idle.set(
      connection,
      setTimeout(() => connection.close(), IDLE_MS),
    )
    this.#serve(address, line)
  }

  #serve(address: string, line: Line): void {
    for (const turn of line.waiting) {
      const connection = [...line.idle.keys()].at(-1) ?? this.#another(address, line)
      if (!connection) return
      clearTimeout(line.idle.get(connection))
      line.idle.delete(connection)
      line.waiting.delete(turn)
      turn(connection)
    }
    if (line.count === 0 && line.waiting.size === 0) this.#lines.delete(address)
  }

  #another(address: string, line: Line): Connection | undefined {
    if (line.count === CONNECTIONS) return undefined
    line.count += 1
    const connection = new Connection(address, {
      ended: (broken) => {
        clearTimeout(line.idle.get(connection))
        line.idle.delete(connection)
        line.count -= 1
        if (broken) this.#onBroken(address)
        // Whoever waits finds out on a connection of its own; not now, for the one who had this one is told first.
        queueMicrotask(() => this.#serve(address, line))
      },
    })
    return connection
  }
}
