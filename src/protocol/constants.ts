/** Numbers of PROTOCOL.md that more than one room needs, each with its unit. */

export const VERSION = 'portmesh/1'

/** Answer to "are you there?", to the byte (PROTOCOL.md, "Alive"). */
export const ALIVE_TEXT = 'up and running'

/** Frames of file content: 1 MiB. */
export const FILE_FRAME_LOG2 = 20
/** Frames of everything else: 64 KiB. */
export const FRAME_LOG2 = 16

/** A leaf of a content's tree covers so much. Here, because the thread that hashes them should not load the schemas. */
export const TREE_BLOCK_BYTES = 16_384

/** Header that makes a request part of a session, and the one that marks an answer as sealed. */
export const AUTH_HEADER = 'portmesh-auth'
export const SEALED_HEADER = 'portmesh-sealed'
export const SEALED_VALUE = 'v=1'

/** A request's plaintext inside a session, opened whole. */
export const MAX_REQUEST_BYTES = 1024 * 1024
/** Body of a handshake message. */
export const MAX_HANDSHAKE_BYTES = 8 * 1024
/** JSON of one page of a row. */
export const MAX_PAGE_BYTES = 1024 * 1024
/** Files in one row. */
export const MAX_FILES = 100_000
/** Rows in a table; the longest dead go first. */
export const MAX_ROWS = 1024
/** A published name and each of its parts, bytes of UTF-8. */
export const MAX_NAME_BYTES = 1000
export const MAX_PART_BYTES = 255
/** A node's name, bytes of UTF-8. */
export const MAX_NODE_NAME_BYTES = 64

/** A server keeps an idle connection this long, a client uses it within the shorter time. */
export const SERVER_KEEP_ALIVE_MS = 72_000
export const CLIENT_KEEP_ALIVE_MS = 60_000

/** What one node tells another of those it knows (PROTOCOL.md, "Finding each other"). */
export const MAX_TOLD_PEERS = 128
export const MAX_TOLD_ADDRESSES = 4
/** A host name of 253 characters, a colon and a port. */
export const MAX_ADDRESS_CHARACTERS = 260
