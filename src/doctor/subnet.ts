/** Whether an address lies in the network of one of ours. */
import { BlockList, isIPv4, isIPv6 } from 'node:net'

/** True also for a name: nobody can say where it is. */
export const sameNetwork = (own: { readonly address: string; readonly prefix: number }, host: string): boolean => {
  if (!isIPv4(host) && !isIPv6(host)) return true
  const family = isIPv4(own.address) ? 'ipv4' : 'ipv6'
  if ((family === 'ipv4') !== isIPv4(host)) return false
  const network = new BlockList()
  network.addSubnet(own.address, own.prefix, family)
  return network.check(host, family)
}
