/** Errors in the words of a person: what happened, what is lost and what is not, where to go. */
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { publicError } from '../../errors.ts'
import type { Desk } from './desk.ts'
import { PAGE_POLICY } from './guard.ts'
import { wantsFragment, wantsHtml } from './negotiate.ts'
import { toast } from './notices.ts'
import { render, sendHtml, toPartial } from './render.ts'
import { shell } from './views/shell.ts'

export interface Mishap {
  readonly title: string
  readonly text: string
  readonly href: string
  readonly button: string
}

const TO_MESH = { href: '/', button: 'Back to the mesh' }
const NOT_AS_PROMISED = {
  title: 'The file that came was not the one that was promised',
  text: 'It was thrown away, so nothing was saved. Another computer may have the right one.',
  ...TO_MESH,
}
const TO_FILES = { href: '/myfiles', button: 'Back to my files' }
const TO_TRANSFERS = { href: '/transfers', button: 'Show all transfers' }

const MISHAPS: Readonly<Record<string, Mishap>> = {
  PM_NOT_FOUND: { title: 'There is no page here', text: 'The address leads nowhere. Nothing happened.', ...TO_MESH },
  PM_BAD_REQUEST: {
    title: 'That address cannot be understood',
    text: 'Something in it is not as it should be. Nothing happened.',
    ...TO_MESH,
  },
  PM_FOREIGN_ORIGIN: {
    title: 'Another page asked for this',
    text: 'Only pages of this computer’s own portmesh may do that, so nothing was done. If it was you, begin from here.',
    ...TO_MESH,
  },
  PM_UNSUPPORTED_MEDIA_TYPE: {
    title: 'This kind of request is not accepted here',
    text: 'Nothing happened. The pages send what is needed by themselves.',
    ...TO_MESH,
  },
  PM_TOO_LARGE: { title: 'That was too much at once', text: 'Nothing happened. Send less and try again.', ...TO_MESH },
  PM_BUSY: { title: 'Too much is going on right now', text: 'Nothing is lost. Try again in a moment.', ...TO_MESH },
  PM_UNKNOWN_CONTENT: {
    title: 'That file is no longer shared',
    text: 'It was taken off the mesh, or it was never there. Nothing was saved.',
    ...TO_MESH,
  },
  PM_UNKNOWN_PEER: {
    title: 'No computer of the mesh has that address',
    text: 'Files come only from computers that are on the Nodes page. Nothing was saved.',
    href: '/nodes',
    button: 'Show all nodes',
  },
  PM_BAD_ADDRESS: {
    title: 'That is not the address of another computer',
    text: 'It looks like 192.168.1.20:5000. The other computer shows it on its page On your network.',
    href: '/lan',
    button: 'Back to On your network',
  },
  PM_BAD_LIMIT: {
    title: 'That limit cannot be understood',
    text: 'Write it in bytes a second, like 500k or 10M, at least 50k. Empty is no limit. Nothing was changed.',
    ...TO_TRANSFERS,
  },
  PM_NAME_TAKEN: {
    title: 'You call another computer that already',
    text: 'Two with one name could not be told apart. Take it away there first, or choose another name.',
    href: '/nodes',
    button: 'Show all nodes',
  },
  PM_NO_HOLDER: {
    title: 'Nobody who has this file is here now',
    text: 'It can be fetched again as soon as one of them is back. Nothing was saved.',
    ...TO_MESH,
  },
  PM_AMBIGUOUS_HASH: {
    title: 'Several files claim this address',
    text: 'They cannot all be right, so none was fetched. The list shows each of them with its computer.',
    ...TO_MESH,
  },
  PM_PEER_UNREACHABLE: {
    title: 'The computer that has this file does not answer',
    text: 'It may just have been switched off. Nothing was saved.',
    ...TO_MESH,
  },
  PM_PEER_MISBEHAVED: NOT_AS_PROMISED,
  PM_WRONG_PIECE: NOT_AS_PROMISED,
  PM_WRONG_HASH: NOT_AS_PROMISED,
  PM_FILE_CHANGED: {
    title: 'That file has changed meanwhile',
    text: 'Nobody can fetch it as it was. Publish it again to share what it holds now.',
    ...TO_FILES,
  },
  PM_NOT_PUBLISHED: {
    title: 'That file is not published',
    text: 'It is still in the folder of this computer, and private.',
    ...TO_FILES,
  },
  PM_NO_SUCH_FILE: {
    title: 'There is no such file in your folder',
    text: 'It may have been moved, renamed or deleted.',
    ...TO_FILES,
  },
  PM_BAD_NAME: {
    title: 'That name cannot be used',
    text: 'Rename the file in your folder, then publish it. It was not touched.',
    ...TO_FILES,
  },
  PM_NOT_A_FILE: {
    title: 'Only ordinary files can be published',
    text: 'This is a link, a folder or a device. It was not touched.',
    ...TO_FILES,
  },
  PM_UNREADABLE: {
    title: 'portmesh may not read that file',
    text: 'Its permissions do not let your account read it. Change them, then publish it. It was not touched.',
    ...TO_FILES,
  },
  PM_CANCELLED: {
    title: 'It was taken out before it was ready',
    text: 'The file stays in your folder, private.',
    ...TO_FILES,
  },
  PM_TOO_MANY_FILES: {
    title: 'No more files can be published here',
    text: 'Unpublish some that nobody needs any more. What is published stays published.',
    ...TO_FILES,
  },
  PM_DISK_FULL: {
    title: 'The disk is full',
    text: 'What did not fit was not kept. Make some room and try again.',
    ...TO_FILES,
  },
  PM_CANNOT_WRITE: {
    title: 'Your folder cannot be written',
    text: 'Nothing was kept. The disk, or the folder, does not let portmesh write into it.',
    ...TO_FILES,
  },
  PM_UPLOAD_INCOMPLETE: {
    title: 'Not all of it arrived',
    text: 'The file that was cut short was not kept. Choose it again.',
    ...TO_FILES,
  },
  PM_UNKNOWN_TRANSFER: {
    title: 'There is no such transfer',
    text: 'It may have been done long ago. Its file would be in your folder.',
    ...TO_TRANSFERS,
  },
  PM_NOT_NOW: {
    title: 'That cannot be done now',
    text: 'It has gone on meanwhile. The list of transfers shows how it is.',
    ...TO_TRANSFERS,
  },
  PM_IS_PROGRAM: {
    title: 'Programs are not started from here',
    text: 'Save a copy of it, and start that one only if you trust whoever shares it.',
    ...TO_TRANSFERS,
  },
  PM_NO_DESKTOP: {
    title: 'Nothing on this computer can open it',
    text: 'portmesh runs without a desktop here. The file is in your folder, and you can save a copy of it.',
    ...TO_TRANSFERS,
  },
  PM_STOPPING: { title: 'portmesh is stopping', text: 'Nothing is lost. Start it again and go on.', ...TO_MESH },
}

const UNEXPECTED: Mishap = {
  title: 'Something went wrong inside portmesh',
  text: 'Your files are not touched. The log in your folder says more.',
  ...TO_MESH,
}

/** The sentence of an error for a toast or a page. */
export const mishapOf = (error: unknown): Mishap => MISHAPS[publicError(error).code] ?? UNEXPECTED

/** Answer an error the way it was asked: a page, a toast into the page that is there, or JSON. */
export const answerError = (desk: Desk, error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply) => {
  const { statusCode, code, message } = publicError(error)
  reply.code(statusCode)
  // A download that failed before its first byte is a page like any other.
  reply.removeHeader('content-disposition').removeHeader('content-length')
  reply.header('content-security-policy', PAGE_POLICY)
  if (!wantsHtml(request)) return reply.type('application/json; charset=utf-8').send({ error: { code, message } })
  const mishap = mishapOf(error)
  if (wantsFragment(request)) {
    return sendHtml(reply, toPartial(toast({ before: `${mishap.title}. ${mishap.text}`, alarm: true })))
  }
  const main = render('error', { ...mishap, code, statusCode })
  return sendHtml(reply, render('page', { shell: shell(desk, { title: mishap.title }), main }))
}
