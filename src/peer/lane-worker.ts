/** The lane's thread: sockets are read and pieces deciphered here, so that the main thread gets whole frames and no garbage. */
import { parentPort } from 'node:worker_threads'
import { free } from '../bytes.ts'
import { keepCompiled } from '../compiled.ts'
import { Answer } from './lane-answer.ts'
import { Lines } from './lane-lines.ts'
import type { FromLane, LaneAsked, ToLane } from './lane-messages.ts'
import { leavesOf } from './leaves.ts'

keepCompiled()

/** A frame that came in more parts is joined, so that not every part travels on its own. */
const PARTS = 16

/** Requests that wait for a connection, and answers that come. */
const running = new Map<number, { readonly stop: () => void; readonly taken: () => void; readonly on: () => void }>()
const lines = new Lines((address) => tell({ kind: 'lost', address }))

const tell = (message: FromLane, transfer: readonly ArrayBuffer[] = []): void =>
  parentPort?.postMessage(message, [...transfer])

parentPort?.on('message', (message: ToLane) => {
  if (message.kind === 'ask') ask(message.id, message.asked)
  else if (message.kind === 'taken') running.get(message.id)?.taken()
  else if (message.kind === 'on') running.get(message.id)?.on()
  else {
    running.get(message.id)?.stop()
    running.delete(message.id)
  }
})

const ask = (id: number, asked: LaneAsked): void => {
  if (!URL.canParse(`http://${asked.address}`)) {
    tell({ kind: 'end', id, end: { kind: 'broken', code: undefined, message: 'no address' } })
    return
  }
  const leave = lines.take(asked.address, (connection) => {
    const answer = new Answer(asked, connection, {
      head: (first, count, bytes) => tell({ kind: 'head', id, first, count, bytes }),
      frame: (parts, bytes, received) => {
        const { whole, buffers } = movable(parts, bytes)
        const leaves = leavesOf(whole, bytes)
        tell({ kind: 'frame', id, parts: whole, bytes, leaves, received }, [...buffers, leaves.buffer])
      },
      held: (bytes) => tell({ kind: 'held', id, bytes }),
      progress: (received) => tell({ kind: 'progress', id, received }),
      end: (end, then) => {
        running.delete(id)
        if (then === 'again') lines.give(asked.address, connection)
        else connection.close(then === 'broken')
        tell({ kind: 'end', id, end })
      },
    })
    running.set(id, { stop: () => answer.stop(), taken: () => answer.taken(), on: () => answer.on() })
    answer.begin()
  })
  if (!running.has(id)) running.set(id, { stop: leave, taken: () => {}, on: () => {} })
}

/** Parts that can be handed to the other thread without a copy. */
const movable = (
  parts: readonly Uint8Array[],
  bytes: number,
): { readonly whole: readonly Uint8Array[]; readonly buffers: readonly ArrayBuffer[] } => {
  const buffers = parts.flatMap(({ buffer, byteLength }) =>
    buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : [],
  )
  if (parts.length <= PARTS && buffers.length === parts.length) return { whole: parts, buffers }
  const joined = new Uint8Array(bytes)
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
    free(part)
  }
  return { whole: [joined], buffers: [joined.buffer] }
}
