/** Who: a colour and two letters for each computer, the same on every page. */
import { shown } from './words.ts'

export interface Face {
  /** 0 to 7, one of the colours h0 to h7 of the stylesheet. */
  readonly hue: number
  readonly letters: string
}

/** The name under which pages show somebody. */
export type Called = (who: { readonly id: string; readonly name: string }) => string

export type FaceOf = (id: string, name: string) => Face

const HUES = 8

/**
 * The first byte of the key chooses the colour, whoever looks: "the green one" must be the same computer on two screens
 * side by side. Two may share a colour; their letters and names tell them apart.
 */
export const faceOf: FaceOf = (id, name) => ({
  hue: Number.parseInt(id.slice(0, 2), 16) % HUES || 0,
  letters: lettersOf(name),
})

/** "Ben’s desktop" -> "Be", "mesh-2" -> "M2", "mesh-12" -> "12". */
export const lettersOf = (name: string): string => {
  const letters = [...shown(name)].filter((character) => /[\p{L}\p{N}]/u.test(character))
  const [first = '?', second = ''] = letters
  const number = /\d{1,2}$/.exec(name)?.[0] ?? ''
  if (number.length === 2) return number
  if (number && !/\d/.test(first)) return first.toUpperCase() + number
  return first.toUpperCase() + second.toLowerCase()
}
