import { getEventListeners, once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { readShort, type ShortAnswer, type ShortLimits } from '../../../src/peer/short.ts'
import { Pool } from '../../../src/peer/undici.ts'

const FOREVER_MS = 2 ** 31 - 1
const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length

/** A real server that answers so, and a pool to it. */
const askOf = async (listener: RequestListener) => {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  const pool = new Pool(`http://127.0.0.1:${typeof bound === 'object' && bound ? bound.port : 0}`)
  onTestFinished(async () => {
    await pool.destroy()
    server.closeAllConnections()
    server.close()
  })
  return async (limits: Partial<ShortLimits> = {}): Promise<ShortAnswer> =>
    await readShort(pool, { method: 'GET', path: '/' }, { maxBytes: 20, milliseconds: FOREVER_MS, ...limits })
}

test('a short answer comes with its status, its headers and its text, and leaves nothing behind', async () => {
  const ask = await askOf((_request, response) => void response.writeHead(404, { 'x-one': '1' }).end('not here'))
  const { signal } = new AbortController()
  await ask({ signal })
  const before = timers()
  expect(await ask({ signal })).toMatchObject({ status: 404, headers: { 'x-one': '1' }, text: 'not here' })
  expect(timers()).toBeLessThanOrEqual(before)
  expect(getEventListeners(signal, 'abort')).toEqual([])
})

test('a body that is too long is not read to its end', async () => {
  let written = 0
  const ask = await askOf((_request, response) => {
    const timer = setInterval(() => {
      written += 10
      response.write('x'.repeat(10))
    }, 5)
    response.once('close', () => clearInterval(timer))
  })
  expect(await ask()).toMatchObject({ status: 200, text: undefined })
  const before = written
  await sleep(100)
  expect(written - before).toBeLessThanOrEqual(50)
})

test('a body that breaks off has no text; an answer without a head is an error', async () => {
  const ask = await askOf((_request, response) => {
    response.writeHead(200, { 'content-length': '9' }).write('half')
    setTimeout(() => response.destroy(), 20)
  })
  expect((await ask()).text).toBeUndefined()
  const silent = await askOf((request) => void request.socket.destroy())
  await expect(silent()).rejects.toThrow()
})

test('what never comes is waited for no longer than was said, and not at all when it is not needed', async () => {
  const ask = await askOf(() => {})
  await expect(ask({ milliseconds: 50 })).rejects.toThrow('too late')
  const stop = new AbortController()
  const asked = ask({ signal: stop.signal })
  await sleep(20)
  stop.abort()
  await expect(asked).rejects.toThrow('not needed any more')
  await expect(ask({ signal: stop.signal })).rejects.toThrow('not needed any more')
  const drips = await askOf((_request, response) => void response.writeHead(200).write('x'))
  expect(await drips({ milliseconds: 100 })).toMatchObject({ status: 200, text: undefined })
})
