/** What a thread has compiled is kept for the next one (bin/portmesh.js turns that on), also when it does not come to a good end. */
import { flushCompileCache } from 'node:module'

/** By then it is clear which functions are needed; who ends sooner keeps them then. */
const SETTLED_MS = 3_000

/**
 * To be called once by the first file of a thread. Node writes its compile cache only at the end of a thread that ends by itself;
 * without it the next one strips all types anew, with a program that takes 25 MiB and a tenth of a second in each thread.
 * @param sleeps - a thread of a pool that hears no timers between its jobs: it keeps what it has now
 */
export const keepCompiled = ({ sleeps = false } = {}): void => {
  if (sleeps) flushCompileCache()
  else setTimeout(() => flushCompileCache(), SETTLED_MS).unref()
}
