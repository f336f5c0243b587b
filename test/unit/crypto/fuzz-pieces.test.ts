/** Answers with pieces as they come, or as somebody made them: what is handed on is what was sealed, in its order, and no more. */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { toHex } from '../../../src/bytes.ts'
import { PieceSealer } from '../../../src/crypto/piece-seal.ts'
import { openedPiecesLength, PieceOpener, sealedPiecesLength } from '../../../src/crypto/piece-stream.ts'
import type { StreamContext } from '../../../src/crypto/stream.ts'
import { checkHave } from '../../../src/protocol/contents.ts'
import { LayerBuilder } from '../../../src/store/piece-layer.ts'
import { PieceSet } from '../../../src/store/piece-set.ts'
import { pieceBytesOf, pieceCountOf, runBytes } from '../../../src/store/pieces.ts'
import { PieceBits } from '../../../src/transfer/piece-bits.ts'
import { layerFits, pieceFits } from '../../../src/transfer/tree.ts'
import { attempt, fuzz, PATIENT, type Random } from '../../helpers/random.ts'

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

const contextOf = (random: Random, frameLog2: number): StreamContext => ({
  key: random.bytes(32),
  kind: 'resp',
  sid: random.bytes(16),
  n: 1,
  method: 'GET',
  target: '/content/0?pieces=0',
  status: 200,
  frameLog2,
})

const sealed = (context: StreamContext, head: Uint8Array, content: Uint8Array): Uint8Array => {
  const sealer = new PieceSealer(context)
  const frameBytes = 2 ** context.frameLog2
  const parts = [sealer.begin(head)]
  for (let at = 0; at < content.length; at += frameBytes)
    parts.push(...sealer.seal(content.subarray(at, at + frameBytes), at + frameBytes >= content.length))
  return Buffer.concat(parts)
}

test(
  'pieces open as they were sealed in chunks of any size, and not when anything of them was changed',
  PATIENT,
  async () => {
    await fuzz({ rounds: 250 }, (random) => {
      const frameLog2 = random.pick([1, 4, 8, 12])
      const context = contextOf(random, frameLog2)
      const content = new Uint8Array(randomBytes(1 + random.int(3 * 2 ** frameLog2)))
      const head = random.bytes(8)
      const whole = sealed(context, head, content)
      expect(whole.length).toBe(sealedPiecesLength(content.length, frameLog2))
      const sent = random.chance(0.4) ? whole : random.mutated(whole)
      const told = random.chance(0.8) ? sent.length : random.chance(0.5) ? whole.length : random.number()
      const heads: Uint8Array[] = []
      const got: Uint8Array[] = []
      const read = attempt(() => {
        const opener = new PieceOpener(context, told, {
          head: (bytes) => void heads.push(new Uint8Array(bytes)),
          frame: (parts) => void got.push(Buffer.concat(parts)),
        })
        for (const chunk of random.chunks(sent)) opener.push(chunk)
        opener.end()
      })
      if ('code' in read) expect(read.code).toBe('PM_BAD_STREAM')
      expect('value' in read).toBe(same(sent, whole) && told === whole.length)
      expect(heads.every((one) => same(one, head)) && heads.length <= 1).toBe(true)
      const opened = Buffer.concat(got)
      expect(same(opened, content.subarray(0, opened.length))).toBe(true)
    })
  },
)

test('no number is the length of an answer with pieces but that of one', PATIENT, async () => {
  await fuzz({ rounds: 2_000 }, (random) => {
    const frameLog2 = random.pick([1, 4, 16, 20])
    const length = random.chance(0.5) ? random.int(300) : random.number()
    const content = openedPiecesLength(length, frameLog2)
    if (content === undefined) return
    expect(Number.isSafeInteger(content) && content > 0).toBe(true)
    expect(sealedPiecesLength(content, frameLog2)).toBe(length)
  })
})

test('news of a holder have their form, or are none', PATIENT, async () => {
  await fuzz({ rounds: 1_500 }, (random) => {
    const message = {
      ...(random.chance(0.5) ? { all: random.pick<unknown>([true, false, 1]) } : {}),
      ...(random.chance(0.5) ? { bits: random.pick(['', 'AA', random.text(20)]) } : {}),
      ...(random.chance(0.5) ? { new: random.list(5, () => random.pick([0, 16_383, 16_384, random.number()])) } : {}),
      ...(random.chance(0.5) ? { peers: random.list(5, () => random.text(20)) } : {}),
    }
    const text = JSON.stringify(random.chance(0.5) ? message : random.mutatedFields({ bits: 'AA', ...message })) ?? ''
    const read = checkHave(random.chance(0.7) ? text : random.mutatedText(text))
    if (!read) return
    expect(checkHave(JSON.stringify(read))).toEqual(read)
    for (const piece of read.new ?? []) expect(Number.isInteger(piece) && piece >= 0 && piece < 16_384).toBe(true)
  })
})

test('bits name pieces that there are, each once', PATIENT, async () => {
  await fuzz({ rounds: 500 }, (random) => {
    const length = random.int(300)
    const bytes = random.bytes(random.chance(0.8) ? Math.ceil(length / 8) : random.int(50))
    const set = PieceSet.from(bytes, length)
    if (!set) return
    expect(set.toBytes()).toEqual(bytes)
    const pieces = Array.from({ length: length + 40 }, (_, piece) => piece).filter((piece) => set.has(piece))
    expect(set.size).toBe(pieces.length)
    expect(pieces.every((piece) => piece < length)).toBe(true)
    const cut = random.int(400)
    const bits = PieceBits.of(set, cut)
    expect([...bits]).toEqual(pieces.filter((piece) => piece < cut))
    for (const odd of [-1, 0.5, random.number(), cut]) expect(typeof bits.has(odd)).toBe('boolean')
    expect([...bits].length).toBe(bits.size)
  })
})

test('a layer is the one of its content, or does not fit; and neither does a piece', PATIENT, async () => {
  await fuzz({ rounds: 15 }, (random) => {
    const size = random.pick([1, 16_385, 128 * 1024, 128 * 1024 + 1, random.int(700_000) + 1])
    const content = Buffer.alloc(size, random.bytes(997))
    const builder = new LayerBuilder(size)
    builder.addBlocks(content)
    const { root, layer = root } = builder.result()
    const what = { root: toHex(root), size }
    expect(layerFits(layer, what)).toBe(true)
    for (let tries = 0; tries < 10; tries++) {
      const other = random.mutated(layer)
      expect(layerFits(other, what)).toBe(same(other, layer))
      const otherSize = random.int(2_000_000)
      if (layerFits(layer, { ...what, size: otherSize }))
        expect(Math.max(1, pieceCountOf(otherSize))).toBe(pieceCountOf(size))
      const piece = random.int(pieceCountOf(size))
      const { from, bytes } = runBytes(size, { first: piece, count: 1 })
      const right = content.subarray(from, from + bytes)
      const given = random.chance(0.3) ? right : random.mutated(right).subarray(0, pieceBytesOf(size))
      expect(pieceFits(layer, size, piece, given)).toBe(same(given, right))
    }
  })
})
