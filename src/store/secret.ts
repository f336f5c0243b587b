/** The node's identity on disk: `<home>/.portmesh/identity.json`, written once and never replaced. */
import { createHash, randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { chmod, link, open, readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { concat, fromHex, toHex } from '../bytes.ts'
import { CannotStart, isOurs } from '../errors.ts'
import { reasonOf } from './disk.ts'
import { syncFolder } from './sync.ts'

const FILE = 'identity.json'
const TEMPORARY = /^identity\.json\.[0-9a-f]{8}-[0-9a-f-]{27}$/
const SEED_BYTES = 32
const MODULUS_BYTES = 384
/** The file has about 1 KiB; anything much larger is something else. */
const MAX_FILE_BYTES = 16_384

export interface Secret {
  /** 32 bytes: the private Ed25519 key. */
  readonly seed: Uint8Array
  /** 384 bytes, big-endian. */
  readonly modulus: Uint8Array
}

/**
 * Read the identity from the state folder (`<home>/.portmesh`).
 * @returns undefined when there is none yet.
 * @throws CannotStart when the file is damaged or cannot be read; it is never replaced without the person's doing.
 */
export const loadSecret = async (folder: string): Promise<Secret | undefined> => {
  const file = join(folder, FILE)
  try {
    await removeTemporary(folder)
    const text = await readPrivate(file)
    const secret = text === undefined ? undefined : parse(text)
    if (text !== undefined && !secret) throw new CannotStart(damaged(file))
    return secret
  } catch (error) {
    if (isOurs(error)) throw error
    throw new CannotStart(`the identity ${file} cannot be read`, { cause: error })
  }
}

/**
 * Write a new identity: complete under its name or not at all, on disk before it returns, mode 0600.
 * @throws CannotStart when there is an identity already or the folder cannot be written.
 */
export const saveSecret = async (folder: string, secret: Secret): Promise<void> => {
  const file = join(folder, FILE)
  const temporary = join(folder, `${FILE}.${randomUUID()}`)
  try {
    const handle = await open(temporary, 'wx', 0o600)
    try {
      await handle.writeFile(format(secret))
      await handle.sync()
    } finally {
      await handle.close()
    }
    await link(temporary, file).catch((error) => withoutLinks(error, file, secret))
    await unlink(temporary)
    await syncFolder(folder)
  } catch (error) {
    await unlink(temporary).catch(() => undefined)
    const exists = error instanceof Error && 'code' in error && error.code === 'EEXIST'
    const sentence = exists
      ? `there is an identity already: ${file}`
      : `the identity ${file} cannot be written${reasonOf(error)}`
    throw new CannotStart(sentence, { cause: error })
  }
}

/** Where the file system has no links (exFAT) the name itself is claimed; a crash in between leaves a damaged file, and we say so. */
const withoutLinks = async (error: NodeJS.ErrnoException, file: string, secret: Secret): Promise<void> => {
  if (error.code === 'EEXIST') throw error
  const handle = await open(file, 'wx', 0o600)
  try {
    await handle.writeFile(format(secret))
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** What a process left that was killed while it wrote a new identity: a key that nobody needs, or the same one once more. */
const removeTemporary = async (folder: string): Promise<void> => {
  const names = await readdir(folder).catch((): string[] => [])
  for (const name of names) if (TEMPORARY.test(name)) await unlink(join(folder, name))
}

const readPrivate = async (file: string): Promise<string | undefined> => {
  const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)
  const handle = await open(file, flags).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (!handle) return undefined
  try {
    const stats = await handle.stat()
    if (!stats.isFile() || stats.size > MAX_FILE_BYTES) throw new CannotStart(damaged(file))
    if ((stats.mode & 0o077) !== 0) await chmod(file, 0o600)
    return await handle.readFile('utf8')
  } finally {
    await handle.close()
  }
}

const damaged = (file: string): string =>
  `the identity ${file} is damaged: put back a copy of it, or move it away to go on as a new node that nobody knows`

const format = ({ seed, modulus }: Secret): string => {
  const members = { version: 1, seed: toHex(seed), modulus: toHex(modulus), check: checkOf({ seed, modulus }) }
  return `${JSON.stringify(members, undefined, 2)}\n`
}

const parse = (text: string): Secret | undefined => {
  const members = membersOf(text)
  const seed = bytesOf(members.get('seed'), SEED_BYTES)
  const modulus = bytesOf(members.get('modulus'), MODULUS_BYTES)
  return seed && modulus && members.get('check') === checkOf({ seed, modulus }) ? { seed, modulus } : undefined
}

const membersOf = (text: string): Map<string, unknown> => {
  try {
    const parsed: unknown = JSON.parse(text)
    return new Map(typeof parsed === 'object' && parsed !== null ? Object.entries(parsed) : [])
  } catch {
    return new Map()
  }
}

const bytesOf = (value: unknown, length: number): Uint8Array | undefined => {
  const bytes = typeof value === 'string' ? fromHex(value) : undefined
  return bytes?.length === length ? bytes : undefined
}

/** Finds a flipped or lost digit, which would otherwise be another, valid identity. */
const checkOf = ({ seed, modulus }: Secret): string => createHash('sha256').update(concat(seed, modulus)).digest('hex')
