/** Whom this node has met, as the state keeps it. Only state.ts makes it. */
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite'
import { type Change, SANE } from './tables.ts'

/** One identity and what is remembered of it; times are milliseconds since 1970. */
export interface AcquaintanceRecord {
  /** 64 hex characters. */
  readonly id: string
  readonly metMs: number
  /** The last name it gave itself. */
  readonly name: string
  /** The name the person gave it, and when. */
  readonly petname: { readonly name: string; readonly atMs: number } | undefined
  readonly blockedMs: number | undefined
  /** It was caught sending something wrong: when last, and the code of the error. */
  readonly lied: { readonly atMs: number; readonly code: string } | undefined
  /** Something that is published here was given to it. */
  readonly wasGiven: boolean
  /** Where it was last, `host:port`; kept of one that is blocked, which has no row. */
  readonly address: string | undefined
}

/** Every change is on disk before it returns. */
export interface AcquaintanceStore {
  all(): AcquaintanceRecord[]
  put(records: readonly AcquaintanceRecord[]): void
  remove(ids: readonly string[]): void
}

export const acquaintanceStore = (database: DatabaseSync, change: Change): AcquaintanceStore => {
  // A damaged row is left out: whoever it was is met anew.
  const all = database.prepare(
    `SELECT id, met_ms, name, petname, petname_ms, blocked_ms, lied_ms, lied_code, was_given, address FROM acquaintance
     WHERE met_ms ${SANE} AND coalesce(petname_ms, 0) ${SANE} AND coalesce(blocked_ms, 0) ${SANE}
     AND coalesce(lied_ms, 0) ${SANE} ORDER BY met_ms, id`,
  )
  const put = database.prepare(
    `INSERT OR REPLACE INTO acquaintance
     (id, met_ms, name, petname, petname_ms, blocked_ms, lied_ms, lied_code, was_given, address)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  const remove = database.prepare('DELETE FROM acquaintance WHERE id = ?')
  return {
    all: () =>
      all.all().map((row): AcquaintanceRecord => {
        const [petname, petnameMs] = [text(row.petname), number(row.petname_ms)]
        const [liedMs, liedCode] = [number(row.lied_ms), text(row.lied_code)]
        return {
          id: text(row.id) ?? '',
          metMs: number(row.met_ms) ?? 0,
          name: text(row.name) ?? '',
          petname: petname === undefined ? undefined : { name: petname, atMs: petnameMs ?? 0 },
          blockedMs: number(row.blocked_ms),
          lied: liedMs === undefined ? undefined : { atMs: liedMs, code: liedCode ?? '' },
          wasGiven: row.was_given === 1,
          address: text(row.address),
        }
      }),
    put: (records) =>
      change('durable', () => {
        for (const { id, metMs, name, petname, blockedMs, lied, wasGiven, address } of records) {
          const named = [petname?.name ?? null, petname?.atMs ?? null]
          const caught = [lied?.atMs ?? null, lied?.code ?? null]
          put.run(id, metMs, name, ...named, blockedMs ?? null, ...caught, wasGiven ? 1 : 0, address ?? null)
        }
      }),
    remove: (ids) =>
      change('durable', () => {
        for (const id of ids) remove.run(id)
      }),
  }
}

// The table is STRICT: what is no text is null.
const text = (value: SQLOutputValue | undefined): string | undefined => (typeof value === 'string' ? value : undefined)
const number = (value: SQLOutputValue | undefined): number | undefined =>
  typeof value === 'number' ? value : undefined
