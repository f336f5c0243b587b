/** Help: the map of the pages, every address with one line, the keys. A program gets pages and addresses as JSON. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { HelpAnswer } from '../../api/help.ts'
import type { Desk } from './desk.ts'
import { wantsHtml } from './negotiate.ts'
import { render, sendHtml } from './render.ts'
import { shell } from './views/shell.ts'

const PAGES: HelpAnswer['pages'] = [
  { path: '/', title: 'On the mesh', what: 'every file, search and fetch' },
  { path: '/myfiles', title: 'My files', what: 'publish, unpublish, drop files' },
  { path: '/transfers', title: 'Transfers', what: 'moving, waiting, done' },
  { path: '/transfers/:id', title: 'One transfer', what: 'its pieces, rate and holders' },
  { path: '/nodes', title: 'Nodes', what: 'who is here, the drawing' },
  { path: '/nodes/:id', title: 'A node', what: 'one computer and its files' },
  { path: '/lan', title: 'On your network', what: 'who sees it, other computers' },
  { path: '/help', title: 'Help', what: 'every address and key' },
]

/** Each address of this scope but the files under /assets; a test compares the two. */
const ROUTES: HelpAnswer['routes'] = [
  ['GET', '/', 'This node, who is there, how many files; the page lists them'],
  ['GET', '/getfile/available', 'Every file on the mesh, in pages: ?q= ?kind= ?sort= ?page= ?size='],
  ['GET', '/getfile/:hash', 'A file by its hash or root as a download: from your folder, or from whoever has it'],
  ['GET', '/getfile/:peer/:name', 'A file of one computer, 5001 or host:port'],
  ['GET', '/myfiles', 'What lies in your folder, published or not: ?q= ?show= ?page= ?size='],
  ['POST', '/myfiles', 'Add files to your folder (multipart); ?publish=1 publishes them'],
  ['GET', '/myfiles/uploaded', 'What you have published'],
  ['POST', '/myfiles/:name/upload', 'Publish one'],
  ['POST', '/myfiles/:name/clear', 'Unpublish one; the file stays'],
  ['POST', '/uploaded', 'Publish several: name=, as often as there are files'],
  ['POST', '/uploaded/clear', 'Unpublish all; the files stay'],
  ['GET', '/transfers', 'What is fetched into your folder: moving, waiting, done'],
  ['POST', '/transfers', 'Fetch a file into your folder: hash= or root='],
  ['GET', '/transfers/:id', 'One of them, with who gives how much'],
  ['POST', '/transfers/:id/pause', 'Pause it; what arrived is kept'],
  ['POST', '/transfers/:id/resume', 'Go on with it'],
  ['POST', '/transfers/:id/retry', 'Try again one that has stopped'],
  ['POST', '/transfers/:id/cancel', 'Give it up; what arrived is deleted'],
  ['POST', '/transfers/:id/open', 'Open the finished file with the program of this computer'],
  ['GET', '/nodes', 'Every computer and what it shares'],
  ['GET', '/nodes/:id', 'One computer and its files, in pages: ?q= ?page= ?size='],
  ['POST', '/nodes', 'Look for a computer at an address: address='],
  ['POST', '/nodes/remove', 'Look for it no more: address='],
  ['GET', '/lan', 'Whether this network sees what you publish, and at which addresses'],
  ['POST', '/lan', 'Join the network, or leave it: on=1 or 0, show=all or none'],
  ['GET', '/doctor', 'Why a computer is not seen, and what to do'],
  ['POST', '/myfiles/:name/reach', 'Who sees a published file: reach=network or computer'],
  ['POST', '/uploaded/reach', 'The same for all that are published'],
  ['GET', '/settings', 'How many bytes a second move to and from other computers at most; 0 is no limit'],
  ['POST', '/settings', 'Change that: up= down= and, for each computer by itself, upPeer= downPeer='],
  ['POST', '/nodes/:id/name', 'Give it a name of yours: name=, empty to take it away'],
  ['POST', '/nodes/:id/block', 'Neither ask it nor answer it any more'],
  ['POST', '/nodes/:id/unblock', 'Do so again'],
  ['POST', '/nodes/:id/trust-again', 'Take away the mark of having sent something wrong'],
  ['POST', '/nodes/:id/forget', 'Take one that is away off the table'],
  ['GET', '/events', 'Changes as they happen (Server-Sent Events)'],
  ['GET', '/help', 'This page'],
].map(([method = '', path = '', what = '']) => ({ method, path, what }))

export const helpRoute: FastifyPluginAsyncTypebox<Desk> = async (app, desk) => {
  app.get('/help', { schema: { response: { 200: HelpAnswer } } }, async (request, reply) => {
    if (!wantsHtml(request)) return { pages: PAGES, routes: ROUTES }
    const [someone] = desk.table.all()
    const [something] = desk.transfers.all()
    const ids: Readonly<Record<string, string | undefined>> = {
      '/nodes/:id': someone?.id,
      '/transfers/:id': something?.record.id,
    }
    const pages = PAGES.map((page) => ({
      ...page,
      href: page.path.replace('/:id', ids[page.path] === undefined ? '' : `/${ids[page.path]}`),
    }))
    const main = render('help', { pages, routes: ROUTES })
    return sendHtml(reply, render('page', { shell: shell(desk, { title: 'Help', page: 'help' }), main }))
  })
}
