/** Sends datagrams as they are given over the channel (base64), to the group of multicast DNS, from an address of a lab's computer. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'

const [from = ''] = process.argv.slice(2)
const socket = createSocket({ type: 'udp4', reuseAddr: true })
socket.bind(5353, '0.0.0.0')
await once(socket, 'listening')
socket.setMulticastInterface(from)
socket.setMulticastTTL(255)

process.on('message', async (datagrams) => {
  const failed: string[] = []
  for (const datagram of Array.isArray(datagrams) ? datagrams : []) {
    await new Promise<void>((resolve) => {
      socket.send(Buffer.from(String(datagram), 'base64'), 5353, '224.0.0.251', (error) => {
        if (error) failed.push(String(error))
        resolve()
      })
    })
  }
  process.send?.({ sent: true, failed })
})
process.on('disconnect', () => socket.close())
process.send?.({ ready: true })
