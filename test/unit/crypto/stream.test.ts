import { createCipheriv, createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  Opener,
  open,
  openedLength,
  openFrame,
  openFrames,
  Sealer,
  type StreamContext,
  seal,
  sealedLength,
  sealFrame,
  sealFrames,
  streamKey,
} from '../../../src/crypto/stream.ts'
import gcm from '../../vectors/aes-gcm.json' with { type: 'json' }
import { bytes, codeOf, codeOfLater, flipped, hex, vector } from './given.ts'

const FRAME = 2 ** 16
const sid = bytes(vector.input.sid)
const context: StreamContext = {
  key: bytes(vector.open.r2i.K_enc),
  kind: 'resp',
  sid,
  n: 1,
  method: 'GET',
  target: '/table?since=7',
  status: 200,
  frameLog2: 16,
}

/** Different bytes everywhere, so that no frame looks like another. */
const pattern = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => Math.floor((i * i) / 7) % 256)

const chunked = function* (whole: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < whole.length; at += size) yield whole.subarray(at, at + size)
}

const collect = async (source: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> => {
  const parts: Uint8Array[] = []
  for await (const part of source) parts.push(new Uint8Array(part))
  return parts
}

const sha256 = (value: Uint8Array): string => createHash('sha256').update(value).digest('hex')
const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

test.each(gcm.cases)('AES-256-GCM gives the values of McGrew and Viega, case $name', (known) => {
  const [key, iv, plaintext] = [bytes(known.key), bytes(known.iv), bytes(known.plaintext)]
  const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: 16 }).setAAD(bytes(known.aad))
  expect(cipher.update(known.plaintext, 'hex', 'hex') + cipher.final('hex')).toBe(known.ciphertext)
  expect(cipher.getAuthTag().toString('hex')).toBe(known.tag)
  if (known.aad !== '') return // our frames have none
  expect(sealFrame(key, iv, plaintext).map(hex)).toEqual([known.ciphertext, known.tag])
  expect(hex(openFrame(key, iv, bytes(known.ciphertext + known.tag)))).toBe(known.plaintext)
})

/** The plaintexts that the run gives by length and hash only: 0, 1, 2, .. for file content, the pattern for the other. */
const unwritten = ({ frameLog2, plaintext_length: length = 0 }: (typeof vector.streams)[number]): Uint8Array =>
  frameLog2 === 20 ? Uint8Array.from({ length }, (_, i) => i % 256) : pattern(length)

test.each(vector.streams)('seals and opens a stream of the published run: $what', async (stream) => {
  const known: { plaintext?: string; body?: string; K_s?: string; first_48_bytes?: string; tags?: string[] } = stream
  const plaintext = known.plaintext === undefined ? unwritten(stream) : bytes(known.plaintext)
  const request = stream.direction === 'i2r'
  const own: StreamContext = {
    key: bytes(request ? vector.open.i2r.K_enc : vector.open.r2i.K_enc),
    kind: request ? 'req' : 'resp',
    sid,
    n: stream.n,
    method: stream.method,
    target: stream.target,
    ...(stream.status === undefined ? {} : { status: stream.status }),
    frameLog2: stream.frameLog2,
  }
  const sealer = new Sealer(own, bytes(stream.salt))
  const size = 2 ** stream.frameLog2
  const frames = plaintext.length === 0 ? [plaintext] : [...chunked(plaintext, size)]
  const sealed = frames.map((frame, i) => sealer.seal(frame, i === frames.length - 1))
  const body = Buffer.concat([sealer.header, ...sealed])
  expect(body.length).toBe(stream.body_length ?? (known.body ?? '').length / 2)
  if (stream.plaintext_sha256 !== undefined) expect(sha256(plaintext)).toBe(stream.plaintext_sha256)
  if (known.K_s !== undefined) expect(hex(streamKey(own, bytes(stream.salt)))).toBe(known.K_s)
  if (known.body !== undefined) expect(hex(body)).toBe(known.body)
  else expect(sha256(body)).toBe(stream.body_sha256)
  if (known.first_48_bytes !== undefined) expect(hex(body.subarray(0, 48))).toBe(known.first_48_bytes)
  if (known.tags !== undefined) expect(sealed.map((frame) => hex(frame.subarray(-16)))).toEqual(known.tags)
  expect(same(open(own, body), plaintext)).toBe(true)
  expect(same(Buffer.concat(await collect(openFrames(own, chunked(body, 1000)))), plaintext)).toBe(true)
})

const sizes = [0, 1, FRAME - 1, FRAME, FRAME + 1, 2 * FRAME - 1, 2 * FRAME, 2 * FRAME + 1]

test.each(sizes)('%i bytes come back, whole and in frames, from chunks of any size', async (size) => {
  const plaintext = pattern(size)
  const whole = seal(context, plaintext)
  expect(whole.length).toBe(sealedLength(size, 16))
  expect(openedLength(whole.length, 16)).toBe(size)
  expect(same(open(context, whole), plaintext)).toBe(true)
  for (const chunk of [1000, FRAME - 1, FRAME, FRAME + 1, FRAME + 16, 3 * FRAME]) {
    const sealed = Buffer.concat(await collect(sealFrames(context, chunked(plaintext, chunk))))
    expect(sealed.length).toBe(whole.length)
    const frames = await collect(openFrames(context, chunked(sealed, chunk)))
    expect(same(Buffer.concat(frames), plaintext)).toBe(true)
    expect(frames.length).toBe(Math.max(1, Math.ceil(size / FRAME)))
  }
})

test.each(sizes)(
  '%i bytes come back when they are fed byte by byte',
  async (size) => {
    const plaintext = pattern(size)
    const sealed = Buffer.concat(await collect(sealFrames(context, chunked(plaintext, 1))))
    expect(same(Buffer.concat(await collect(openFrames(context, chunked(sealed, 1)))), plaintext)).toBe(true)
  },
  20_000,
)

test('round trips hold for every length around small frames, chunk by chunk', async () => {
  const small = { ...context, frameLog2: 3 }
  const property = fc.asyncProperty(
    fc.uint8Array({ maxLength: 60 }),
    fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 8 }),
    async (plaintext, cuts) => {
      const cut = function* (whole: Uint8Array): Generator<Uint8Array> {
        for (let at = 0, i = 0; at < whole.length; i++) {
          const size = cuts[i] ?? 7 // empty chunks too
          yield whole.subarray(at, at + size)
          at += size
        }
      }
      const sealed = Buffer.concat(await collect(sealFrames(small, cut(plaintext))))
      expect(sealed.length).toBe(sealedLength(plaintext.length, 3))
      expect(openedLength(sealed.length, 3)).toBe(plaintext.length)
      expect(same(open(small, sealed), plaintext)).toBe(true)
      expect(same(Buffer.concat(await collect(openFrames(small, cut(sealed)))), plaintext)).toBe(true)
      expect(same(open(small, seal(small, plaintext)), plaintext)).toBe(true)
    },
  )
  await fc.assert(property, { numRuns: 300 })
})

test('lengths that no stream has are found, all others come back', () => {
  for (const frameLog2 of [3, 16, 20]) {
    const possible = new Map(Array.from({ length: 200 }, (_, size) => [sealedLength(size, frameLog2), size]))
    for (let length = 0; length < 217; length++) expect(openedLength(length, frameLog2)).toBe(possible.get(length))
  }
  for (const length of [Number.NaN, -1, 33.5, Number.POSITIVE_INFINITY])
    expect(openedLength(length, 16)).toBeUndefined()
  const large = 2 ** 40
  expect(openedLength(sealedLength(large, 20), 20)).toBe(large)
  expect(sealedLength(3 * 2 ** 20, 20)).toBe(17 + 3 * (2 ** 20 + 16))
})

test('ten thousand random changes of a stream never open', () => {
  const small = { ...context, frameLog2: 6 }
  const original = seal(small, pattern(150))
  const position = fc.nat({ max: original.length - 1 })
  const change = fc.oneof(
    fc.tuple(position, fc.integer({ min: 1, max: 255 })).map(([at, bits]) => {
      const copy = new Uint8Array(original)
      copy[at] = (copy[at] ?? 0) ^ bits
      return copy
    }),
    position.map((at) => original.slice(0, at)),
    position.map((at) => original.slice(at + 1)),
    fc
      .tuple(position, fc.uint8Array({ minLength: 1, maxLength: 90 }))
      .map(([at, more]) => Buffer.concat([original.subarray(0, at), more, original.subarray(at)])),
    fc
      .tuple(position, fc.integer({ min: 1, max: 90 }))
      .map(([at, count]) => Buffer.concat([original.subarray(0, at), original.subarray(at + count)])),
    fc.tuple(position, position).map(([a, b]) => Buffer.concat([original.subarray(0, a), original.subarray(b)])),
    fc.uint8Array({ maxLength: 300 }),
  )
  let opened = 0
  fc.assert(
    fc.property(change, (changed) => {
      if (same(changed, original)) opened++
      else expect(codeOf(() => open(small, changed))).toBe('PM_BAD_STREAM')
    }),
    { numRuns: 10_000 },
  )
  expect(opened).toBeLessThan(200) // cuts that took nothing away
})

test('a stream opens for its own request only', () => {
  const sealed = seal(context, pattern(100))
  const others: Partial<StreamContext>[] = [
    { key: bytes(vector.open.i2r.K_enc) },
    { sid: flipped(sid) },
    { n: 2 },
    { method: 'POST' },
    { target: '/table?since=8' },
    { target: '/table%3Fsince=7' },
    { status: 404 },
    { frameLog2: 20 },
  ]
  for (const other of others) expect(codeOf(() => open({ ...context, ...other }, sealed))).toBe('PM_BAD_STREAM')
  const { status: _status, ...request } = context
  expect(codeOf(() => open({ ...request, kind: 'req' }, sealed))).toBe('PM_BAD_STREAM')
  expect(codeOf(() => open(context, sealed))).toBeUndefined()
})

test('an answer needs a status and a request has none', () => {
  const { status: _status, ...request } = context
  expect(() => new Sealer({ ...request, kind: 'resp' })).toThrow(RangeError)
  expect(() => new Sealer({ ...context, kind: 'req' })).toThrow(RangeError)
})

test('equal plaintexts in equal places look different: every stream has a salt of its own', () => {
  const [one, two] = [seal(context, pattern(64)), seal(context, pattern(64))]
  expect(hex(one.subarray(0, 16))).not.toBe(hex(two.subarray(0, 16)))
  expect(hex(one.subarray(17))).not.toBe(hex(two.subarray(17)))
})

test('a tag that was shortened is refused: Node alone would take 4 bytes', () => {
  const sealed = seal(context, new Uint8Array(0))
  for (const length of [4, 8, 12, 15]) {
    expect(codeOf(() => open(context, sealed.subarray(0, 17 + length)))).toBe('PM_BAD_STREAM')
    expect(() => openFrame(new Uint8Array(32), new Uint8Array(12), new Uint8Array(length))).toThrow()
  }
})

test('a sealer refuses frames that are not full, an empty last one, and anything after the last', () => {
  const sealer = new Sealer(context)
  expect(() => sealer.seal(new Uint8Array(FRAME - 1), false)).toThrow(RangeError)
  expect(() => sealer.seal(new Uint8Array(FRAME + 1), true)).toThrow(RangeError)
  expect(() => sealer.seal(new Uint8Array(0), false)).toThrow(RangeError)
  const first = sealer.seal(pattern(FRAME), false) // what was refused did not count
  expect(() => sealer.seal(new Uint8Array(0), true)).toThrow(RangeError)
  const last = sealer.seal(pattern(3), true)
  expect(() => sealer.seal(pattern(3), true)).toThrow(RangeError)
  expect(open(context, Buffer.concat([sealer.header, first, last])).length).toBe(FRAME + 3)
})

test('sealer and opener refuse salts, headers and frame sizes that cannot be', () => {
  expect(() => new Sealer(context, new Uint8Array(15))).toThrow(RangeError)
  for (const frameLog2 of [0, -1, 25, 1.5]) expect(() => new Sealer({ ...context, frameLog2 })).toThrow(RangeError)
  const { header } = new Sealer(context)
  for (const wrong of [header.slice(1), Uint8Array.of(...header, 0), new Uint8Array(0), flipped(header, 16)])
    expect(codeOf(() => new Opener(context, wrong))).toBe('PM_BAD_STREAM')
})

test('an opener that saw its last frame opens nothing more', () => {
  const sealer = new Sealer(context)
  const last = sealer.seal(pattern(10), true)
  const opener = new Opener(context, sealer.header)
  expect(opener.open(last, true)).toEqual(Buffer.from(pattern(10)))
  expect(codeOf(() => opener.open(last, true))).toBe('PM_BAD_STREAM')
})

test('what went wrong in a source is thrown as it is, and the source is let go', async () => {
  let released = false
  const source = async function* (): AsyncGenerator<Uint8Array> {
    try {
      yield pattern(10)
      throw new Error('the disk is gone')
    } finally {
      released = true
    }
  }
  await expect(collect(sealFrames(context, source()))).rejects.toThrow('the disk is gone')
  expect(released).toBe(true)
})

test('a source is let go when a frame does not open', async () => {
  let released = false
  const source = async function* (): AsyncGenerator<Uint8Array> {
    try {
      yield flipped(seal(context, pattern(FRAME + 5)), 17)
      yield pattern(5)
    } finally {
      released = true
    }
  }
  expect(await codeOfLater(() => collect(openFrames(context, source())))).toBe('PM_BAD_STREAM')
  expect(released).toBe(true)
})

test('a frame leaves as soon as a chunk shows that it is not the last', async () => {
  const chunks = [pattern(FRAME), pattern(FRAME), pattern(7)]
  const seen: Uint8Array[] = []
  const source = function* (): Generator<Uint8Array> {
    for (const chunk of chunks) {
      seen.push(chunk)
      yield chunk
    }
  }
  const sealed = sealFrames(context, source())
  await sealed.next()
  const first = await sealed.next()
  expect(seen.length).toBe(2)
  expect(first.value?.length).toBe(FRAME)
  await sealed.return()
})
