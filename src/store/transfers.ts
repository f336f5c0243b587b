/** The transfers in the state: what was asked for, how far it is, and which pieces were written. */
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite'
import { type Change, SANE } from './tables.ts'

const ID = /^[0-9a-f]{16}$/
const HASH = /^[0-9a-f]{64}$/

/** Where a transfer is; those who run now are found as `queued` after a restart. */
export const TRANSFER_STATES = [
  'queued',
  'running',
  'paused',
  'waiting',
  'verifying',
  'done',
  'failed',
  'cancelled',
] as const
export type TransferState = (typeof TRANSFER_STATES)[number]

/** Who gave something, by identity (64 hex characters), and the name it had then. */
export interface Giver {
  readonly id: string
  readonly name: string
}

export interface TransferRecord {
  readonly id: string
  readonly root: string
  readonly hash: string
  /** Bytes. */
  readonly size: number
  /** As the mesh calls it. */
  readonly name: string
  readonly state: TransferState
  /** Code of the error that stopped it. */
  readonly error: string | undefined
  readonly createdMs: number
  readonly endedMs: number | undefined
  /** Name of the finished file in the home. */
  readonly finalName: string | undefined
  readonly givers: readonly Giver[]
  /** The piece layer, once a holder has told it. */
  readonly layer: Uint8Array | undefined
}

/** One byte a piece: 0, or 1 + the index of its giver. Written after the pieces it speaks of, and a hint only. */
export type PieceMap = Uint8Array

export interface TransferStore {
  all(): { record: TransferRecord; map: PieceMap | undefined; clean: boolean }[]
  /** On disk before it returns. */
  put(record: TransferRecord): void
  /** @param clean - nothing was written since, and it is on disk. */
  putMap(id: string, map: PieceMap, clean: boolean): void
  /** On disk before it returns. */
  remove(id: string): void
}

export const transferStore = (database: DatabaseSync, change: Change): TransferStore => {
  const all = database.prepare(`SELECT * FROM transfer WHERE size ${SANE} AND created_ms ${SANE}
    AND (ended_ms IS NULL OR ended_ms ${SANE}) AND clean IN (0, 1) ORDER BY created_ms, rowid`)
  const put = database.prepare(
    `INSERT INTO transfer (id, root, hash, size, name, state, error, created_ms, ended_ms, final_name, givers, layer)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET name = excluded.name, state = excluded.state, error = excluded.error,
     created_ms = excluded.created_ms, ended_ms = excluded.ended_ms, final_name = excluded.final_name,
     givers = excluded.givers, layer = excluded.layer`,
  )
  const putMap = database.prepare('UPDATE transfer SET map = ?, clean = ? WHERE id = ?')
  const remove = database.prepare('DELETE FROM transfer WHERE id = ?')
  return {
    all: () => all.all().flatMap(read),
    put: (record) => {
      const { id, root, hash, size, name, state, error, createdMs, endedMs, finalName, givers, layer } = record
      change('durable', () =>
        put.run(
          id,
          root,
          hash,
          size,
          name,
          state,
          error ?? null,
          createdMs,
          endedMs ?? null,
          finalName ?? null,
          JSON.stringify(givers),
          layer ?? null,
        ),
      )
    },
    putMap: (id, map, clean) => void change('soon', () => putMap.run(map, clean ? 1 : 0, id)),
    remove: (id) => void change('durable', () => remove.run(id)),
  }
}

/** A damaged row is left out, and its partial file goes with it. */
const read = (row: Record<string, SQLOutputValue>): ReturnType<TransferStore['all']> => {
  const { id, root, hash, size, name, state, error, givers, layer, map, clean } = row
  const known = TRANSFER_STATES.find((each) => each === state)
  if (typeof id !== 'string' || typeof root !== 'string' || typeof hash !== 'string' || !known) return []
  if (typeof size !== 'number' || typeof name !== 'string' || !ID.test(id) || !HASH.test(root) || !HASH.test(hash))
    return []
  return [
    {
      record: {
        id,
        root,
        hash,
        size,
        name,
        state: known,
        error: text(error),
        createdMs: number(row.created_ms) ?? 0,
        endedMs: number(row.ended_ms),
        finalName: text(row.final_name),
        givers: giversOf(givers),
        layer: bytes(layer),
      },
      map: bytes(map),
      clean: clean === 1,
    },
  ]
}

const text = (value: SQLOutputValue | undefined): string | undefined => (typeof value === 'string' ? value : undefined)
const number = (value: SQLOutputValue | undefined): number | undefined =>
  typeof value === 'number' ? value : undefined
const bytes = (value: SQLOutputValue | undefined): Uint8Array | undefined =>
  value instanceof Uint8Array ? value : undefined

const giversOf = (value: SQLOutputValue | undefined): Giver[] => {
  try {
    const parsed: unknown = JSON.parse(String(value))
    if (!Array.isArray(parsed)) return []
    return parsed.flatMap((one: unknown) =>
      typeof one === 'object' &&
      one !== null &&
      'id' in one &&
      'name' in one &&
      typeof one.id === 'string' &&
      typeof one.name === 'string'
        ? [{ id: one.id, name: one.name }]
        : [],
    )
  } catch {
    return []
  }
}
