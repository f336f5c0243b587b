/** The room `lan` on a computer of a lab: listeners and multicast DNS on its addresses, told and asked over the channel. */

import { watchAddresses } from '../../src/lan/interfaces.ts'
import { LanListeners } from '../../src/lan/listeners.ts'
import { Mdns } from '../../src/lan/mdns.ts'

const [id = '', port = ''] = process.argv.slice(2)
const tell = (message: object): void => void process.send?.(message)

const stopping = new AbortController()
const mdns = new Mdns({
  id,
  port: Number(port),
  found: (address, who) => tell({ found: address, id: who }),
  gone: (who) => tell({ gone: who }),
})
const listeners = new LanListeners({
  port: Number(port),
  handler: (request, response) => response.end(`${id} ${request.url}`),
  onTrouble: (address, error) => tell({ trouble: address, error: String(error) }),
  onChange: () => tell({ open: listeners.open(), failed: [...listeners.failed()] }),
  retryMs: 100,
})
const watching = watchAddresses({
  everyMs: 50,
  signal: stopping.signal,
  onChange: async (addresses) => {
    await listeners.set(addresses.map(({ address }) => address))
    mdns.addresses(addresses)
  },
})

process.on('message', async (word) => {
  if (word === 'status') tell({ status: mdns.status(), memory: process.memoryUsage.rss() })
  if (word !== 'stop') return
  const began = performance.now()
  stopping.abort()
  await Promise.all([mdns.stop(), listeners.stop(), watching])
  tell({ stoppedMs: performance.now() - began })
  process.disconnect()
})
process.on('disconnect', () => stopping.abort())
