/** What a person has to know of who is who: a name that belongs to somebody else, a lie, a copied key. */
import { shortFingerprint, type Warning } from '../../../trust/acquaintances.ts'
import type { Doubles } from '../../../trust/doubles.ts'
import type { Desk } from '../desk.ts'
import { calledOf } from '../others.ts'
import type { Part } from '../render.ts'
import { render } from '../render.ts'
import { shown, type Words, when } from '../words.ts'
import type { Action } from './parts.ts'

export interface Note {
  /** `bad` is an alarm. */
  readonly tone: 'bad' | 'warn' | ''
  readonly icon: 'alert' | 'close'
  readonly title: Words
  readonly text: Words
  /** Keys to compare: whose, and what of it. */
  readonly keys?: readonly { readonly whose: string; readonly fingerprint: string }[]
  readonly actions: readonly Action[]
  /** Where more is said. */
  readonly more?: { readonly href: string; readonly name: string }
}

/** On the home page, which has other things to show. */
const MAX_NOTES = 3
const NEW_KEY =
  'Stop the copy and delete .portmesh/identity.json in its folder: it then makes a key of its own, and its files stay. Then start the other one again.'

export const notesPart = (notes: readonly Note[]): Part => ({
  target: '#notes',
  html: render('fragments/notes', { notes }),
})

/** Of one computer. */
export const notesOf = (desk: Desk, id: string, now: number): readonly Note[] => {
  const { acquaintances, doubles } = desk.who
  const known = acquaintances.get(id)
  if (!known) return []
  const warning = acquaintances.warningOf(id)
  const double = doubles.of(id)
  return [
    ...(known.blockedMs === undefined ? [] : [blockedNote(desk, id, known.blockedMs, now)]),
    ...(warning?.kind === 'pretends' ? [pretenderNote(desk, id, warning, now)] : []),
    ...(double ? [doubleNote(double.addresses)] : []),
    ...(known.lied ? [liedNote(desk, id, known.lied, now)] : []),
  ]
}

/** Of all of them, the gravest first. */
export const allNotes = (desk: Desk, now: number): readonly Note[] => {
  const { acquaintances, doubles } = desk.who
  const copies = doubles.ofUs()
  const more = (id: string): Pick<Note, 'more'> => {
    const known = acquaintances.get(id)
    return known ? { more: { href: `/nodes/${id}`, name: shown(calledOf(known)) } } : {}
  }
  return [
    ...(copies.length === 0 ? [] : [copyNote(copies)]),
    ...acquaintances
      .pretenders()
      .map(({ who, warning }): Note => ({ ...pretenderNote(desk, who.id, warning, now), ...more(who.id) })),
    ...doubles.all().map(({ id, addresses }): Note => ({ ...doubleNote(addresses), ...more(id) })),
  ].slice(0, MAX_NOTES)
}

/** Where somebody says that he is this node: a word that anybody can say. */
const copyNote = (addresses: readonly string[]): Note => ({
  tone: 'bad',
  icon: 'alert',
  title: ['Another node says that it is this computer'],
  text: [
    `It answers at ${addresses.join(', ')}. Was this folder copied? Two with one key cannot both be reached. ${NEW_KEY}`,
  ],
  actions: [],
})

const doubleNote = ([first, second]: ReturnType<Doubles['all']>[number]['addresses']): Note => ({
  tone: 'warn',
  icon: 'alert',
  title: ['Two computers have the same key'],
  text: [`One answers at ${first}, the other at ${second}. Somebody has copied a folder. ${NEW_KEY}`],
  actions: [],
})

const pretenderNote = (desk: Desk, id: string, { other }: Warning, now: number): Note => {
  const given = desk.who.acquaintances.get(id)?.wasGiven
  const sent = given ? 'It has fetched something that you publish.' : 'Nothing was sent to it.'
  return {
    tone: 'bad',
    icon: 'alert',
    title: ['This is not the ', { name: shown(calledOf(other)) }, ` you met ${when(other.metMs, now)}`],
    text: [`It uses the same name with another key. Someone may be pretending. ${sent}`],
    keys: [
      { whose: 'This one', fingerprint: shortFingerprint(id) },
      { whose: 'The one you know', fingerprint: shortFingerprint(other.id) },
    ],
    actions: [blockAction(desk, id)],
  }
}

const liedNote = (desk: Desk, id: string, { atMs, code }: { atMs: number; code: string }, now: number): Note => ({
  tone: 'warn',
  icon: 'alert',
  title: [`It ${lieWords(code)}`],
  text: [`The last time was ${when(atMs, now)}. Nothing of it was kept.`],
  actions: [act(desk, id, 'trust-again', 'Trust it again')],
})

const blockedNote = (desk: Desk, id: string, blockedMs: number, now: number): Note => ({
  tone: '',
  icon: 'close',
  title: [`You blocked it ${when(blockedMs, now)}`],
  text: ['It gets nothing from here, and nothing of it is shown. What others share as well is still there.'],
  actions: [unblockAction(desk, id)],
})

/** "It" + this. */
export const lieWords = (code: string): string =>
  code === 'PM_WRONG_PIECE' ? 'sent pieces that were not right' : 'sent something that is not allowed'

export const blockAction = (desk: Desk, id: string): Action => ({
  ...act(desk, id, 'block', 'Block it'),
  look: 'danger',
})

export const unblockAction = (desk: Desk, id: string): Action => act(desk, id, 'unblock', 'Unblock')

export const forgetAction = (desk: Desk, id: string): Action => ({
  ...act(desk, id, 'forget', 'Forget it'),
  look: 'danger',
})

const act = (desk: Desk, id: string, path: string, word: string): Action => ({
  method: 'post',
  href: `/nodes/${id}/${path}`,
  word,
  said: `${word}${word.includes(' ') ? ':' : ''} ${nameOf(desk, id)}`,
  look: '',
})

const nameOf = (desk: Desk, id: string): string => {
  const known = desk.who.acquaintances.get(id)
  return known ? shown(calledOf(known)) : ''
}
