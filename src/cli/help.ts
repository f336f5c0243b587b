/** What `--help` prints: for somebody who has never seen the program. Plain text, at most 90 columns. */
import { MAX_INTERVAL_MS, MIN_INTERVAL_MS } from '../config.ts'
import { MIN_LIMIT } from '../rate-words.ts'
import { DEFAULT_MESH_NODES, MAX_MESH_NODES } from './args.ts'

const SECOND_MS = 1_000

export const HELP = `portmesh: one live catalogue of everything your computers share, without a server

Usage, in a clone                         or, installed
  npm start -- [options]                    portmesh [options]
  npm run mesh -- [N] [options]             portmesh mesh [N] [options]

Commands
  start      Start one node and print the address of its page. This is what happens
             without a command. Ctrl-C stops it.
  mesh N     Start N nodes on this computer to try things out (${DEFAULT_MESH_NODES} when N is left
             out, at most ${MAX_MESH_NODES}), with the homes files/mesh-1, files/mesh-2, ...
             Ctrl-C stops them all.

Options                 What it does                                 Default
  --ports FILE          the list of ports a node may use             ports.txt beside
                        (PORTMESH_PORTS)                             package.json
  --files DIR           the node's folder: what it can share and     files/<port> beside
                        what you add on its page; with mesh, the     package.json
                        folder of all their folders (PORTMESH_FILES)
  --name NAME           what others see (PORTMESH_NAME)              you and this computer
  --interval SECONDS    pause between two rounds of asking who is    10
                        there, ${MIN_INTERVAL_MS / SECOND_MS} to ${MAX_INTERVAL_MS / SECOND_MS} (PORTMESH_INTERVAL)
  --lan                 be seen by the other computers of this       this computer only
                        network, as far as each file may be
                        (PORTMESH_LAN=1; --no-lan: not)
  --host ADDRESS        as --lan, at this address of this computer   all of them
                        only; may be given again (PORTMESH_HOST)
  --log-level LEVEL     silent, error, warn, info or debug           warn
                        (PORTMESH_LOG_LEVEL)
  --up BYTES            what other computers get from here in a      no limit
                        second, all together: 500k, 10M; at least
                        ${MIN_LIMIT / 1_000}k, 0 is no limit (PORTMESH_UP)
  --down BYTES          the same for what comes from them            no limit
                        (PORTMESH_DOWN)
  --up-peer BYTES       as --up and --down, for each other           no limit
  --down-peer BYTES     computer by itself (PORTMESH_UP_PEER,
                        PORTMESH_DOWN_PEER)
  -h, --help            show this text
  -v, --version         show the version

Name, interval, lan and limits can also stand in <home>/.portmesh/settings.json, for
example as {"name": "Ana", "lan": true, "up": 500000}. An option wins over its
environment variable, that over the file, the file over the default. An installed
portmesh keeps ports.txt and files/ in ~/portmesh/.

Examples
  npm start                                       a node on the first free port
  npm start -- --files ~/Shared --name "Ana"      share a folder of your own
  npm start -- --lan                              with the computers of this network
  npm start -- --ports my-ports.txt               use another list of ports
  npm run mesh -- 5                               five nodes to play with
  PORTMESH_LOG_LEVEL=debug npm start              see everything that happens

The two dashes after \`npm start\` are needed: without them npm keeps the options.
The log goes to standard error and to <home>/.portmesh/log.jsonl.
Exit codes: 0 stopped, 1 cannot start, 2 wrong use.
`
