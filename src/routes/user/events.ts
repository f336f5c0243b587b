/** What happens, as it happens: parts of a page that is open, or JSON for a program. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type EventsQuery, EventsQuery as EventsQuerySchema } from '../../api/catalogue.ts'
import { UnknownPeer } from '../../errors.ts'
import type { Topic } from '../../news.ts'
import { catalogueAnswer } from './available.ts'
import type { Desk } from './desk.ts'
import { createDiffer, type LiveView, toHtml, whole } from './live.ts'
import { myFilesAnswer } from './myfiles.ts'
import { nodesAnswer } from './nodes.ts'
import { otherOf } from './others.ts'
import { type Part, render, sendHtml, toPartial } from './render.ts'
import type { Feed } from './streams.ts'
import { transfersAnswer } from './transfer-answer.ts'
import { firstView, homeView } from './views/home.ts'
import { lanView } from './views/lan.ts'
import { myFilesView } from './views/my-files.ts'
import { nodeView } from './views/node.ts'
import { nodesView } from './views/nodes.ts'
import { address } from './views/shell.ts'
import { movingPart } from './views/transfer-card.ts'
import { transfersView, transferView } from './views/transfers.ts'

const TOPICS = ['table', 'catalogue', 'files', 'transfers'] as const satisfies readonly Topic[]
const PAGE_TOPICS = ['table', 'catalogue', 'files', 'lan'] as const satisfies readonly Topic[]

/** How often a page asks that had to give its stream to another one. */
const POLL_SECONDS = 10
/** What happens within this time is one message; less often where bars and percents move. */
const GATHER_MS = 250
const MOVING_MS = 500
/** As many toasts as a page shows. */
const MAX_NOTICES = 3
/** Every piece that comes is news for them; other pages only hear of one that begins or ends. */
const VIEWS_OF_PIECES: ReadonlySet<EventsQuery['view']> = new Set(['home', 'transfers', 'transfer', 'nodes', 'node'])
/** A program has no words that grow old. */
const NEVER_MS = 2 ** 30

export const eventsRoute: FastifyPluginAsyncTypebox<Desk> = async (app, desk) => {
  app.get('/events', { schema: { querystring: EventsQuerySchema } }, async (request, reply) => {
    const { query } = request
    const view = viewOf(desk, query)
    if (view && query.once) {
      const back: Part[] = desk.streams.full ? [] : [{ target: '#live', swap: 'outerHTML', html: liveElement(query) }]
      return sendHtml(reply, toHtml([...whole(await view()), ...back]))
    }
    const feed = view ? pageFeed(desk, view, query) : programFeed(desk)
    const stream = desk.streams.open(feed, (error) => desk.onTrouble('an event stream failed', error))
    // Nothing follows a stream on its connection: a node that stops need not wait for it to be idle for long.
    return reply.header('connection', 'close').type('text/event-stream').send(stream)
  })
}

/** The view with what stands in the head of every page. */
const viewOf = (desk: Desk, query: EventsQuery): LiveView | undefined => {
  const view = bodyOf(desk, query)
  if (!view) return undefined
  return async () => {
    const snapshot = await view()
    return { ...snapshot, parts: [...snapshot.parts, movingPart(desk)] }
  }
}

const bodyOf = (desk: Desk, query: EventsQuery): LiveView | undefined => {
  switch (query.view) {
    case 'home':
      return homeView(desk, query)
    case 'first':
      return firstView(desk)
    case 'myfiles':
      return myFilesView(desk, query)
    case 'nodes':
      return nodesView(desk, query.page ?? 1)
    case 'node': {
      const peer = otherOf(desk, query.id ?? '')
      if (!peer) throw new UnknownPeer()
      return nodeView(desk, peer, query)
    }
    case 'transfers':
      return transfersView(desk)
    case 'transfer':
      return transferView(desk, desk.transfers.get(query.id ?? ''))
    case 'lan':
      return lanView(desk)
    case undefined:
      return undefined
  }
}

const pageFeed = (desk: Desk, view: LiveView, query: EventsQuery): Feed => {
  const differs = createDiffer()
  const notices: Part[] = []
  return {
    next: async () => {
      const snapshot = await view()
      const parts = [...differs(snapshot), ...notices.splice(0)]
      return {
        text: parts.length === 0 ? '' : message(toHtml(parts)),
        againMs: snapshot.againMs ?? NEVER_MS,
        gatherMs: snapshot.moving ? MOVING_MS : GATHER_MS,
      }
    },
    listen: (onNews) => {
      const ends = [
        ...PAGE_TOPICS.map((topic) => desk.news.on(topic, onNews)),
        VIEWS_OF_PIECES.has(query.view) ? desk.news.on('transfers', onNews) : desk.watch.listen(onNews),
        desk.folder.listen(onNews),
        desk.notices.listen((part) => {
          notices.push(part)
          notices.splice(0, notices.length - MAX_NOTICES)
          onNews()
        }),
      ]
      return () => {
        for (const end of ends) end()
      }
    },
    farewell: message(
      toPartial({
        target: '#live',
        swap: 'outerHTML',
        html: render('fragments/poll', { once: address('/events', { ...query, once: '1' }), seconds: POLL_SECONDS }),
      }),
    ),
  }
}

const liveElement = ({ once, ...query }: EventsQuery): string =>
  render('fragments/live', { live: address('/events', query) })

const programFeed = (desk: Desk): Feed => {
  const told = new Set<Topic>(TOPICS)
  return {
    next: async () => {
      const topics = TOPICS.filter((topic) => told.has(topic))
      told.clear()
      const messages = await Promise.all(
        topics.map(async (topic) => message(JSON.stringify(await ANSWERS[topic](desk)), topic)),
      )
      return { text: messages.join(''), againMs: NEVER_MS, gatherMs: GATHER_MS }
    },
    listen: (onNews) => {
      const ends = TOPICS.map((topic) =>
        desk.news.on(topic, () => {
          told.add(topic)
          onNews()
        }),
      )
      ends.push(
        desk.folder.listen(() => {
          told.add('files')
          onNews()
        }),
      )
      return () => {
        for (const end of ends) end()
      }
    },
    farewell: message(JSON.stringify({ askAgainAfterSeconds: POLL_SECONDS }), 'full'),
  }
}

const ANSWERS: Readonly<Record<(typeof TOPICS)[number], (desk: Desk) => unknown>> = {
  table: nodesAnswer,
  catalogue: (desk) => catalogueAnswer(desk, {}),
  files: (desk) => myFilesAnswer(desk, {}),
  transfers: transfersAnswer,
}

/** One message of a stream (HTML standard, section 9.2). */
const message = (data: string, event?: string): string => {
  const lines = data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`)
  return `${event === undefined ? '' : `event: ${event}\n`}${lines.join('')}\n`
}
