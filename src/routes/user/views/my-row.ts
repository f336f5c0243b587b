/** A file of this computer's own folder, as a row of My files or of the small card on the home page. */
import type { Desk } from '../desk.ts'
import type { MyFile } from '../folder.ts'
import { listed, type Name, nameParts, shown, since, sizeWords, timeLeft } from '../words.ts'
import { otherHolders, publishAction, unpublishAction } from './file-row.ts'
import { lookOf } from './kind.ts'
import { type Action, type Fact, fileAddress, keyOf } from './parts.ts'

export interface MyRow {
  /** Without `my-` or `mine-`. */
  readonly key: string
  readonly icon: string
  readonly name: Name
  readonly size: string
  readonly fact: Fact
  /** Preparing, percent; undefined when it waits for its turn, and in all other states. */
  readonly percent: number | undefined
  readonly state: MyFile['state'] | 'gone'
  readonly action: Action | undefined
  /** Who sees it, to be changed by a click; only where there is somebody else to see it. */
  readonly reach: Action | undefined
}

/** The file every new folder begins with. */
const SAMPLE = /^Welcome to portmesh\b/
/** Before this a rate says nothing. */
const RATE_AFTER_MS = 1_500

export const myRow = (desk: Desk, file: MyFile, now: number): MyRow => ({
  key: keyOf(file.name),
  icon: lookOf(file.name).icon,
  name: nameParts(file.name),
  size: sizeWords(file.size),
  fact: factOf(desk, file, now),
  percent: percentOf(file),
  state: file.state,
  action: actionOf(file),
  reach: reachOf(desk, file),
})

/** Beside the word Published: the other choice. */
const reachOf = ({ network }: Desk, { name, state, file }: MyFile): Action | undefined => {
  if (state !== 'published' || !file || !network.status().on) return undefined
  const isOnNetwork = file.reach === 'network'
  const word = isOnNetwork ? 'Keep it here' : 'Show it'
  const meant = isOnNetwork ? 'Keep on this computer' : 'Show to this network'
  return {
    method: 'post',
    href: fileAddress(name, 'reach'),
    word,
    said: `${word}: ${meant} ${shown(name)}`,
    look: 'bare',
    fields: [['reach', isOnNetwork ? 'computer' : 'network']],
  }
}

const factOf = (desk: Desk, file: MyFile, now: number): Fact => {
  switch (file.state) {
    case 'private':
      if (!file.publishable) return careFact('Its name is not one that can be published. Rename it first.')
      return { before: privateWords(file, now) }
    case 'preparing':
      return { before: preparingWords(file, now) }
    case 'changed':
      return careFact(
        file.modifiedMs === undefined
          ? 'Not in your folder any more, so nobody can fetch it'
          : 'Changed on disk, so nobody can fetch it now',
      )
    case 'published':
      return { tone: 'ok', icon: 'check', strong: 'Published', ...seenWords(desk, file), ...alsoOn(desk, file) }
  }
}

const seenWords = ({ network }: Desk, { file }: MyFile): Fact => {
  if (!network.status().on) return {}
  return { before: file?.reach === 'network' ? 'on this network' : 'on this computer only' }
}

const careFact = (before: string): Fact => ({ tone: 'care', icon: 'alert', before })

const privateWords = ({ name, modifiedMs }: MyFile, now: number): string => {
  if (SAMPLE.test(name)) return 'A sample, to try it out'
  return modifiedMs === undefined ? 'Private' : `Private, changed ${since(modifiedMs, now)}`
}

const preparingWords = (file: MyFile, now: number): string => {
  const { startedMs, doneBytes = 0, totalBytes = 0 } = file
  const percent = percentOf(file)
  if (percent === undefined) return 'Preparing'
  const spentMs = now - (startedMs ?? now)
  if (spentMs < RATE_AFTER_MS || doneBytes === 0) return `Preparing, ${percent} %`
  return `Preparing, ${percent} %, ${timeLeft((spentMs * (totalBytes - doneBytes)) / doneBytes)}`
}

const percentOf = ({ state, doneBytes, totalBytes }: MyFile): number | undefined =>
  state === 'preparing' && doneBytes !== undefined && totalBytes
    ? Math.floor((100 * doneBytes) / totalBytes)
    : undefined

const alsoOn = (desk: Desk, { file }: MyFile): Fact => {
  const entry = file && desk.catalogue.of(file)
  const others = entry ? otherHolders(desk, entry).filter(({ alive }) => alive) : []
  if (others.length === 0) return {}
  const [first] = others
  return others.length === 1
    ? { before: 'also on ', name: shown(first?.called ?? '') }
    : {
        before: `also on ${listed(
          others.map(({ name }) => shown(name)),
          2,
        )}`,
      }
}

const actionOf = (file: MyFile): Action | undefined => {
  switch (file.state) {
    case 'private':
      return file.publishable ? publishAction(file.name, 'Publish') : undefined
    case 'preparing':
      return {
        method: 'post',
        href: fileAddress(file.name, 'clear'),
        word: 'Cancel',
        said: `Cancel publishing ${shown(file.name)}`,
        look: '',
      }
    case 'changed':
      return file.modifiedMs === undefined ? unpublishAction(file.name) : publishAction(file.name, 'Publish again')
    case 'published':
      return unpublishAction(file.name)
  }
}
