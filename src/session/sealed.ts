/** A request or an answer <-> a sealed stream (PROTOCOL.md, "Requests in a session"); for the client and for the server's hooks. */
import { LiveOpener, LiveSealer } from '../crypto/live-stream.ts'
import { PieceSealer } from '../crypto/piece-seal.ts'
import { PieceOpener, type PieceReader, sealedPiecesLength } from '../crypto/piece-stream.ts'
import { open, openFrames, type StreamContext, seal, sealedLength, sealFrames } from '../crypto/stream.ts'
import { FILE_FRAME_LOG2, FRAME_LOG2 } from '../protocol/constants.ts'
import type { Exchange } from './sessions.ts'

export type { PieceOpener, PieceReader } from '../crypto/piece-stream.ts'
export type { SealedFrame } from '../crypto/stream.ts'

/** The body of a POST in a session. */
export const sealRequest = (exchange: Exchange, plaintext: Uint8Array): Uint8Array =>
  seal(requestContext(exchange), plaintext)

/** @throws BadStream */
export const openRequest = (exchange: Exchange, sealed: Uint8Array): Uint8Array =>
  open(requestContext(exchange), sealed)

/** An answer that is short enough to be sealed at once: JSON. */
export const sealAnswer = (exchange: Exchange, status: number, plaintext: Uint8Array): Uint8Array =>
  seal(answerContext(exchange, status, FRAME_LOG2), plaintext)

/** An answer sealed frame by frame while its source is read. `length` is the number of bytes on the wire. */
export const sealAnswerStream = (
  exchange: Exchange,
  {
    status,
    frameLog2,
    size,
    source,
  }: { status: number; frameLog2: number; size: number; source: AsyncIterable<Uint8Array> },
): { length: number; body: AsyncIterable<Uint8Array> } => ({
  length: sealedLength(size, frameLog2),
  body: sealFrames(answerContext(exchange, status, frameLog2), source),
})

/** The plaintext of an answer, each frame handed on once its tag was right. Ends with BadStream when the body does not open. */
export const openAnswer = (
  exchange: Exchange,
  { status, frameLog2, source }: { status: number; frameLog2: number; source: AsyncIterable<Uint8Array> },
): AsyncIterable<Uint8Array> => openFrames(answerContext(exchange, status, frameLog2), source)

const requestContext = ({ keys, sid, n, method, target }: Exchange): StreamContext => ({
  key: keys.i2r.enc,
  kind: 'req',
  sid,
  n,
  method,
  target,
  frameLog2: FRAME_LOG2,
})

const answerContext = (
  { keys, sid, n, method, target }: Exchange,
  status: number,
  frameLog2: number,
): StreamContext => ({
  key: keys.r2i.enc,
  kind: 'resp',
  sid,
  n,
  method,
  target,
  status,
  frameLog2,
})

/** A short answer that came whole. @throws BadStream */
export const openWhole = (exchange: Exchange, status: number, sealed: Uint8Array): Uint8Array =>
  open(answerContext(exchange, status, FRAME_LOG2), sealed)

/** An answer with pieces, opened as it comes. `length` is its announced one. @throws BadStream when no answer has it */
export const openPieces = (exchange: Exchange, status: number, length: number, reader: PieceReader): PieceOpener =>
  new PieceOpener(answerContext(exchange, status, FILE_FRAME_LOG2), length, reader)

/** The messages of a live answer. */
export const openLive = (exchange: Exchange, status: number): LiveOpener =>
  new LiveOpener(answerContext(exchange, status, 0))

/** Seals the 200 with pieces; `length` is the number of bytes on the wire for `bytes` of content. */
export const sealPieces = (
  exchange: Exchange,
  bytes: number,
): { readonly length: number; readonly sealer: PieceSealer } => ({
  length: sealedPiecesLength(bytes, FILE_FRAME_LOG2),
  sealer: new PieceSealer(answerContext(exchange, 200, FILE_FRAME_LOG2)),
})

/** Seals the messages of a live answer. */
export const sealLive = (exchange: Exchange): LiveSealer => new LiveSealer(answerContext(exchange, 200, 0))
