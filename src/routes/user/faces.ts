/** Who: a colour and two letters for each computer, the same on every page. */
import { shown } from './words.ts'

export interface Face {
  /** 0 to 7, one of the colours h0 to h7 of the stylesheet. */
  readonly hue: number
  readonly letters: string
}

export type FaceOf = (id: string, name: string) => Face

const HUES = 8

/**
 * Colours by identity. Each computer has a favourite, the first byte of its key; where another one has it already, the
 * next byte of the key chooses, so that up to eight computers differ. A colour, once given, stays while the node runs.
 * @param known - identities of the table now; the colours of others are free again.
 */
export const createFaces = (selfId: string, known: () => Iterable<string>): FaceOf => {
  const hues = new Map<string, number>()
  const give = (id: string): number => {
    const taken = new Set(hues.values())
    const hue = taken.size < HUES ? (wishes(id).find((wish) => !taken.has(wish)) ?? favourite(id)) : favourite(id)
    hues.set(id, hue)
    return hue
  }
  const giveAll = (): void => {
    const present = new Set([selfId, ...known()])
    for (const id of hues.keys()) if (!present.has(id)) hues.delete(id)
    // In an order of their own, so that the next start gives the same ones.
    for (const id of [selfId, ...[...present].sort()]) if (!hues.has(id)) give(id)
  }
  return (id, name) => {
    if (!hues.has(id)) giveAll()
    return { hue: hues.get(id) ?? favourite(id), letters: lettersOf(name) }
  }
}

/** "Ben’s desktop" -> "Be", "mesh-2" -> "M2", "mesh-12" -> "12". */
export const lettersOf = (name: string): string => {
  const letters = [...shown(name)].filter((character) => /[\p{L}\p{N}]/u.test(character))
  const [first = '?', second = ''] = letters
  const number = /\d{1,2}$/.exec(name)?.[0] ?? ''
  if (number.length === 2) return number
  if (number && !/\d/.test(first)) return first.toUpperCase() + number
  return first.toUpperCase() + second.toLowerCase()
}

const favourite = (id: string): number => Number.parseInt(id.slice(0, 2), 16) % HUES || 0

/** The favourite first, then what the other bytes say, then whatever is left. */
const wishes = (id: string): number[] => {
  const bytes = (id.match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16) % HUES)
  return [...bytes, ...Array.from({ length: HUES }, (_, hue) => hue)]
}
