/** Contents by their roots: the tree, pieces of them, and news of what is here (PROTOCOL.md, "Contents and pieces"). */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { FREE } from '../../allowance.ts'
import { fromB64u } from '../../bytes.ts'
import { BadRequest, Busy } from '../../errors.ts'
import { MAX_RUN_PIECES, MAX_WANT_BITS, PiecesQuery } from '../../protocol/contents.ts'
import type { Asked } from '../../transfer/giving.ts'
import { GATE, Gate } from '../../transfer/giving-gate.ts'
import { onGone, sendNews, sendPieces, untilFirst } from './answers.ts'
import type { PeerDeps } from './deps.ts'
import { LIMITS, Turnstile } from './limits.ts'
import { paceFor, sendSealed } from './sealing.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Its answer has no end in sight, and may have nothing to say for long. */
    live?: boolean
    /** It is counted while it runs, not when it is asked. */
    bulk?: boolean
  }
}

const params = Type.Object({ root: Type.String({ pattern: '^[0-9a-f]{64}$' }) })
/** No parameters. */
const querystring = Type.Object({}, { additionalProperties: false })

/** What nobody hears any more, and no fault of this node. One for all: making an error costs more than the rest of an abort. */
const GONE = new Busy()

export const contentRoutes: FastifyPluginAsyncTypebox<PeerDeps> = async (app, deps) => {
  const { giving, limits = LIMITS } = deps
  const turnstile = new Turnstile(limits.answersOfPeer, limits.answers)
  // Of all contents together: where little may go up, it is not spread so thin that every stream looks broken.
  const gate = new Gate({
    ...GATE,
    get askers() {
      return deps.peersAtOnce?.() ?? Number.POSITIVE_INFINITY
    },
  })

  app.get('/content/:root/tree', { schema: { params, querystring } }, async (request, reply) => {
    const layer = await giving.tree(rootOf(request, request.params.root))
    const pace = paceFor(deps, request)
    return pace === FREE ? layer : sendSealed(request, reply, layer, pace)
  })

  const pieces = { schema: { params, querystring: PiecesQuery }, config: { bulk: true } }
  app.get('/content/:root', pieces, async (request, reply) => {
    const root = rootOf(request, request.params.root)
    const asked = askedFor(request.query)
    const peerId = request.exchange?.peerId ?? ''
    const gone = new AbortController()
    onGone(request, reply, turnstile.enter(peerId))
    onGone(request, reply, () => gone.abort(GONE))
    await untilFirst(reply)
    const pace = paceFor(deps, request)
    const leave = pace === FREE ? () => {} : await gate.enter(peerId, gone.signal)
    try {
      const given = await giving.pieces(root, peerId, asked, gone.signal)
      gate.gave(peerId, given.bytes)
      deps.onGiven?.(peerId)
      await sendPieces(request, reply, given, pace, gone.signal)
    } finally {
      leave()
    }
  })

  app.get(
    '/content/:root/have',
    { schema: { params, querystring }, config: { live: true } },
    async (request, reply) => {
      const root = rootOf(request, request.params.root)
      const peerId = request.exchange?.peerId ?? ''
      // While it waits for its turn it counts as one of many; then the followers are counted.
      const leave = turnstile.enter(peerId)
      onGone(request, reply, leave)
      await untilFirst(reply)
      leave()
      await sendNews(request, reply, giving.follow(root, peerId))
    },
  )
}

/** A root has one spelling in a target. */
const rootOf = ({ raw }: FastifyRequest, root: string): string => {
  if (!raw.url?.startsWith(`/content/${root}`)) throw new BadRequest('a root is not percent-encoded')
  return root
}

/** @throws BadRequest */
const askedFor = ({ pieces, want }: PiecesQuery): Asked => {
  const [first = 0, last = first] = String(pieces).split('-').map(Number)
  if (last < first || last - first >= MAX_RUN_PIECES) throw new BadRequest('that is no run of pieces')
  if (want === undefined) return { run: { first, count: last - first + 1 }, want: undefined }
  const [from = '', text = ''] = want.split(':')
  const bits = fromB64u(text, Math.floor((text.length * 3) / 4))
  if (!bits || bits.length * 8 > MAX_WANT_BITS) throw new BadRequest('those are no bits')
  return { run: { first, count: last - first + 1 }, want: { first: Number(from), bits } }
}
