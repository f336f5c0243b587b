/** Templates (views/) to HTML. Everything is escaped; `<%~` in a template is only for HTML of our own fragments. */
import { fileURLToPath } from 'node:url'
import { Eta } from 'eta'
import type { FastifyReply } from 'fastify'

/** Beside src/ in a clone, beside the compiled program in a package. */
export const VIEWS_FOLDER = fileURLToPath(new URL('../../../views', import.meta.url))

export const eta = new Eta({ views: VIEWS_FOLDER, autoEscape: true, cache: true, autoTrim: [false, 'nl'] })

/** One template with its model. */
export const render = (template: string, model: object): string => eta.render(template, model)

/** Answer with HTML; the response schema of a route is that of its JSON. */
export const sendHtml = (reply: FastifyReply, html: string): FastifyReply =>
  reply.type('text/html; charset=utf-8').send(html)

/** What htmx puts in the place of one element of the page, keeping focus and everything that did not change. */
export interface Part {
  /** A selector of one element: `#mesh`. */
  readonly target: string
  readonly html: string
  /** How; outerMorph unless something else is said. */
  readonly swap?: 'outerMorph' | 'outerHTML' | 'beforeend'
}

export const toPartial = ({ target, html, swap = 'outerMorph' }: Part): string =>
  `<hx-partial hx-target="${target}" hx-swap="${swap}">${html}</hx-partial>`
