/** Why a transfer does not go on, in the words of a person: the cause, then what is kept and what to do. */
import type { Transfer } from '../../transfer/transfer.ts'
import type { Called } from './faces.ts'
import { shown, sizeWords, type Words } from './words.ts'

export interface Reason {
  /** After "Stopped: " or as a sentence of its own. */
  readonly cause: Words
  readonly next: Words
}

const ITSELF: Called = ({ name }) => name
const KEPT = 'What arrived is kept.'

/** Of one that has stopped; for a program everybody has the name it gave itself. */
export const reasonOf = (transfer: Transfer, called = ITSELF): Reason => {
  const { record, missingBytes, done, lost } = transfer
  const kept = done > 0 ? `${KEPT} ` : ''
  const liar = lost.find(({ code }) => code === 'PM_WRONG_PIECE' || code === 'PM_PEER_MISBEHAVED')
  switch (record.error) {
    case 'PM_DISK_FULL': {
      const needed = missingBytes === undefined ? '' : ` ${sizeWords(missingBytes)} more are needed.`
      return { cause: [`Stopped: the disk is full.${needed}`], next: [`${kept}Make some room, then try again.`] }
    }
    case 'PM_CANNOT_WRITE':
      return {
        cause: ['Stopped: your folder cannot be written.'],
        next: [`${kept}The disk, or the folder, does not let portmesh write into it. Try again when it does.`],
      }
    case 'PM_WRONG_HASH':
      return {
        cause: ['Stopped: what came is not the file that was promised.'],
        next: ['So nothing was kept. Whoever shares it says a wrong fingerprint of it.'],
      }
    case 'PM_FILE_CHANGED':
      return (
        changedCopy(transfer, called) ?? {
          cause: ['Stopped: something else changed what had arrived.'],
          next: ['Try again: every piece is checked once more, and what is wrong is fetched anew.'],
        }
      )
    case 'PM_WRONG_PIECE':
    case 'PM_PEER_MISBEHAVED':
      return {
        cause: [
          'Stopped: ',
          liar ? { name: shown(called(liar.holder)) } : 'a computer',
          ' sent something else than this file.',
        ],
        next: [`${kept}Nothing wrong was saved. It goes on when another computer has it, and you try again.`],
      }
    default:
      return {
        cause: ['Stopped: something went wrong inside portmesh.'],
        next: [`${kept}The log in your folder says more. Try again.`],
      }
  }
}

/** The file that was shared is not what it was, and nobody else has it as it was. */
export const changedCopy = ({ lost, done, record }: Transfer, called = ITSELF): Reason | undefined => {
  const changed = lost.find(({ code }) => code === 'PM_FILE_CHANGED')
  if (!changed) return undefined
  const name = { name: shown(called(changed.holder)) }
  if (done === 0) {
    return {
      cause: ['Stopped: ', name, '’s copy was changed.'],
      next: ['If another computer has the old file, it begins by itself.'],
    }
  }
  return {
    cause: [`Stopped at ${percentOf(done, record.size)} %. `, name, '’s copy was changed, so the rest would not fit.'],
    next: [`${KEPT} If another computer has the old file, it continues by itself.`],
  }
}

/** A holder that is not asked any more; undefined for one that has just gone. */
export const dropWords = ({ holder, code }: Transfer['lost'][number], called: Called): Words | undefined => {
  const name = { name: shown(called(holder)) }
  switch (code) {
    case 'PM_WRONG_PIECE':
    case 'PM_PEER_MISBEHAVED':
      return [name, ' sent something wrong. Nothing of it was kept, and it is not asked again.']
    case 'PM_FILE_CHANGED':
      return [name, '’s copy was changed, so it is not used any more.']
    case 'PM_NOT_PUBLISHED':
      return [name, ' does not share it any more.']
    default:
      return undefined
  }
}

/** 100 only for all of it. */
export const percentOf = (done: number, size: number): number =>
  size === 0 ? 100 : Math.floor((100 * Math.min(done, size)) / size)
