/** What can be set while the node runs: how much moves to and from other computers. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { SettingsAnswer, SettingsBody } from '../../api/settings.ts'
import { BadLimit } from '../../errors.ts'
import { type Limits, limitsIn } from '../../rate-words.ts'
import type { Desk } from './desk.ts'
import { wantsHtml, wayBack } from './negotiate.ts'
import { TRANSFERS_ADDRESS } from './views/transfers.ts'

export const settingsRoutes: FastifyPluginAsyncTypebox<Desk> = async (app, { traffic }) => {
  const response = { 200: SettingsAnswer }
  app.get('/settings', { schema: { response } }, async () => traffic.limits)

  app.post('/settings', { schema: { body: SettingsBody, response } }, async (request, reply) => {
    await traffic.change(wantedOf(request.body))
    return wantsHtml(request) ? reply.redirect(wayBack(request, TRANSFERS_ADDRESS), 303) : traffic.limits
  })
}

/** @throws BadLimit */
const wantedOf = (body: SettingsBody): Partial<Limits> => {
  // A field that was emptied means that there is no limit any more.
  const wanted = limitsIn(
    Object.fromEntries(Object.entries(body).map(([name, value]) => [name, value === '' ? 0 : value])),
  )
  if ('damage' in wanted) throw new BadLimit(wanted.damage)
  return wanted
}
