/** `<home>/.portmesh/settings.json`: what the page's switches decided for this home. Read at the start; settings-file.ts writes it. */
import { readFile, rename } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { type Config, codeOf, tidyName, whyNotInterval, whyNotName } from './config.ts'
import { CannotStart } from './errors.ts'
import { type Limits, limitsIn } from './rate-words.ts'

export interface Settings {
  readonly name?: string
  readonly intervalMs?: number
  readonly lan?: boolean
  readonly limits?: Partial<Limits>
  /** What is wrong with the file, in words; then nothing of it is used. */
  readonly damage?: string
}

/**
 * Lay settings.json of the home over the defaults, below what was given by option or environment.
 * A damaged file is put aside as `settings.corrupt-<time>`: the notices say so, and the defaults hold.
 * @throws CannotStart when the file is there and can be neither read nor put aside.
 */
export const withSettings = async (config: Config, home: string, notices: string[]): Promise<Config> => {
  const settings = await readSettings(home)
  if (settings.damage !== undefined) notices.push(await putAside(settingsFile(home), settings.damage))
  return {
    ...config,
    name: config.fixed.name ? config.name : (settings.name ?? config.name),
    lan: config.fixed.lan ? config.lan : (settings.lan ?? config.lan),
    intervalMs: config.fixed.interval ? config.intervalMs : (settings.intervalMs ?? config.intervalMs),
    limits: { ...config.limits, ...settings.limits, ...config.fixed.limits },
  }
}

/** Where the settings of a home lie. */
export const settingsFile = (home: string): string => join(home, '.portmesh', 'settings.json')

/**
 * Read `<home>/.portmesh/settings.json`: `{ "name": text, "interval": seconds, "lan": true, "up": bytes a second, .. }`, each optional; unknown keys are left alone.
 * @returns an empty object when there is no such file; `damage` and nothing else when it is not what it should be.
 * @throws CannotStart naming file and reason when it cannot be read: that says nothing about what is in it.
 */
export const readSettings = async (home: string): Promise<Settings> => {
  const file = settingsFile(home)
  const read = await readFile(file, 'utf8').catch((cause: unknown): Settings => {
    if (codeOf(cause) === 'ENOENT' || codeOf(cause) === 'ENOTDIR') return {}
    if (codeOf(cause) === 'EISDIR') return { damage: 'it is a folder' }
    throw new CannotStart(`${file} cannot be used: it could not be read (${codeOf(cause)})`, { cause })
  })
  return typeof read === 'string' ? parseSettings(read) : read
}

const parseSettings = (text: string): Settings => {
  let value: unknown
  try {
    value = JSON.parse(text.replace(/^\ufeff/, ''))
  } catch {
    return { damage: 'it is not JSON' }
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { damage: 'it is not a JSON object' }
  const name = 'name' in value ? value.name : undefined
  const interval = 'interval' in value ? value.interval : undefined
  const badName = name === undefined ? undefined : typeof name === 'string' ? whyNotName(name) : 'it is not text'
  if (badName) return { damage: `"name": ${badName}` }
  const badInterval =
    interval === undefined
      ? undefined
      : typeof interval === 'number'
        ? whyNotInterval(interval * 1_000)
        : 'it is not a number'
  if (badInterval) return { damage: `"interval": ${badInterval}` }
  const lan = 'lan' in value ? value.lan : undefined
  if (lan !== undefined && typeof lan !== 'boolean') return { damage: '"lan": it is neither true nor false' }
  const limits = limitsIn(value)
  if ('damage' in limits) return limits
  return {
    ...(Object.keys(limits).length > 0 ? { limits } : {}),
    ...(lan === undefined ? {} : { lan }),
    ...(typeof name === 'string' ? { name: tidyName(name) } : {}),
    ...(typeof interval === 'number' ? { intervalMs: Math.round(interval * 1_000) } : {}),
  }
}

/** @returns what the person should be told. */
const putAside = async (file: string, damage: string): Promise<string> => {
  const aside = join(file, '..', `settings.corrupt-${new Date().toISOString().replaceAll(/[-:]/g, '')}`)
  await rename(file, aside).catch((cause: unknown) => {
    throw new CannotStart(`${file} cannot be used: ${damage}; nor moved away (${codeOf(cause)})`, { cause })
  })
  return `${file} cannot be used: ${damage}. The node starts with its usual settings; the old file is kept as ${basename(aside)}`
}
