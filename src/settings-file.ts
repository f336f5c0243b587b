/** Writing `<home>/.portmesh/settings.json`: one change after the other, whole or not at all, and what we do not know stays as it is. */
import { randomUUID } from 'node:crypto'
import { open, readFile, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { NotNow } from './errors.ts'
import { settingsFile } from './settings.ts'
import { writeError } from './store/disk.ts'
import { syncFolder } from './store/sync.ts'

/** Values by key; undefined takes a key out. */
export type SettingsChange = Readonly<Record<string, unknown>>

export class SettingsFile {
  readonly #file: string
  #last: Promise<void> = Promise.resolve()

  constructor(home: string) {
    this.#file = settingsFile(home)
  }

  /** On disk before it returns. @throws DiskFull, CannotWrite, NotNow; the file is then as it was */
  async change(change: SettingsChange): Promise<void> {
    const turn = this.#last.then(() => this.#write(change))
    this.#last = turn.catch(() => {})
    await turn
  }

  async #write(change: SettingsChange): Promise<void> {
    const temporary = `${this.#file}.${randomUUID()}`
    try {
      const next: Record<string, unknown> = { ...(await this.#read()), ...change }
      const handle = await open(temporary, 'wx', 0o600)
      try {
        await handle.writeFile(`${JSON.stringify(next, undefined, 2)}\n`)
        await handle.sync()
      } finally {
        await handle.close()
      }
      await rename(temporary, this.#file)
      await syncFolder(dirname(this.#file))
    } catch (error) {
      await unlink(temporary).catch(() => {})
      throw writeError(error)
    }
  }

  /** A file that a person is just writing may be none: it is put aside at the next start, and nobody overwrites it before. */
  async #read(): Promise<object> {
    const text = await readFile(this.#file, 'utf8').catch((error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '{}'
      throw error
    })
    const value = parse(text.replace(/^\ufeff/, ''))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
    throw new NotNow('settings.json is no JSON object: it was left as it is, and nothing was changed')
  }
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
