/** Serve a published file: read through one descriptor, and never a byte of a file that is not the published one any more. */
import { FileChanged } from '../errors.ts'
import type { Published } from '../store/published.ts'

/** Bytes read at once: one frame of file content. */
const READ_BYTES = 1024 * 1024

export interface Served {
  readonly size: number
  /** The content in pieces of one frame. Throws FileChanged when the file changes meanwhile. */
  readonly body: AsyncIterable<Uint8Array>
  /** To be called at the end in any case: a body that nobody began to read closes nothing. */
  readonly close: () => Promise<void>
}

/** @throws NotPublished, FileChanged */
export const serveFile = async (published: Published, name: string): Promise<Served> => {
  const file = await published.open(name)
  return { size: file.file.size, body: pieces(file), close: async () => await file.close() }
}

async function* pieces(file: Awaited<ReturnType<Published['open']>>): AsyncGenerator<Uint8Array> {
  for (let position = 0; position < file.file.size; ) {
    const into = new Uint8Array(Math.min(READ_BYTES, file.file.size - position))
    const bytes = await file.read(position, into)
    if (bytes !== into.length) throw new FileChanged()
    await file.check()
    yield into
    position += bytes
  }
}
