/** A tracker as a program of its own, for a namespace: `node tracker.ts PORT`. */
import { serveTracker } from './torrent.ts'

serveTracker(Number(process.argv[2]))
