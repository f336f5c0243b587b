/** On your network: who can see what is published here, at which addresses, and how to meet a computer that is not found by itself. */
import { isOnThisComputer } from '../../../protocol/addresses.ts'
import type { Desk } from '../desk.ts'
import type { LiveView } from '../live.ts'
import { type Part, render } from '../render.ts'
import { count, countOf, type Name, nameParts, shown } from '../words.ts'
import { shell } from './shell.ts'

/** Names that are listed; the rest is a number. */
const LISTED = 8
const WORDS_AGE_MS = 5_000

/** Published files, by how far they are seen. */
export const filesSeen = ({ published }: Desk): { computer: number; network: number } => {
  const network = published.files('network').size
  return { computer: published.files().size - network, network }
}

/** True when the person should say what becomes of files that were published before the network came. */
export const isAsked = (desk: Desk): boolean =>
  desk.network.status().on && !desk.network.wasAnswered() && filesSeen(desk).computer > 0

export const lanPage = async (desk: Desk): Promise<string> => {
  const { parts } = await lanView(desk)()
  const html = Object.fromEntries(parts.map((part) => [part.target.slice(1), part.html]))
  return render('page', {
    shell: shell(desk, { title: 'On your network', page: 'nodes', live: '/events?view=lan' }),
    main: render('lan', html),
  })
}

export const lanView =
  (desk: Desk): LiveView =>
  async () => ({ parts: lanParts(desk), againMs: WORDS_AGE_MS })

export const lanParts = (desk: Desk): readonly Part[] => [
  { target: '#network', html: render('fragments/network', networkModel(desk)) },
  { target: '#typed', html: render('fragments/typed', typedModel(desk)) },
]

/** In short, at the side of other pages. */
export const reachPart = (desk: Desk): Part => ({ target: '#reach', html: render('fragments/reach', reachModel(desk)) })

const reachModel = (desk: Desk) => {
  const { on } = desk.network.status()
  const { computer } = filesSeen(desk)
  return { on, asked: isAsked(desk), hidden: countOf(computer, 'file'), are: computer === 1 ? 'is' : 'are' }
}

/** Who of the network is here, by name; the rest is a number. */
const hereModel = (desk: Desk) => {
  const { table } = desk
  const here = table.all().filter(({ id, alive }) => alive && !isOnThisComputer(table.addressOf(id) ?? '127.0.0.1:1'))
  return {
    here: here.slice(0, LISTED).map((peer) => ({ href: `/nodes/${peer.id}`, name: shown(desk.called(peer)) })),
    hereCount: here.length === 0 ? '' : `${countOf(here.length, 'other computer')} here`,
    hereMore: here.length > LISTED ? `and ${count(here.length - LISTED)} more` : '',
  }
}

const networkModel = (desk: Desk) => {
  const { on, addresses, failed } = desk.network.status()
  const seen = filesSeen(desk)
  const kept = [...desk.published.files().values()].filter(({ reach }) => reach === 'computer').reverse()
  return {
    on,
    addresses,
    ...hereModel(desk),
    failed: failed.map(({ address, code }) => ({ address, why: WHY[code] ?? `the system says ${code}` })),
    alone: on && addresses.length === 0,
    asked: isAsked(desk),
    seen: countOf(seen.network, 'file'),
    kept: countOf(seen.computer, 'file'),
    keptCount: seen.computer,
    names: kept.slice(0, LISTED).map(({ name }): Name => nameParts(name)),
    more: kept.length > LISTED ? `and ${count(kept.length - LISTED)} more` : '',
  }
}

const WHY: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program has this port there',
  EADDRNOTAVAIL: 'this computer does not have that address now',
  EACCES: 'the system does not allow it',
}

const typedModel = (desk: Desk) => ({
  typed: desk.network.typed().map((address) => {
    const peer = desk.table.at(desk.network.askedAt(address) ?? address)
    return { address, found: peer?.alive === true, name: peer?.name }
  }),
})
