import { expect, test } from 'vitest'
import { LiveOpener, LiveSealer } from '../../../src/crypto/live-stream.ts'
import { open, openFrames, Sealer, type StreamContext, streamKey } from '../../../src/crypto/stream.ts'
import { isOurs } from '../../../src/errors.ts'
import known from '../../vectors/stream.json' with { type: 'json' }
import { bytes, codeOf, hex } from './given.ts'

const { key, sid, kind, ...rest } = known.context
const context: StreamContext = { ...rest, key: bytes(key), sid: bytes(sid), kind: kind === 'resp' ? 'resp' : 'req' }
const live: StreamContext = { ...context, frameLog2: 0 }
const salt = bytes(known.salt)

const chunked = function* (whole: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < whole.length; at += size) yield whole.subarray(at, at + size)
}

/** What was yielded before the end or the error, and which it was. */
const outcome = async (
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<{ expect: string; parts: string[] }> => {
  const parts: string[] = []
  try {
    for await (const part of source) parts.push(hex(part))
  } catch (error) {
    if (isOurs(error)) return { expect: error.code, parts }
    throw error
  }
  return { expect: 'ok', parts }
}

test('the keys of the two kinds of stream', () => {
  expect(hex(streamKey(context, salt))).toBe(known.streamKey)
  expect(hex(streamKey(live, salt))).toBe(known.liveStreamKey)
})

test.each(known.cases)('as another program sealed it, in frames: $name', async ({ body, expect: end, plaintext }) => {
  for (const size of [1, 5, 32, 33, 1000]) {
    const { parts, ...found } = await outcome(openFrames(context, chunked(bytes(body), size)))
    expect(found.expect).toBe(end)
    expect(parts.join('')).toBe(plaintext)
  }
})

test.each(known.cases)('as another program sealed it, whole: $name', ({ body, expect: end, plaintext }) => {
  if (end !== 'ok') expect(codeOf(() => open(context, bytes(body)))).toBe(end)
  else expect(hex(open(context, bytes(body)))).toBe(plaintext)
})

test.each(known.cases.filter((one) => one.expect === 'ok'))('seals as another program does: $name', (one) => {
  const sealer = new Sealer(context, salt)
  const plaintext = bytes(one.plaintext)
  const frames = plaintext.length === 0 ? [plaintext] : [...chunked(plaintext, 16)]
  const body = frames.map((frame, i) => hex(sealer.seal(frame, i === frames.length - 1)))
  expect(hex(sealer.header) + body.join('')).toBe(one.body)
})

const openLive = function* (body: Uint8Array, size: number): Generator<Uint8Array> {
  const opener = new LiveOpener(live)
  for (const chunk of chunked(body, size)) yield* opener.push(chunk)
  opener.end()
}

test.each(known.live)('a live stream of another program: $name', async ({ body, expect: end, messages }) => {
  for (const size of [1, 5, 33, 1000]) {
    const found = await outcome(openLive(bytes(body), size))
    expect(found).toEqual({ expect: end, parts: messages })
  }
})

test.each(known.live.filter((one) => one.expect === 'ok'))('seals live as another program does: $name', (one) => {
  const sealer = new LiveSealer(live, salt)
  const body = [...one.messages.map((message) => sealer.seal(bytes(message))), sealer.end()]
  expect(hex(sealer.header) + body.map(hex).join('')).toBe(one.body)
})

test('a live sealer refuses empty and too long messages, and anything after the end', () => {
  const sealer = new LiveSealer(live)
  expect(() => sealer.seal(new Uint8Array(0))).toThrow(RangeError)
  expect(() => sealer.seal(new Uint8Array(65_537))).toThrow(RangeError)
  const longest = sealer.seal(new Uint8Array(65_536).fill(5))
  const end = sealer.end()
  expect(() => sealer.seal(Uint8Array.of(1))).toThrow(RangeError)
  expect(() => sealer.end()).toThrow(RangeError)
  const whole = Buffer.concat([sealer.header, longest, end])
  expect([...openLive(whole, 1000)].map(({ length }) => length)).toEqual([65_536])
})

test('a live opener refuses a length over the limit before it waits for so many bytes', () => {
  const { header } = new LiveSealer(live, salt)
  const opener = new LiveOpener(live)
  expect([...opener.push(header)]).toEqual([])
  expect(codeOf(() => [...opener.push(Uint8Array.of(0, 1, 0, 17))])).toBe('PM_BAD_STREAM')
})

test('live and other streams are not taken for each other', () => {
  expect(() => new LiveSealer(context)).toThrow(RangeError)
  expect(() => new LiveOpener(context)).toThrow(RangeError)
  const { header } = new Sealer(context, salt)
  expect(codeOf(() => [...new LiveOpener(live).push(header)])).toBe('PM_BAD_STREAM')
})
