/** Bytes that were sealed, and what may become of them on the way: whatever opens is what was sealed, and nothing else happens. */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { Gatherer } from '../../../src/crypto/gather.ts'
import { LiveOpener, LiveSealer } from '../../../src/crypto/live-stream.ts'
import {
  open,
  openedLength,
  openFrames,
  type StreamContext,
  seal,
  sealedLength,
  sealFrames,
} from '../../../src/crypto/stream.ts'
import { openRequest } from '../../../src/session/sealed.ts'
import { attempt, attemptLater, fuzz, PATIENT, type Random } from '../../helpers/random.ts'

const contextOf = (random: Random, frameLog2: number): StreamContext => ({
  key: random.bytes(32),
  kind: 'resp',
  sid: random.bytes(16),
  n: 1 + random.int(2 ** 32 - 1),
  method: 'GET',
  target: `/${random.text(20)}`,
  status: 200,
  frameLog2,
})

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

const startsWith = (whole: Uint8Array, part: Uint8Array): boolean => same(whole.subarray(0, part.length), part)

/** Different bytes everywhere; around the borders of frames mostly. */
const plaintextOf = (random: Random, frameLog2: number): Uint8Array => {
  const length = 2 ** frameLog2 * random.int(4) + random.pick([-1, 0, 1, random.int(2 ** frameLog2)])
  return new Uint8Array(randomBytes(Math.max(0, length)))
}

const collect = async (frames: AsyncIterable<Uint8Array>, into: Uint8Array[]): Promise<Uint8Array> => {
  for await (const frame of frames) into.push(new Uint8Array(frame))
  return Buffer.concat(into)
}

test('a stream in chunks of any size is the stream', PATIENT, async () => {
  await fuzz({ rounds: 150 }, async (random) => {
    const frameLog2 = random.pick([1, 2, 4, 8, 12])
    const context = contextOf(random, frameLog2)
    const plaintext = plaintextOf(random, frameLog2)
    const sealed = await collect(sealFrames(context, random.chunks(plaintext)), [])
    expect(sealed.length).toBe(sealedLength(plaintext.length, frameLog2))
    expect(openedLength(sealed.length, frameLog2)).toBe(plaintext.length)
    expect(same(open(context, sealed), plaintext)).toBe(true)
    expect(same(await collect(openFrames(context, random.chunks(sealed)), []), plaintext)).toBe(true)
  })
})

test('a stream that was changed does not open, and what was handed on before is its beginning', PATIENT, async () => {
  await fuzz({ rounds: 300 }, async (random) => {
    const frameLog2 = random.pick([1, 2, 4, 8, 12])
    const context = contextOf(random, frameLog2)
    const plaintext = plaintextOf(random, frameLog2)
    const sealed = seal(context, plaintext)
    const changed = random.chance(0.1) ? random.bytes(random.length(300)) : random.mutated(sealed)
    const begun: Uint8Array[] = []
    const piecewise = await attemptLater(async () => await collect(openFrames(context, random.chunks(changed)), begun))
    const atOnce = attempt(() => open(context, changed))
    for (const outcome of [piecewise, atOnce]) {
      if ('code' in outcome) expect(outcome.code).toBe('PM_BAD_STREAM')
      else expect(same(changed, sealed) && same(outcome.value, plaintext)).toBe(true)
    }
    expect(startsWith(plaintext, Buffer.concat(begun))).toBe(true)
  })
})

test('the body of a request opens for its request only', PATIENT, async () => {
  const keys = { enc: randomBytes(32), auth: randomBytes(32) }
  await fuzz({ rounds: 300 }, (random) => {
    const exchange = {
      sid: random.bytes(16),
      keys: { i2r: keys, r2i: keys },
      peerId: '',
      n: random.int(2 ** 32),
      method: 'POST',
      target: random.text(20),
    }
    const { sid, n, method, target } = exchange
    const whole = seal({ key: keys.enc, kind: 'req', sid, n, method, target, frameLog2: 16 }, random.bytes(40))
    const other = random.chance(0.5) ? exchange : { ...exchange, target: random.mutatedText(target) }
    const body = random.chance(0.5) ? whole : random.mutated(whole)
    const opened = attempt(() => openRequest(other, body))
    if ('code' in opened) expect(opened.code).toBe('PM_BAD_STREAM')
    else expect(same(Buffer.from(other.target), Buffer.from(target)) && same(body, whole)).toBe(true)
  })
})

test('no number is the length of a stream but that of one', PATIENT, async () => {
  await fuzz({ rounds: 2_000 }, (random) => {
    const frameLog2 = random.pick([1, 4, 16, 20, 24])
    const length = random.chance(0.5) ? random.int(300) : random.number()
    const plaintext = openedLength(length, frameLog2)
    if (plaintext === undefined || length > Number.MAX_SAFE_INTEGER) return
    expect(Number.isSafeInteger(plaintext) && plaintext >= 0).toBe(true)
    expect(sealedLength(plaintext, frameLog2)).toBe(length)
  })
})

test('a live stream gives its messages in order, or ends', PATIENT, async () => {
  await fuzz({ rounds: 400 }, (random) => {
    const context = contextOf(random, 0)
    const sealer = new LiveSealer(context)
    const messages = random.list(6, () => random.bytes(1 + random.length(3_000)))
    const parts = [sealer.header, ...messages.map((message) => sealer.seal(message)), sealer.end()]
    const whole = new Uint8Array(Buffer.concat(parts))
    const kept = random.chance(0.3)
    const sent = kept ? whole : random.chance(0.3) ? Buffer.concat(random.shuffled(parts)) : random.mutated(whole)
    const opener = new LiveOpener(context)
    const got: Uint8Array[] = []
    const read = attempt(() => {
      for (const chunk of random.chunks(sent))
        for (const message of opener.push(chunk)) got.push(new Uint8Array(message))
      opener.end()
    })
    if ('code' in read) expect(read.code).toBe('PM_BAD_STREAM')
    expect('value' in read, 'it ends well exactly when it is whole').toBe(same(sent, whole))
    expect(got.every((message, at) => same(message, messages[at] ?? new Uint8Array()))).toBe(true)
  })
})

test('pieces are the same however they came', PATIENT, async () => {
  await fuzz({ rounds: 500 }, (random) => {
    const size = 1 + random.length(2_000)
    const whole = random.bytes(random.length(4_096))
    const gatherer = new Gatherer(size)
    const pieces: Uint8Array[] = []
    for (const chunk of random.chunks(whole))
      for (const piece of gatherer.push(chunk)) pieces.push(new Uint8Array(piece))
    expect(pieces.every((piece) => piece.length === size)).toBe(true)
    expect(gatherer.rest().length).toBeLessThanOrEqual(size)
    expect(same(Buffer.concat([...pieces, gatherer.rest()]), whole)).toBe(true)
  })
})
