/** Serve a published file: read through one descriptor, and never a byte of a file that is not the published one any more. */
import { FileChanged, NotPublished } from '../errors.ts'
import type { Published } from '../store/published.ts'
import { isSeen, type Reach } from '../store/reach.ts'

/** Bytes read at once: one frame of file content. */
const READ_BYTES = 1024 * 1024
/**
 * Buffers in turn: one is read into while one is sealed and one is held back, because it may be the last. A buffer for each read
 * would be 64 MiB of garbage before anybody collects it.
 */
const BUFFERS = 3

export interface Served {
  readonly size: number
  /**
   * The content in pieces of one frame, each good until the third next one is asked for. Throws FileChanged when the file changes
   * meanwhile.
   */
  readonly body: AsyncIterable<Uint8Array>
  /** To be called at the end in any case: a body that nobody began to read closes nothing. */
  readonly close: () => Promise<void>
}

/** @param from - where whoever asks is. @throws NotPublished, FileChanged */
export const serveFile = async (published: Published, name: string, from: Reach = 'computer'): Promise<Served> => {
  const { file: known } = published.stateOf(name)
  if (known && !isSeen(known, from)) throw new NotPublished()
  const file = await published.open(name)
  return { size: file.file.size, body: pieces(file), close: async () => await file.close() }
}

async function* pieces(file: Awaited<ReturnType<Published['open']>>): AsyncGenerator<Uint8Array> {
  const { size } = file.file
  const buffers = Array.from({ length: BUFFERS }, () => new Uint8Array(Math.min(READ_BYTES, size)))
  for (let position = 0, turn = 0; position < size; turn++) {
    const into = buffers[turn % BUFFERS]?.subarray(0, size - position) ?? new Uint8Array()
    const bytes = await file.read(position, into)
    if (bytes !== into.length) throw new FileChanged()
    await file.check()
    yield into
    position += bytes
  }
}
