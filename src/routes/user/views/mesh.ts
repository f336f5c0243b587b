/** The mesh, drawn: this computer in the middle, the others on seats around it that they keep. */
import type { Peer } from '../../../dht/table.ts'
import type { Desk } from '../desk.ts'
import { count, countOf, listed, shown } from '../words.ts'

export interface Seat {
  readonly x: number
  readonly y: number
  readonly r: number
  /** Undefined for the disc that counts those without a seat. */
  readonly hue: number | undefined
  readonly letters: string
  readonly label: string
  readonly labelY: number
  readonly away: boolean
}

export interface MeshDrawing {
  readonly heading: string
  /** To the list of all nodes, where the drawing is not beside it already. */
  readonly link: boolean
  /** What a screen reader says of the drawing. */
  readonly said: string
  readonly width: number
  readonly height: number
  readonly x: number
  readonly y: number
  readonly hue: number
  readonly seats: readonly Seat[]
  /** Nobody there yet: rings instead of seats. */
  readonly looking: boolean
}

interface Places {
  /** Clockwise from the top; those filled first lie far apart. */
  readonly degrees: readonly number[]
  readonly height: number
  readonly radii: readonly [x: number, y: number]
  readonly disc: number
  readonly labelCharacters: number
  /** Room for "away" beside a name; the dashed disc says it too. */
  readonly awayInWords: boolean
}

const WIDTH = 352
const ALONE_HEIGHT = 252
const FEW: Places = {
  degrees: [0, 144, -144, 72, -72],
  height: 290,
  radii: [118, 92],
  disc: 18,
  labelCharacters: 16,
  awayInWords: true,
}
const MANY: Places = {
  degrees: [-45, 45, 135, -135, -15, 165, 75, -105, 15, -165, 105, -75],
  height: 330,
  radii: [138, 118],
  disc: 14,
  labelCharacters: 9,
  awayInWords: false,
}

/** Who sits where: a seat is kept as long as its computer is in the table, whoever comes and goes. */
export const createSeats = (known: () => Iterable<string>): (() => readonly (string | undefined)[]) => {
  const seats: (string | undefined)[] = []
  return () => {
    const present = new Set(known())
    for (const [at, id] of seats.entries()) if (id !== undefined && !present.has(id)) seats[at] = undefined
    for (const id of seats) if (id !== undefined) present.delete(id)
    for (const id of [...present].sort()) {
      const free = seats.indexOf(undefined)
      seats[free === -1 ? seats.length : free] = id
    }
    while (seats.length > 0 && seats.at(-1) === undefined) seats.pop()
    return seats
  }
}

/** Draw everybody of the table, or those who are here and how many more there are. */
export const meshDrawing = ({ self, table, faceOf, seats }: Desk): MeshDrawing => {
  const peers = table.all()
  const alive = peers.filter((peer) => peer.alive)
  const away = peers.length - alive.length
  const taken = seats()
  const places = taken.length <= FEW.degrees.length ? FEW : MANY
  const height = peers.length === 0 ? ALONE_HEIGHT : places.height
  return {
    heading: presence(table),
    link: peers.length > 0,
    said: saidOf(alive, away),
    width: WIDTH,
    height,
    x: WIDTH / 2,
    y: height / 2,
    hue: faceOf(self.id, self.name).hue,
    looking: peers.length === 0,
    seats: drawnOf(
      taken.map((id) => (id === undefined ? undefined : table.get(id))),
      places.degrees.length,
    )
      .map((who, at) => (who === undefined ? undefined : seat(places, at, guest(who, faceOf))))
      .filter((place) => place !== undefined),
  }
}

type Drawn = Peer | { readonly more: number }

/** One entry a seat. When there are more peers than seats, those who are here come first and the last seat counts the rest. */
const drawnOf = (peers: readonly (Peer | undefined)[], places: number): readonly (Drawn | undefined)[] => {
  if (peers.length <= places) return peers
  const present = peers.filter((peer) => peer !== undefined)
  const drawn = [...present.filter(({ alive }) => alive), ...present.filter(({ alive }) => !alive)].slice(0, places - 1)
  return [...drawn, { more: present.length - drawn.length }]
}

const guest = (who: Drawn, faceOf: Desk['faceOf']) =>
  'more' in who
    ? { hue: undefined, letters: `+${count(who.more)}`, name: 'more', away: false }
    : { ...faceOf(who.id, who.name), name: shown(who.name), away: !who.alive }

const seat = (places: Places, at: number, who: ReturnType<typeof guest>): Seat => {
  const angle = ((places.degrees[at] ?? 0) * Math.PI) / 180
  const x = Math.round(WIDTH / 2 + Math.sin(angle) * places.radii[0])
  const y = Math.round(places.height / 2 - Math.cos(angle) * places.radii[1])
  const r = places.disc
  const above = Math.cos(angle) > 0.3
  const { hue, letters, away } = who
  const words = away && places.awayInWords ? ', away' : ''
  const label = cut(who.name, places.labelCharacters - words.length) + words
  return { x, y, r, hue, letters, away, label, labelY: above ? y - r - 8 : y + r + 16 }
}

const cut = (text: string, longest: number): string => {
  const characters = [...text]
  return characters.length > longest ? `${characters.slice(0, longest - 1).join('')}…` : text
}

/** "2 others here, 1 away". */
export const presence = (table: Desk['table']): string => {
  const peers = table.all()
  const alive = peers.filter((peer) => peer.alive).length
  const away = peers.length - alive
  if (alive + away === 0) return 'Looking for other computers'
  const here = alive === 0 ? 'Nobody else here' : `${countOf(alive, 'other')} here`
  return away === 0 ? here : `${here}, ${count(away)} away`
}

const saidOf = (alive: readonly Peer[], away: number): string => {
  const names = alive.map(({ name }) => shown(name))
  const here = names.length === 0 ? 'only this computer so far' : `you with ${listed(names, 5)}`
  return `Drawing of the mesh: ${here}${away === 0 ? '' : `, ${countOf(away, 'computer')} away`}.`
}
