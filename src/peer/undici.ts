/** The part of undici that a node uses: pools and plain requests. The whole brings fetch, web sockets, caches and mocks along: 8 MiB of memory a node. */
import { createRequire } from 'node:module'
import type undici from 'undici'

const require = createRequire(import.meta.url)

// As undici's own index puts them together; the package is pinned to one exact version.
const dispatcher: typeof undici.Dispatcher = require('undici/lib/dispatcher/dispatcher.js')
Object.assign(dispatcher.prototype, { request: require('undici/lib/api/api-request.js') })

export const Pool: typeof undici.Pool = require('undici/lib/dispatcher/pool.js')
export type Pool = undici.Pool
