/** What a disk that does not take, or a system that does not give, means to the person. */
import { Busy, CannotWrite, DiskFull, isOurs } from '../errors.ts'

const NO_SPACE = new Set(['ENOSPC', 'EDQUOT'])
/** Read-only, forbidden, broken, or pulled out. */
const NO_WRITING = new Set(['EROFS', 'EACCES', 'EPERM', 'EIO', 'ENOENT', 'ENOTDIR', 'ENODEV', 'ESTALE', 'ENOTCONN'])
const NO_DESCRIPTORS = new Set(['EMFILE', 'ENFILE'])
const REASONS: ReadonlyMap<string, string> = new Map([
  ['EROFS', 'its disk is read-only'],
  ['EACCES', 'this account may not write there'],
  ['EPERM', 'this account may not write there'],
  ['ENOSPC', 'the disk is full'],
  ['EDQUOT', 'the disk is full'],
  ['EIO', 'the disk fails'],
])

/** The system's code of an error; empty when it has none. */
const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''

/** Why something on disk could not be made, to be put behind a sentence; empty when there is nothing to say. */
export const reasonOf = (error: unknown): string => {
  const reason = REASONS.get(codeOf(error))
  return reason === undefined ? '' : `: ${reason}`
}

/** What a failed write into the home means; errors that say nothing about the disk stay as they are. */
export const writeError = (error: unknown): unknown => {
  if (isOurs(error)) return error
  if (NO_SPACE.has(codeOf(error))) return new DiskFull({ cause: error })
  if (NO_WRITING.has(codeOf(error))) return new CannotWrite({ cause: error })
  return busyError(error)
}

/** Too many open files say nothing about the one that could not be opened: there is a better moment. */
export const busyError = (error: unknown): unknown =>
  NO_DESCRIPTORS.has(codeOf(error)) ? new Busy({ cause: error }) : error
