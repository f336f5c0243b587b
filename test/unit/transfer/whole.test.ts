import { createHash, randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { NoHolder, NotPublished, PeerMisbehaved, PeerUnreachable } from '../../../src/errors.ts'
import { fetchWhole, type OpenFile, type Source, type WholeRequest } from '../../../src/transfer/whole.ts'

const source = (name: string): Source => ({ address: name, id: name, fileName: 'f' })
const chunked = (bytes: Uint8Array, size: number): OpenFile => {
  return async () =>
    (async function* () {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
    })()
}
const request = (bytes: Uint8Array, ...sources: Source[]): WholeRequest => ({
  size: bytes.length,
  hash: createHash('sha256').update(bytes).digest('hex'),
  sources: sources.length > 0 ? sources : [source('ben')],
  signal: new AbortController().signal,
})
const collect = async (body: AsyncIterable<Uint8Array>, seen: Uint8Array[] = []): Promise<Buffer> => {
  for await (const chunk of body) seen.push(chunk)
  return Buffer.concat(seen)
}

test('hands on every byte, however the holder cuts them', async () => {
  for (const size of [0, 1, 65_535, 65_536, 65_537, 200_000]) {
    const bytes = randomBytes(size)
    for (const chunk of [1_000, 65_536, 65_537, 1_048_576]) {
      const { body } = await fetchWhole(request(bytes), chunked(bytes, chunk))
      expect((await collect(body)).equals(bytes), `${size} in ${chunk}`).toBe(true)
    }
  }
})

test('holds back the last 64 KiB of a content whose hash is wrong', async () => {
  const bytes = randomBytes(300_000)
  const wrong = Buffer.from(bytes)
  wrong[0] = (wrong[0] ?? 0) ^ 1
  for (const chunk of [50_000, 300_000, 299_999]) {
    const seen: Uint8Array[] = []
    const { body } = await fetchWhole(request(bytes), chunked(wrong, chunk))
    await expect(collect(body, seen)).rejects.toThrow(PeerMisbehaved)
    expect(Buffer.concat(seen).length).toBeLessThanOrEqual(300_000 - 65_536)
  }
})

test('a holder that sends more, or less, than the row says has lied', async () => {
  const bytes = randomBytes(100_000)
  for (const other of [bytes.subarray(0, 99_999), Buffer.concat([bytes, bytes])]) {
    const { body } = await fetchWhole(request(bytes), chunked(other, 10_000))
    await expect(collect(body)).rejects.toThrow(PeerMisbehaved)
  }
})

test('asks the next holder when the first one does not begin', async () => {
  const bytes = randomBytes(10)
  const asked: string[] = []
  const { source: from, body } = await fetchWhole(
    request(bytes, source('a'), source('b'), source('c')),
    async (one, signal) => {
      asked.push(one.id)
      if (one.id === 'a') throw new PeerUnreachable('a')
      return await chunked(bytes, 4)(one, signal)
    },
  )
  expect(asked).toEqual(['a', 'b'])
  expect(from.id).toBe('b')
  expect(await collect(body)).toEqual(bytes)
})

test('says why when nobody begins, and that there is nobody when there is nobody', async () => {
  const bytes = randomBytes(10)
  const fails: OpenFile = async () => {
    throw new NotPublished()
  }
  await expect(fetchWhole(request(bytes), fails)).rejects.toThrow(NotPublished)
  await expect(fetchWhole({ ...request(bytes), sources: [] }, fails)).rejects.toThrow(NoHolder)
})
