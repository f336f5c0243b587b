/**
 * Every error this program throws on purpose: code, message, HTTP status.
 * Codes that a peer can see stand in protocol/PROTOCOL.md; a unit test compares the two.
 */
import createError, { type FastifyError } from '@fastify/error'

export interface Cause {
  readonly cause?: unknown
}

// What a peer can see (PROTOCOL.md, "Errors").
export const UnsupportedVersion = createError<[options?: Cause]>(
  'PM_UNSUPPORTED_VERSION',
  'this version of the protocol is not spoken here',
  400,
)
export const BadHandshake = createError<[options?: Cause]>('PM_BAD_HANDSHAKE', 'the handshake is malformed', 400)
export const StaleKey = createError<[options?: Cause]>(
  'PM_STALE_KEY',
  'that key is no longer valid, ask for a new one',
  409,
)
export const Refused = createError<[options?: Cause]>('PM_REFUSED', 'the handshake was refused', 403)
export const Busy = createError<[options?: Cause]>('PM_BUSY', 'too many requests, try again in a second', 429)
export const TooLarge = createError<[options?: Cause]>('PM_TOO_LARGE', 'the request is too large', 413)
export const NoSession = createError<[options?: Cause]>('PM_NO_SESSION', 'no session', 401)
export const BadStream = createError<[options?: Cause]>('PM_BAD_STREAM', 'the sealed body could not be opened', 400)
export const BadRequest = createError<[what: string, options?: Cause]>('PM_BAD_REQUEST', 'bad request: %s', 400)
export const NotFound = createError<[options?: Cause]>('PM_NOT_FOUND', 'there is nothing at this address', 404)
export const NoPiece = createError<[options?: Cause]>('PM_NO_PIECE', 'that piece is not here yet', 404)
export const NotPublished = createError<[options?: Cause]>('PM_NOT_PUBLISHED', 'that file is not published here', 404)
export const FileChanged = createError<[options?: Cause]>('PM_FILE_CHANGED', 'the file has changed meanwhile', 409)
export const Internal = createError<[options?: Cause]>('PM_INTERNAL', 'something went wrong inside this node', 500)
export const Stopping = createError<[options?: Cause]>('PM_STOPPING', 'this node is stopping', 503)

// What only this computer's own person and programs see.
export const Misdirected = createError<[options?: Cause]>('PM_MISDIRECTED', 'this address is not one of this node', 421)
export const ForeignOrigin = createError<[options?: Cause]>(
  'PM_FOREIGN_ORIGIN',
  'only pages of this node may ask for this',
  403,
)
export const UnsupportedMediaType = createError<[options?: Cause]>(
  'PM_UNSUPPORTED_MEDIA_TYPE',
  'this kind of body is not accepted here',
  415,
)
export const BadLimit = createError<[why: string, options?: Cause]>('PM_BAD_LIMIT', '%s', 400)
export const BadAddress = createError<[text: string, options?: Cause]>(
  'PM_BAD_ADDRESS',
  '%s is not the address of another computer, like 192.168.1.20:5000',
  400,
)
export const UnknownPeer = createError<[options?: Cause]>(
  'PM_UNKNOWN_PEER',
  'no node of the table has that address',
  404,
)
export const NameTaken = createError<[options?: Cause]>(
  'PM_NAME_TAKEN',
  'another node goes by that name already: take it away there first',
  409,
)
export const UnknownContent = createError<[options?: Cause]>('PM_UNKNOWN_CONTENT', 'no node shares that file', 404)
export const AmbiguousHash = createError<[roots: string, options?: Cause]>(
  'PM_AMBIGUOUS_HASH',
  'several files claim that hash: %s',
  409,
)
export const NoHolder = createError<[options?: Cause]>('PM_NO_HOLDER', 'nobody who has this file is there now', 503)
export const WrongPiece = createError<[address: string, options?: Cause]>(
  'PM_WRONG_PIECE',
  '%s sent something else than this file',
  502,
)
export const WrongHash = createError<[options?: Cause]>(
  'PM_WRONG_HASH',
  'whoever shares this file says a wrong hash of it, so nothing was kept',
  502,
)
export const UnknownTransfer = createError<[options?: Cause]>('PM_UNKNOWN_TRANSFER', 'there is no such transfer', 404)
export const NotNow = createError<[why: string, options?: Cause]>('PM_NOT_NOW', '%s', 409)
export const IsProgram = createError<[options?: Cause]>(
  'PM_IS_PROGRAM',
  'a program is not started from here: save a copy of it',
  409,
)
export const NoDesktop = createError<[options?: Cause]>(
  'PM_NO_DESKTOP',
  'this computer has no desktop whose programs could open it',
  409,
)
export const PeerUnreachable = createError<[address: string, options?: Cause]>(
  'PM_PEER_UNREACHABLE',
  'no answer from %s',
  504,
)
export const PeerMisbehaved = createError<[address: string, options?: Cause]>(
  'PM_PEER_MISBEHAVED',
  '%s sent something that is not allowed',
  502,
)
export const NoSuchFile = createError<[options?: Cause]>('PM_NO_SUCH_FILE', 'there is no such file in this folder', 404)
export const BadName = createError<[reason: string, options?: Cause]>(
  'PM_BAD_NAME',
  'that name cannot be used: %s',
  400,
)
export const NotAFile = createError<[options?: Cause]>(
  'PM_NOT_A_FILE',
  'only ordinary files can be published, not links, folders or devices',
  409,
)
/** 409: the person may ask for it, and it is in the state of the file that it cannot be done now. */
export const Unreadable = createError<[options?: Cause]>('PM_UNREADABLE', 'this account may not read that file', 409)
export const Cancelled = createError<[options?: Cause]>(
  'PM_CANCELLED',
  'the file was taken out before it was ready',
  409,
)
export const TooManyFiles = createError<[options?: Cause]>(
  'PM_TOO_MANY_FILES',
  'no more files can be published by one node',
  409,
)
export const TableFull = createError<[options?: Cause]>(
  'PM_TABLE_FULL',
  'other nodes share more files than this one can keep in mind',
  507,
)
export const DiskFull = createError<[options?: Cause]>('PM_DISK_FULL', 'the disk is full', 507)
export const CannotWrite = createError<[options?: Cause]>('PM_CANNOT_WRITE', 'this folder cannot be written', 507)
export const UploadIncomplete = createError<[options?: Cause]>(
  'PM_UPLOAD_INCOMPLETE',
  'the upload ended before it was complete, nothing was kept',
  400,
)

// What ends the start, each a sentence for the terminal.
export const CannotStart = createError<[sentence: string, options?: Cause]>('PM_CANNOT_START', '%s', 500)
/** One of CannotStart: another node has this home, so with homes of its own a node takes the next one. */
export const HomeInUse = createError<[folder: string, options?: Cause]>(
  'PM_HOME_IN_USE',
  'this folder is used by another portmesh: %s',
  500,
  // instanceof follows the chain of prototypes, which is all that a base is used for here.
  CannotStart as unknown as ErrorConstructor,
)
export const WrongUse = createError<[sentence: string, options?: Cause]>('PM_WRONG_USE', '%s', 400)

/** Those that travel: a peer or a worker thread sends the code, the same class is thrown here. */
const BY_CODE = new Map<string, () => FastifyError>(
  Object.entries({
    PM_UNSUPPORTED_VERSION: () => new UnsupportedVersion(),
    PM_BAD_HANDSHAKE: () => new BadHandshake(),
    PM_STALE_KEY: () => new StaleKey(),
    PM_REFUSED: () => new Refused(),
    PM_BUSY: () => new Busy(),
    PM_TOO_LARGE: () => new TooLarge(),
    PM_NO_SESSION: () => new NoSession(),
    PM_BAD_STREAM: () => new BadStream(),
    PM_NOT_FOUND: () => new NotFound(),
    PM_NO_PIECE: () => new NoPiece(),
    PM_NOT_PUBLISHED: () => new NotPublished(),
    PM_FILE_CHANGED: () => new FileChanged(),
    PM_STOPPING: () => new Stopping(),
  }),
)

/** The error a code stands for; undefined for a code that does not travel. */
export const errorFromCode = (code: string): FastifyError | undefined => BY_CODE.get(code)?.()

/** What everybody may be told of an error: status, code and a sentence; from 500 up nothing of the cause. */
export interface PublicError {
  readonly statusCode: number
  readonly code: string
  readonly message: string
}

/** Framework errors that have a meaning of their own outside; all others of 4xx are a bad request. */
const FRAMEWORK = new Map<string, () => FastifyError>(
  Object.entries({
    FST_ERR_CTP_BODY_TOO_LARGE: () => new TooLarge(),
    FST_ERR_CTP_INVALID_MEDIA_TYPE: () => new UnsupportedMediaType(),
    FST_ERR_NOT_FOUND: () => new NotFound(),
  }),
)

/** Turn anything thrown into what may be told; never echoes what was sent. */
export const publicError = (error: unknown): PublicError => {
  const known = ours(error)
  return { statusCode: known.statusCode ?? 500, code: known.code, message: known.message }
}

/** True for errors of this file (their text may be shown). */
export const isOurs = (error: unknown): error is FastifyError =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('PM_')

const ours = (error: unknown): FastifyError => {
  if (isOurs(error)) return error
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500
  const mapped = FRAMEWORK.get(code)
  if (mapped) return mapped()
  return status >= 400 && status < 500 ? new BadRequest('it could not be understood') : new Internal()
}
