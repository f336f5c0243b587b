/** Who asks: a person's browser or a program; for a page, a fragment or JSON. */
import type { FastifyRequest } from 'fastify'

/** HTML where Accept names it; a program that takes anything gets JSON. */
export const wantsHtml = ({ headers }: FastifyRequest): boolean =>
  (headers.accept ?? '').split(',').some((range) => /^\s*text\/html\s*(;(?!\s*q=0(\.0*)?\s*$).*)?$/i.test(range))

/** htmx puts the answer into the page that is there; everything else gets whole pages. */
export const wantsFragment = ({ headers }: FastifyRequest): boolean => headers['hx-request-type'] === 'partial'

/** A person typed, clicked or reloaded an address, also in a browser that is too old to say so. */
export const isNavigation = (request: FastifyRequest): boolean =>
  request.headers['sec-fetch-mode'] === 'navigate' || wantsHtml(request)

/** RFC 7240, section 4.1. */
export const prefersNotToWait = ({ headers }: FastifyRequest): boolean =>
  String(headers.prefer ?? '')
    .split(',')
    .some((preference) => preference.trim().toLowerCase() === 'respond-async')

/** The page from which htmx asks, as the address bar shows it. */
export const currentPage = ({ headers }: FastifyRequest): string | undefined => {
  const here = URL.parse(String(headers['hx-current-url'] ?? ''))
  return here ? here.pathname + here.search : undefined
}

/** Typing replaces the address, so that Back does not walk through every letter; a click makes a new one. */
export const historyHeader = ({ headers }: FastifyRequest, address: string): [name: string, value: string] => [
  headers['hx-source'] === 'form#find' ? 'HX-Replace-Url' : 'HX-Push-Url',
  address,
]

/** Pages a form may lead back to. */
const PAGES = /^\/(myfiles|lan|doctor|transfers(\/[0-9a-f]{16})?|nodes(\/[0-9a-f]{64})?)?$/

/** Where a form without JavaScript goes when it has done its work: the page it stands on, else one that shows the result. */
export const wayBack = ({ headers }: FastifyRequest, otherwise: string): string => {
  const from = URL.parse(headers.referer ?? '')
  return from && PAGES.test(from.pathname) ? from.pathname + from.search : otherwise
}
