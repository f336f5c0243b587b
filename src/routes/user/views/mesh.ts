/** The mesh, drawn: this computer in the middle, the others on seats around it that they keep. */
import type { Peer } from '../../../dht/table.ts'
import type { Desk } from '../desk.ts'
import { count, countOf, listed, rateWords, shown } from '../words.ts'
import { flowsOf, widthOf } from './mesh-flow.ts'

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
  /** It sends something to this computer now. */
  readonly flow: Flow | undefined
}

/** Dots that run from a sender to this computer. */
export interface Flow {
  readonly x1: number
  readonly y1: number
  readonly x2: number
  readonly y2: number
  /** 1 to 3. */
  readonly width: number
  /** "41 MB/s" */
  readonly rate: string
  readonly rateY: number
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
  /** What to do to see another one. */
  readonly hint: string
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
/** Of the disc in the middle, with its ring. */
const OWN_RADIUS = 25
const GAP = 3
/** Between two lines of text. */
const LINE = 15
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
export const meshDrawing = ({ self, table, faceOf, called, seats, transfers, network }: Desk): MeshDrawing => {
  const peers = table.all()
  const alive = peers.filter((peer) => peer.alive)
  const away = peers.length - alive.length
  const taken = seats()
  const flows = flowsOf(transfers.all())
  const places = taken.length <= FEW.degrees.length ? FEW : MANY
  const height = peers.length === 0 ? ALONE_HEIGHT : places.height
  return {
    heading: presence(table),
    link: peers.length > 0,
    said: saidOf(alive, away, flows, called),
    width: WIDTH,
    height,
    x: WIDTH / 2,
    y: height / 2,
    hue: faceOf(self.id, self.name).hue,
    looking: peers.length === 0,
    hint: network.status().on
      ? 'Start portmesh on another computer of this network. It appears here by itself.'
      : 'Start portmesh once more on this computer, or join your network. Others appear here by themselves.',
    seats: drawnOf(
      taken.map((id) => (id === undefined ? undefined : table.get(id))),
      places.degrees.length,
    )
      .map((who, at) => (who === undefined ? undefined : seat(places, at, guest(who, { faceOf, called }, flows))))
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

const guest = (who: Drawn, { faceOf, called }: Pick<Desk, 'faceOf' | 'called'>, flows: ReadonlyMap<string, number>) =>
  'more' in who
    ? { hue: undefined, letters: `+${count(who.more)}`, name: 'more', away: false, rate: undefined }
    : {
        ...faceOf(who.id, who.name),
        name: shown(called(who)),
        away: !who.alive,
        rate: who.alive ? flows.get(who.id) : undefined,
      }

const seat = (places: Places, at: number, who: ReturnType<typeof guest>): Seat => {
  const angle = ((places.degrees[at] ?? 0) * Math.PI) / 180
  const x = Math.round(WIDTH / 2 + Math.sin(angle) * places.radii[0])
  const y = Math.round(places.height / 2 - Math.cos(angle) * places.radii[1])
  const r = places.disc
  const above = Math.cos(angle) > 0.3
  const { hue, letters, away, rate } = who
  const words = away && places.awayInWords ? ', away' : ''
  const label = cut(who.name, places.labelCharacters - words.length) + words
  const near = above ? y - r - 8 : y + r + 16
  if (rate === undefined) return { x, y, r, hue, letters, away, label, labelY: near, flow: undefined }
  // Two lines: above the disc the name moves up, below it the rate comes after the name.
  const flow = { ...between(x, y, r, places.height / 2), width: widthOf(rate), rate: rateWords(rate) }
  return {
    ...{ x, y, r, hue, letters, away, label },
    labelY: above ? near - LINE : near,
    flow: { ...flow, rateY: above ? near : near + LINE },
  }
}

/** From the edge of a disc to the edge of the one in the middle. */
const between = (x: number, y: number, r: number, middle: number) => {
  const [dx, dy] = [WIDTH / 2 - x, middle - y]
  const length = Math.hypot(dx, dy)
  const at = (distance: number) => ({
    x: Math.round(x + (dx * distance) / length),
    y: Math.round(y + (dy * distance) / length),
  })
  const [from, to] = [at(r + GAP), at(length - OWN_RADIUS - GAP - 3)]
  return { x1: from.x, y1: from.y, x2: to.x, y2: to.y }
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

const saidOf = (
  alive: readonly Peer[],
  away: number,
  flows: ReadonlyMap<string, number>,
  called: Desk['called'],
): string => {
  const names = alive.map((peer) => shown(called(peer)))
  const here = names.length === 0 ? 'only this computer so far' : `you with ${listed(names, 5)}`
  const sending = alive.flatMap((peer) => {
    const rate = flows.get(peer.id)
    return rate === undefined ? [] : [` ${shown(called(peer))} sends you ${rateWords(rate)}.`]
  })
  return `Drawing of the mesh: ${here}${away === 0 ? '' : `, ${countOf(away, 'computer')} away`}.${sending.join('')}`
}
