/** Asking a node for transfers as programs and pages do, with peers that give as fast as a test wants. */
import { randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { expect } from 'vitest'
import type { TransferAnswer } from '../../src/api/transfer.ts'
import type { HandOverOptions } from '../../src/transfer/hand-over.ts'
import { until } from '../helpers/api.ts'
import { rootOf } from '../helpers/contents.ts'
import { BROWSER, HTMX, idOf, type Scope, type ScopeOptions, startScope } from './user-scope.ts'

export const BEN = { id: idOf('Ben'), name: 'Ben’s desktop', address: '127.0.0.1:5001' }
export const CHLOE = { id: idOf('Chloé'), name: 'Chloé', address: '127.0.0.1:5002' }
/** 8 pieces. */
export const FILM = randomBytes(1_000_000)
export const ROOT = rootOf(FILM)
export const ROW = `row-${ROOT.slice(0, 12)}`
export const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

/** A desktop that notes what it is asked to open. */
export const desktop = () => {
  const opened: [command: string, ...words: string[]][] = []
  const options: HandOverOptions = {
    platform: 'linux',
    env: { DISPLAY: ':0' },
    spawn: (command, words, { shell, detached }) => {
      expect([shell, detached]).toEqual([false, true])
      opened.push([command, ...words])
      const child = Object.assign(new EventEmitter(), { unref: () => {} })
      setImmediate(() => child.emit('spawn'))
      return child as never
    },
  }
  return { opened, options }
}

export const withFilm = async (options: ScopeOptions = {}, name = 'film.mp4') => {
  const scope = await startScope(options)
  scope.meet({ ...BEN, files: [{ name, bytes: FILM }] })
  return scope
}

/** Nobody gives a piece from this one on, until it is let go. */
export const hold = (scope: Scope, from = 4): { go(): void } => {
  const { promise, resolve } = Promise.withResolvers<void>()
  scope.contents.before = async ({ piece, signal }) => {
    // One that was given up before it got here hears of no abort any more.
    if (piece >= from && !signal.aborted) await Promise.race([promise, once(signal, 'abort')])
  }
  return { go: resolve }
}

export const post = async (scope: Scope, path: string, body = '', headers: Record<string, string> = {}) =>
  await scope.ask(path, { method: 'POST', headers: { ...FORM, ...headers }, body })
export const click = async (scope: Scope, path: string, body = '', headers: Record<string, string> = {}) =>
  await post(scope, path, body, { ...HTMX, ...headers })
export const page = async (scope: Scope, path: string): Promise<string> =>
  (await scope.ask(path, { headers: BROWSER })).text

export const begin = async (scope: Scope, root = ROOT): Promise<TransferAnswer> =>
  (await post(scope, '/transfers', `root=${root}`)).json<TransferAnswer>()
export const look = async (scope: Scope, id: string): Promise<TransferAnswer> =>
  (await scope.ask(`/transfers/${id}`)).json<TransferAnswer>()
export const is = async (scope: Scope, id: string, state: TransferAnswer['state']): Promise<TransferAnswer> =>
  await until(
    () => look(scope, id),
    (now) => now.state === state,
  )
export const fetched = async (options: ScopeOptions = {}, name = 'film.mp4') => {
  const scope = await withFilm(options, name)
  const { id } = await begin(scope)
  await is(scope, id, 'done')
  return { scope, id }
}

/** One element of a page or of an answer, by its id. */
export const partOf = (html: string, id: string): string => {
  const from = html.indexOf(`id="${id}"`)
  const end = html.indexOf('</li>', from)
  return from === -1 ? '' : html.slice(from, end)
}
export const targetsOf = (html: string): string[] =>
  [...html.matchAll(/<hx-partial hx-target="([^"]+)"/g)].map(([, target = '']) => target)
