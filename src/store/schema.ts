/** The tables of the state and how an older store becomes this one. */
import { existsSync, rmSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { CannotStart } from '../errors.ts'

/** Whom this node has met. One that is blocked or named stays when its row has gone, so it refers to no row. */
const acquaintanceTable = (database: DatabaseSync): void =>
  database.exec(`
    CREATE TABLE acquaintance (
      id TEXT PRIMARY KEY, met_ms INTEGER NOT NULL, name TEXT NOT NULL, petname TEXT, petname_ms INTEGER,
      blocked_ms INTEGER, lied_ms INTEGER, lied_code TEXT, was_given INTEGER NOT NULL, address TEXT
    ) STRICT, WITHOUT ROWID;
  `)

/** Entry n brings a store of version n to n + 1. Never changed once released: a change is a new entry. */
const MIGRATIONS: readonly ((database: DatabaseSync) => void)[] = [
  (database) =>
    database.exec(`
      CREATE TABLE note (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
      CREATE TABLE published (
        name TEXT PRIMARY KEY, size INTEGER NOT NULL, hash TEXT NOT NULL, root TEXT NOT NULL,
        published_ms INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE cache (
        name TEXT PRIMARY KEY, stamp TEXT NOT NULL, hash TEXT NOT NULL, root TEXT NOT NULL
      ) STRICT;
      CREATE TABLE peer (
        id TEXT PRIMARY KEY, head BLOB NOT NULL, sig BLOB NOT NULL, addresses TEXT NOT NULL,
        last_seen_ms INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE peer_file (
        peer TEXT NOT NULL REFERENCES peer (id) ON DELETE CASCADE,
        name TEXT NOT NULL, size INTEGER NOT NULL, hash TEXT NOT NULL, root TEXT NOT NULL, published INTEGER NOT NULL,
        PRIMARY KEY (peer, name)
      ) STRICT, WITHOUT ROWID;
    `),
  // Index 1, version 2: piece layers of published contents and of those that are fetched. With rowids, for a layer has up to 512 KiB.
  (database) => database.exec('CREATE TABLE layer (root TEXT PRIMARY KEY, layer BLOB NOT NULL) STRICT'),
  // Index 2, version 3: fetches into the home.
  (database) =>
    database.exec(`
      CREATE TABLE transfer (
        id TEXT PRIMARY KEY, root TEXT NOT NULL, hash TEXT NOT NULL, size INTEGER NOT NULL, name TEXT NOT NULL,
        state TEXT NOT NULL, error TEXT, created_ms INTEGER NOT NULL, ended_ms INTEGER, final_name TEXT,
        givers TEXT NOT NULL, layer BLOB, map BLOB, clean INTEGER NOT NULL DEFAULT 0
      ) STRICT;
    `),
  // Index 3, version 4: how far each published file is seen. So far there was nobody but this computer to see any.
  (database) => database.exec("ALTER TABLE published ADD COLUMN reach TEXT NOT NULL DEFAULT 'computer'"),
  // Index 4, version 5: who was met.
  acquaintanceTable,
]

export const SCHEMA_VERSION = MIGRATIONS.length

/**
 * Bring the store to this program's version: all steps in one transaction, after a copy (`<file>.before-<version>`).
 * @param migrations - given by tests only.
 * @throws CannotStart when the store was written by a newer program.
 */
export const migrate = (database: DatabaseSync, file: string, migrations = MIGRATIONS): void => {
  const version = Number(database.prepare('PRAGMA user_version').get()?.user_version)
  if (version > migrations.length) {
    throw new CannotStart(
      `${file} was written by a newer portmesh (its version is ${version}, this one knows ${migrations.length}): start that one`,
    )
  }
  if (version === migrations.length) return
  if (version > 0) copyOf(database, `${file}.before-${version}`)
  database.exec('BEGIN IMMEDIATE')
  try {
    for (const step of migrations.slice(version)) step(database)
    database.exec(`PRAGMA user_version=${migrations.length}; COMMIT`)
  } catch (error) {
    database.exec('ROLLBACK')
    throw error
  }
}

/** SQLite writes the copy: reading the open file beside it would drop its lock (lock.ts). */
const copyOf = (database: DatabaseSync, file: string): void => {
  if (existsSync(file)) rmSync(file)
  database.prepare('VACUUM INTO ?').run(file)
}
