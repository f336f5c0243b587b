import { expect } from 'vitest'
import type { RowFile, RowPage } from '../../src/protocol/messages.ts'
import { until } from '../helpers/api.ts'
import { type RoomOptions, startRoom } from '../helpers/room.ts'
import { openSession } from '../helpers/stranger.ts'
import { type Stranger, startStranger, type Turn } from '../helpers/stranger-server.ts'

export const QUICK = { pauseMs: 0, toldPauseMs: 0, promptPauseMs: 0 }

/** A node that has met a stranger with one file, and pulls from it again as soon as it may. */
export const acquainted = async (options: RoomOptions = {}) => {
  const stranger = await startStranger()
  stranger.publish('true.txt', 'true')
  const room = await startRoom({ addresses: [stranger.address], keepAlive: { pace: QUICK }, ...options })
  await room.keepAlive.start()
  stranger.asked.length = 0
  const names = () => room.catalogue.search({}).entries.flatMap((entry) => entry.names)
  expect(names()).toEqual(['true.txt'])
  const session = await openSession(room.url, stranger.identity)
  /** The stranger says that it has news, and is pulled. */
  const news = async () => {
    const asked = stranger.count('table')
    const plaintext = JSON.stringify({ kind: 'changed', port: stranger.port })
    await session.ask('POST', '/update', { plaintext })
    await until(
      async () => stranger.count('table'),
      (count) => count > asked,
    )
    await room.keepAlive.settled()
  }
  return { stranger, room, names, news, session }
}

export const sends = (stranger: Stranger, page: (turn: Turn) => unknown): void => {
  stranger.does.set('table', (turn) => turn.send(turn.sealed(200, JSON.stringify(page(turn)))))
}

export const lie = (name: string, more: Partial<RowFile> = {}): RowFile => ({
  name,
  size: 4,
  hash: '0'.repeat(64),
  root: '0'.repeat(64),
  published: 1,
  ...more,
})

export const whole = (stranger: Stranger): RowPage => stranger.page('/table')
