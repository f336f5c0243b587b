/** Making a new name durable. */
import { open } from 'node:fs/promises'

/** Systems that cannot open or sync a folder (Windows) answer with these; there the file system orders it itself. */
const UNSUPPORTED = new Set(['EPERM', 'EISDIR', 'EINVAL', 'ENOTSUP', 'EACCES', 'EBADF'])

/** fsync a folder, so that the names just made in it survive a loss of power. */
export const syncFolder = async (folder: string): Promise<void> => {
  try {
    const handle = await open(folder, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && UNSUPPORTED.has(String(error.code)))) throw error
  }
}
