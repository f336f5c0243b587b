/** Messages of PROTOCOL.md, "Contents and pieces": what a holder tells its followers, and how pieces are asked for. */
import { type Static, Type } from 'typebox'
import { checker } from './messages.ts'

/** Pieces in one request, and their bytes unless it is one piece. */
export const MAX_RUN_PIECES = 1024
export const MAX_RUN_BYTES = 64 * 1024 * 1024
/** Bits of `want`. */
export const MAX_WANT_BITS = 4096
/** A holder with nothing new to tell says so this often; nothing for the longer time is a broken connection. */
export const HAVE_QUIET_MS = 5_000
export const HAVE_SILENT_MS = 15_000
/** Addresses in one message. */
export const MAX_NAMED_PEERS = 64

/** `a` or `a-b` (a number once it is read), and what else would do: `first:bits`. */
export const PiecesQuery = Type.Object(
  {
    pieces: Type.Union([
      Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
      Type.String({ pattern: '^(0|[1-9]\\d{0,14})-(0|[1-9]\\d{0,14})$' }),
    ]),
    want: Type.Optional(Type.String({ pattern: '^(0|[1-9]\\d{0,14}):[\\w-]{0,683}$' })),
  },
  { additionalProperties: false },
)
export type PiecesQuery = Static<typeof PiecesQuery>

/** One message of a have stream; unknown fields are ignored. */
export const HaveMessage = Type.Object({
  all: Type.Optional(Type.Literal(true)),
  bits: Type.Optional(Type.String({ maxLength: 4096, pattern: '^[\\w-]*$' })),
  new: Type.Optional(Type.Array(Type.Integer({ minimum: 0, maximum: 16_383 }), { maxItems: 16_384 })),
  peers: Type.Optional(Type.Array(Type.String({ minLength: 3, maxLength: 300 }), { maxItems: MAX_NAMED_PEERS })),
})
export type HaveMessage = Static<typeof HaveMessage>

/** @returns undefined for anything else */
export const checkHave = checker(HaveMessage)
