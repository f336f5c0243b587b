/** The JSON messages of the handshake (PROTOCOL.md, "Handshake"): their fields, and the one way to read them. */
import { fromB64u, toB64u } from '../bytes.ts'
import { BadHandshake, UnsupportedVersion } from '../errors.ts'
import { GROUP } from './dh.ts'
import { VERSION } from './keys.ts'

/** What /getkey answers. */
export interface KeyAnswer {
  readonly v: string
  readonly group: string
  readonly dh: string
  readonly kid: string
  readonly id: string
  readonly bbs: string
  readonly sig: string
}

/** POST /session. */
export interface BeginMessage {
  readonly v: string
  readonly group: string
  readonly kid: string
  readonly x: string
  readonly c: string
}

/** Its answer. */
export interface BeginAnswer {
  readonly sid: string
  readonly nB: string
  readonly sig: string
  readonly mac: string
}

/** POST /session/:sid. */
export interface ConfirmMessage {
  readonly nA: string
  readonly id: string
  readonly bbs: string
  readonly sig: string
  readonly mac: string
}

/** Its answer. */
export interface ConfirmAnswer {
  readonly fin: string
}

/** Fields that carry bytes, base64url: their exact lengths. */
const LENGTHS = {
  dh: 384,
  x: 384,
  bbs: 384,
  kid: 16,
  sid: 16,
  id: 32,
  c: 32,
  nA: 32,
  nB: 32,
  mac: 32,
  fin: 32,
  sig: 64,
} as const

type Field = keyof typeof LENGTHS

/**
 * The bytes of a foreign message that has exactly these fields, each a text of the right length in its one spelling.
 * @throws BadHandshake for any other form.
 */
export const readMessage = <Name extends Field>(
  message: unknown,
  names: readonly Name[],
): Readonly<Record<Name, Uint8Array>> => readFields(fieldsOf(message), names)

/**
 * As `readMessage`, for the two messages that carry version and group. These are looked at before anything else, so that a
 * node of another version hears that, and not that its message is malformed.
 * @throws UnsupportedVersion when either is another text.
 * @throws BadHandshake for any other form.
 */
export const readVersioned = <Name extends Field>(
  message: unknown,
  names: readonly Name[],
): Readonly<Record<Name, Uint8Array>> => {
  const given = fieldsOf(message)
  const [v, group] = [given.get('v'), given.get('group')]
  if ((typeof v === 'string' && v !== VERSION) || (typeof group === 'string' && group !== GROUP))
    throw new UnsupportedVersion()
  if (v !== VERSION || group !== GROUP) throw new BadHandshake()
  given.delete('v')
  given.delete('group')
  return readFields(given, names)
}

/** Each field as base64url. */
export const writeFields = <Name extends string>(fields: Readonly<Record<Name, Uint8Array>>): Record<Name, string> => {
  const entries = Object.entries<Uint8Array>(fields).map(([name, bytes]) => [name, toB64u(bytes)])
  return Object.fromEntries(entries) as Record<Name, string> // the same names
}

const fieldsOf = (message: unknown): Map<string, unknown> => {
  if (typeof message !== 'object' || message === null) throw new BadHandshake()
  return new Map(Object.entries(message))
}

const readFields = <Name extends Field>(
  given: ReadonlyMap<string, unknown>,
  names: readonly Name[],
): Readonly<Record<Name, Uint8Array>> => {
  if (given.size !== names.length) throw new BadHandshake()
  const entries = names.map((name): [Name, Uint8Array] => {
    const text = given.get(name)
    const bytes = typeof text === 'string' ? fromB64u(text, LENGTHS[name]) : undefined
    if (!bytes) throw new BadHandshake()
    return [name, bytes]
  })
  return Object.fromEntries(entries) as Record<Name, Uint8Array> // every name was put in just above
}
