import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PieceSealer } from '../../../src/crypto/piece-seal.ts'
import { openedPiecesLength, PieceOpener, sealedPiecesLength } from '../../../src/crypto/piece-stream.ts'
import type { StreamContext } from '../../../src/crypto/stream.ts'
import { bytes, codeOf, flipped, hex, vector } from './given.ts'

const context: StreamContext = {
  key: bytes(vector.open.r2i.K_enc),
  kind: 'resp',
  sid: bytes(vector.input.sid),
  n: 3,
  method: 'GET',
  target: '/content/ab?pieces=0-7',
  status: 200,
  frameLog2: 6,
}
const FRAME = 2 ** 6
const HEAD = new Uint8Array([0, 0, 0, 5, 0, 0, 0, 8])
/** Header, head frame and its tag. */
const BEFORE = 17 + 8 + 16

const pattern = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => Math.floor((i * i) / 7) % 256)

const sealed = (content: Uint8Array, own = context): Buffer => {
  const sealer = new PieceSealer(own)
  const frame = 2 ** own.frameLog2
  const parts = [sealer.begin(HEAD)]
  for (let at = 0; at < content.length; at += frame)
    parts.push(...sealer.seal(content.subarray(at, at + frame), at + frame >= content.length))
  return Buffer.concat(parts)
}

interface Read {
  readonly head: string
  readonly frames: readonly number[]
  readonly content: Buffer
}

/** What a reader was told until the end, or until it failed. */
const read = (
  chunks: Iterable<Uint8Array>,
  length: number,
  own = context,
): Read & { readonly code: string | undefined } => {
  const parts: Buffer[] = []
  const frames: number[] = []
  let head = ''
  const code = codeOf(() => {
    const opener = new PieceOpener(own, length, {
      head: (found) => {
        head = hex(found)
      },
      frame: (given, count) => {
        const frame = Buffer.concat(given)
        expect(frame.length).toBe(count)
        parts.push(frame)
        frames.push(count)
      },
    })
    for (const chunk of chunks) opener.push(chunk)
    opener.end()
  })
  return { head, frames, content: Buffer.concat(parts), code }
}

const whole = (body: Uint8Array, own = context) => read([body], body.length, own)

const SIZES = [1, FRAME - 1, FRAME, FRAME + 1, 2 * FRAME, 3 * FRAME + 5]

test.each(SIZES)('%i bytes come back behind their head, in frames that begin with the content', (size) => {
  const content = pattern(size)
  const body = sealed(content)
  const found = whole(body)
  expect(found.code).toBeUndefined()
  expect([found.head, found.content.equals(content)]).toEqual([hex(HEAD), true])
  expect(found.frames.slice(0, -1).every((count) => count === FRAME)).toBe(true)
  expect(body.length).toBe(sealedPiecesLength(size, 6))
})

test('any chunks do, also when each of them is gone as soon as the next one comes', () => {
  const property = fc.property(
    fc.integer({ min: 1, max: 5 * FRAME }),
    fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 60 }),
    (size, cuts) => {
      const content = pattern(size)
      const body = sealed(content)
      const chunks = function* (): Generator<Uint8Array> {
        let before: Uint8Array<ArrayBuffer> | undefined
        for (let at = 0, i = 0; at < body.length; i++) {
          const chunk = new Uint8Array(body.subarray(at, at + (cuts[i] ?? 50)))
          at += chunk.length
          // As the socket's memory is given back.
          before?.buffer.transfer(0)
          before = chunk
          yield chunk
        }
      }
      const found = read(chunks(), body.length)
      expect([found.code, found.head]).toEqual([undefined, hex(HEAD)])
      expect(found.content.equals(content)).toBe(true)
    },
  )
  fc.assert(property, { numRuns: 300 })
})

test('frames of file content come back from chunks as a socket gives them', () => {
  const own = { ...context, frameLog2: 20 }
  const content = pattern(2 ** 21 + 4_711)
  const body = sealed(content, own)
  for (const size of [1_000, 16_384, 65_536, 2 ** 20, body.length]) {
    const chunks = Array.from({ length: Math.ceil(body.length / size) }, (_, i) =>
      body.subarray(i * size, (i + 1) * size),
    )
    const found = read(chunks, body.length, own)
    expect([found.code, found.frames]).toEqual([undefined, [2 ** 20, 2 ** 20, 4_711]])
    expect(found.content.equals(content)).toBe(true)
  }
})

test('every cut is found, and nothing but whole frames was handed on before', () => {
  const content = pattern(2 * FRAME + 9)
  const body = sealed(content)
  for (let cut = 0; cut < body.length; cut++) {
    const found = read([body.subarray(0, cut)], body.length)
    expect(found.code, `${cut}`).toBe('PM_BAD_STREAM')
    expect(found.content.length % FRAME, `${cut}`).toBe(0)
    expect(found.content.equals(content.subarray(0, found.content.length)), `${cut}`).toBe(true)
    // Announced as long as it is, it has another last frame, or is of a length that no answer has.
    const short = whole(body.subarray(0, cut))
    expect(short.code, `${cut}`).toBe('PM_BAD_STREAM')
    expect(short.content.equals(content.subarray(0, short.content.length)), `${cut}`).toBe(true)
  }
})

test('every flipped byte is found, and nothing of its frame was handed on', () => {
  const content = pattern(2 * FRAME + 9)
  const body = sealed(content)
  for (let at = 0; at < body.length; at++) {
    const found = whole(flipped(body, at))
    expect(found.code, `${at}`).toBe('PM_BAD_STREAM')
    const before = Math.max(0, Math.floor((at - BEFORE) / (FRAME + 16)))
    expect(found.content.length, `${at}`).toBe(before * FRAME)
    if (at < BEFORE) expect(found.head, `${at}`).toBe('')
  }
})

test('an answer of another length than announced does not open', () => {
  const content = pattern(2 * FRAME)
  const body = sealed(content)
  for (const length of [-1, 0, 1, BEFORE, BEFORE + 16, Number.NaN, Number.POSITIVE_INFINITY, body.length + 0.5])
    expect(read([body], length).code, `${length}`).toBe('PM_BAD_STREAM')
  for (const difference of [-FRAME - 16, -FRAME, -17, -16, -1, 1, 16, 17, FRAME, FRAME + 16]) {
    const found = read([body], body.length + difference)
    expect(found.code, `${difference}`).toBe('PM_BAD_STREAM')
    expect(found.content.equals(content.subarray(0, found.content.length))).toBe(true)
  }
})

test('what follows the last frame is an error, be it a byte or a frame', () => {
  const body = sealed(pattern(FRAME + 1))
  for (const more of [body.subarray(0, 1), body.subarray(BEFORE, BEFORE + FRAME + 16), body]) {
    for (const chunks of [[body, more], [Buffer.concat([body, more])]])
      expect(read(chunks, body.length).code).toBe('PM_BAD_STREAM')
  }
})

test('frames that are swapped, repeated or left out do not open', () => {
  const body = sealed(pattern(3 * FRAME))
  const frames = [0, 1, 2].map((i) => body.subarray(BEFORE + i * (FRAME + 16), BEFORE + (i + 1) * (FRAME + 16)))
  for (const order of [[1, 0, 2], [0, 0, 2], [0, 2, 1], [0, 2], [0, 1], [2], [0, 1, 1, 2]]) {
    const other = Buffer.concat([body.subarray(0, BEFORE), ...order.flatMap((i) => frames[i] ?? [])])
    for (const length of [body.length, other.length])
      expect(read([other], length).code, order.join()).toBe('PM_BAD_STREAM')
  }
})

test('an answer opens for its own request only', () => {
  const body = sealed(pattern(100))
  const others: Partial<StreamContext>[] = [
    { key: bytes(vector.open.i2r.K_enc) },
    { sid: flipped(context.sid) },
    { n: 4 },
    { target: '/content/ab?pieces=0-6' },
    { status: 404 },
    { method: 'POST' },
  ]
  for (const other of others) expect(whole(body, { ...context, ...other }).code).toBe('PM_BAD_STREAM')
  expect(read([body], body.length, { ...context, frameLog2: 7 }).code).toBe('PM_BAD_STREAM')
})

test('lengths that no answer has are found, all others come back', () => {
  for (const frameLog2 of [3, 6, 20]) {
    const possible = new Map(
      Array.from({ length: 300 }, (_, size) => [sealedPiecesLength(size + 1, frameLog2), size + 1]),
    )
    for (let length = 0; length < 300; length++)
      expect(openedPiecesLength(length, frameLog2)).toBe(possible.get(length))
  }
  expect(openedPiecesLength(sealedPiecesLength(2 ** 40, 20), 20)).toBe(2 ** 40)
})

test('a reader that does not want what the head says ends the reading', () => {
  const body = sealed(pattern(FRAME))
  let frames = 0
  const opener = new PieceOpener(context, body.length, {
    head: () => {
      throw new Error('not asked for')
    },
    frame: () => {
      frames += 1
    },
  })
  expect(() => opener.push(body)).toThrow('not asked for')
  expect(frames).toBe(0)
})

test('a sealer makes nothing that would not open', () => {
  expect(() => new PieceSealer(context).begin(new Uint8Array(7))).toThrow(RangeError)
  expect(() => new PieceSealer(context).seal(pattern(FRAME), false)).toThrow(RangeError)
  const sealer = new PieceSealer(context)
  sealer.begin(HEAD)
  expect(() => sealer.begin(HEAD)).toThrow(RangeError)
  for (const [length, last] of [
    [0, true],
    [FRAME - 1, false],
    [FRAME + 1, true],
    [0, false],
  ] as const)
    expect(() => sealer.seal(pattern(length), last)).toThrow(RangeError)
  sealer.seal(pattern(1), true)
  expect(() => sealer.seal(pattern(1), true)).toThrow(RangeError)
})
