/** A node that gives contents ends in time, whoever follows it and whatever is being sent. */
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { publish, until } from '../helpers/api.ts'
import { Line, Listening } from '../helpers/holder-client.ts'
import { startNode } from '../helpers/process.ts'
import { openSession } from '../helpers/stranger.ts'

test('a node stops within five seconds while it is followed and sends to somebody who does not read', async () => {
  const node = await startNode()
  await writeFile(join(node.home, 'a.bin'), randomBytes(40 * 2 ** 20))
  const { root } = await publish(node.url, 'a.bin')
  const streams = []
  for (let i = 0; i < 5; i++) streams.push(new Listening(await openSession(node.url), root))
  for (const stream of streams)
    await until(
      async () => stream.messages.length,
      (count) => count > 0,
    )
  const deaf = new Line(await openSession(node.url))
  await deaf.ask('/table')
  deaf.socket.pause()
  deaf.ask(`/content/${root}?pieces=0-319`).catch(() => undefined)
  await until(
    async () => deaf.socket.readableLength,
    (bytes) => bytes > 0,
  )

  const before = performance.now()
  expect(await node.stop()).toEqual({ code: 0, signal: null })
  expect(performance.now() - before).toBeLessThan(5_000)
  for (const stream of streams) expect(stream.end).toBe('clean')
  expect(node.stderr()).toBe('')
})
