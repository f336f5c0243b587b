/** "Why can't I see them?": look, and say what it means and what to do. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { DoctorAnswer } from '../../api/doctor.ts'
import { diagnose } from '../../doctor/diagnose.ts'
import type { Desk } from './desk.ts'
import { wantsHtml } from './negotiate.ts'
import { render, sendHtml } from './render.ts'
import { shell } from './views/shell.ts'
import { shown } from './words.ts'

const ICONS = { ok: 'check', care: 'alert', no: 'close' } as const

export const doctorRoute: FastifyPluginAsyncTypebox<Desk> = async (app, desk) => {
  app.get('/doctor', { schema: { response: { 200: DoctorAnswer } } }, async (request, reply) => {
    const found = diagnose(await desk.examine()).map((one) => ({
      ...one,
      title: shown(one.title),
      text: shown(one.text),
    }))
    const well = found.every(({ level }) => level !== 'no')
    if (!wantsHtml(request)) return { well, found }
    const main = render('doctor', { well, found: found.map((one) => ({ ...one, icon: ICONS[one.level] })) })
    return sendHtml(
      reply,
      render('page', { shell: shell(desk, { title: 'Why can’t I see them?', page: 'nodes' }), main }),
    )
  })
}
