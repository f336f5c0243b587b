/** An upload that is refused while its body still comes: the answer arrives, and the connection is good for more. */
import { rm } from 'node:fs/promises'
import { Agent, type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { until } from '../helpers/api.ts'
import { type Scope, startScope } from './user-scope.ts'

const BOUNDARY = 'the-boundary'
const TYPE = `multipart/form-data; boundary=${BOUNDARY}`
const HEAD = `--${BOUNDARY}\r\ncontent-disposition: form-data; name="files"; filename="large.bin"\r\ncontent-type: text/plain\r\n\r\n`
const END = `\r\n--${BOUNDARY}--\r\n`

/** A scope that can keep nothing: the folder for what arrives has gone. */
const refusing = async (options: { stallMs?: number } = {}): Promise<Scope> => {
  const scope = await startScope(options)
  await rm(join(scope.home, '.portmesh', 'partial'), { recursive: true })
  return scope
}

/** A program with one connection, as browsers keep one. */
const oneConnection = ({ url }: Scope) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  onTestFinished(() => agent.destroy())
  return async (method: string, path: string, body?: Buffer): Promise<{ status: number; text: string }> =>
    await new Promise((resolve, reject) => {
      const headers = body ? { 'content-type': TYPE, 'content-length': body.length } : {}
      const take = (answer: IncomingMessage): void => {
        let text = ''
        answer.on('data', (chunk) => {
          text += chunk
        })
        answer.once('end', () => resolve({ status: answer.statusCode ?? 0, text }))
      }
      const asked = request(url + path, { method, headers, agent, signal: AbortSignal.timeout(10_000) }, take)
      asked.once('error', reject).end(body)
    })
}

test.each([1_000, 300_000, 3_000_000, 30_000_000])(
  'of %i bytes is answered, and so is the next request on its connection',
  async (bytes) => {
    const ask = oneConnection(await refusing())
    const body = Buffer.concat([Buffer.from(HEAD), Buffer.alloc(bytes), Buffer.from(END)])
    for (let round = 0; round < 2; round++) {
      const { status, text } = await ask('POST', '/myfiles', body)
      expect([status, text]).toEqual([507, expect.stringContaining('"PM_CANNOT_WRITE"')])
      expect((await ask('GET', '/myfiles/uploaded')).status).toBe(200)
    }
  },
)

test('that stalls after its refusal is not waited for', async () => {
  const scope = await refusing({ stallMs: 300 })
  const socket = connect(scope.port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  let answer = ''
  let ended = false
  socket.on('data', (chunk) => {
    answer += chunk
  })
  socket.on('error', () => {})
  socket.once('close', () => {
    ended = true
  })
  const head = `POST /myfiles HTTP/1.1\r\nhost: 127.0.0.1:${scope.port}\r\ncontent-type: ${TYPE}\r\ncontent-length: 9000000\r\n\r\n`
  socket.write(Buffer.concat([Buffer.from(head + HEAD), Buffer.alloc(400_000)]))
  await until(
    async () => ended,
    (is) => is,
    5_000,
  )
  expect(answer).toMatch(/^HTTP\/1\.1 507 .*"PM_CANNOT_WRITE"/s)
})
