import { open } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { Filler } from '../../../src/transfer/filler.ts'
import { type Arrival, arrivalOf, contentOf, type Made, MIB, PIECE } from './content-fixture.ts'

/** The frames of a run, as an answer brings them: of 1 MiB from its beginning, each in parts. */
const framesOf = (content: Buffer, from: number, bytes: number): Uint8Array[][] => {
  const run = content.subarray(from, from + bytes)
  return Array.from({ length: Math.ceil(bytes / MIB) }, (_, index) => {
    const frame = run.subarray(index * MIB, (index + 1) * MIB)
    // Memory of their own, as it comes from a cipher: whoever has copied it may give it back.
    return [frame.subarray(0, 70_000), frame.subarray(70_000)].map((part) => new Uint8Array(part))
  })
}

const lengthOf = (parts: readonly Uint8Array[]): number => parts.reduce((sum, part) => sum + part.length, 0)

const filling = ({ sink }: Arrival, from = 'a holder') => {
  const arrived: number[] = []
  return { arrived, filler: new Filler({ sink, from, onPiece: (piece) => void arrived.push(piece) }) }
}

const give = async (filler: Filler, frames: readonly Uint8Array[][]): Promise<void> => {
  for (const parts of frames) await filler.frame(parts, lengthOf(parts))
}

/** Take every unit there is. */
const takeAll = ({ sink }: Arrival): number[] => {
  const units: number[] = []
  for (let unit = sink.take(); unit !== undefined; unit = sink.take()) units.push(unit)
  return units
}

test.each([
  ['one piece', 3, 1],
  ['pieces of one frame', 0, 8],
  ['more than a frame', 5, 12],
  ['up to the short last piece', 30, 11],
])('brings a run of %s to the file', async (_what, first, count) => {
  const content = contentOf(40 * PIECE + 33)
  const arrival = await arrivalOf(content)
  await arrival.sink.ready
  const { filler, arrived } = filling(arrival)
  const bytes = Math.min(content.size, (first + count) * PIECE) - first * PIECE
  filler.begin(first, bytes)
  await give(filler, framesOf(content.bytes, first * PIECE, bytes))
  await filler.end()
  const run = Array.from({ length: count }, (_, index) => first + index)
  expect(arrived).toEqual(run)
  await arrival.judged(count)
  expect(arrival.right).toEqual(run.map((piece) => [piece, 'a holder']))
  expect((await arrival.file()).subarray(first * PIECE)).toEqual(
    content.bytes.subarray(first * PIECE, first * PIECE + bytes),
  )
})

test('while there is no room a frame waits, and those behind it, in their order', async () => {
  const content = contentOf(24 * MIB)
  const arrival = await arrivalOf(content)
  await arrival.sink.ready
  const units = takeAll(arrival)
  const { filler, arrived } = filling(arrival)
  filler.begin(8, 3 * MIB)
  const waits = framesOf(content.bytes, MIB, 3 * MIB).map((parts) => filler.frame(parts, lengthOf(parts)))
  expect(waits.every((one) => one instanceof Promise)).toBe(true)
  expect(arrived).toEqual([])
  for (const unit of units.splice(0, 1)) arrival.sink.release(unit)
  await Promise.all(waits)
  await filler.end()
  expect(arrived).toEqual(Array.from({ length: 24 }, (_, index) => 8 + index))
  await arrival.judged(24)
  expect(arrival.wrong).toEqual([])
})

test('many answers at once share the room, and every piece of them arrives', async () => {
  const content = contentOf(32 * MIB)
  const arrival = await arrivalOf(content)
  await arrival.sink.ready
  await Promise.all(
    Array.from({ length: 16 }, async (_, index) => {
      const { filler } = filling(arrival, `holder ${index}`)
      filler.begin(index * 16, 2 * MIB)
      const frames = framesOf(content.bytes, index * 2 * MIB, 2 * MIB)
      await Promise.all(frames.map((parts) => filler.frame(parts, lengthOf(parts))))
      await filler.end()
    }),
  )
  expect(await arrival.sink.whole).toBe(content.hash)
  expect(arrival.right).toHaveLength(256)
  expect(takeAll(arrival)).toHaveLength(4)
})

test('an answer that breaks off gives its unit back, with a promise that waits for room or without', async () => {
  const content = contentOf(24 * MIB)
  const arrival = await arrivalOf(content)
  await arrival.sink.ready
  const { filler } = filling(arrival)
  filler.begin(0, MIB)
  await filler.end()
  const units = takeAll(arrival)
  expect(units).toHaveLength(4)
  const late = filling(arrival)
  late.filler.begin(0, 2 * MIB)
  const [first = []] = framesOf(content.bytes, 0, MIB)
  const waits = late.filler.frame(first, MIB)
  const ended = late.filler.end()
  for (const unit of units) arrival.sink.release(unit)
  await Promise.all([waits, ended])
  await arrival.judged(8)
  // Nothing comes after the end.
  const [second = []] = framesOf(content.bytes, MIB, MIB)
  expect(late.filler.frame(second, MIB)).toBeUndefined()
  expect(late.arrived).toHaveLength(8)
})

test('when nothing can be written any more nobody waits for room', async () => {
  const arrival = await arrivalOf(contentOf(24 * MIB))
  await arrival.sink.ready
  takeAll(arrival)
  const { filler, arrived } = filling(arrival)
  filler.begin(0, MIB)
  const waits = filler.frame([new Uint8Array(MIB)], MIB)
  await arrival.sink.close()
  await waits
  await filler.end()
  expect(arrived).toEqual([])
})

/** A content of 2 MiB pieces, of which nobody has made more than one. */
const largePieces = (): Made & { readonly piece: Buffer } => {
  const piece = contentOf(2 * MIB)
  const size = 16_384 * MIB + 1
  const layer = new Uint8Array(8_193 * 32)
  layer.set(Buffer.from(piece.root, 'hex'), 5 * 32)
  return { ...piece, piece: piece.bytes, size, layer }
}

test('a piece larger than a frame comes in several, and one that is cut gives its unit back', async () => {
  const content = largePieces()
  const arrival = await arrivalOf(content)
  await arrival.sink.ready
  for (let round = 0; round < 6; round++) {
    const cut = filling(arrival)
    cut.filler.begin(5, 2 * MIB)
    await give(cut.filler, framesOf(content.piece, 0, MIB))
    await cut.filler.end()
    expect(cut.arrived).toEqual([])
  }
  const { filler, arrived } = filling(arrival)
  filler.begin(5, 2 * MIB)
  await give(filler, framesOf(content.piece, 0, 2 * MIB))
  await filler.end()
  expect(arrived).toEqual([5])
  await arrival.judged(1)
  expect([arrival.right, arrival.wrong]).toEqual([[[5, 'a holder']], []])
  const handle = await open(arrival.path)
  const { buffer } = await handle.read(Buffer.alloc(2 * MIB), 0, 2 * MIB, 10 * MIB)
  await handle.close()
  expect(buffer.equals(content.piece)).toBe(true)
  expect(takeAll(arrival)).toHaveLength(4)
})
