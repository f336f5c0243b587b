/** Addresses of nodes, `host:port`: what their hosts mean. */

/** Host and port of an address in our spelling; IPv6 without its brackets. */
export const partsOf = (address: string): { readonly host: string; readonly port: number } => {
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, colon)
  return { host: host.startsWith('[') ? host.slice(1, -1) : host, port: Number(address.slice(colon + 1)) }
}

/** The address of a host, which may be an IPv6 one without brackets. */
export const addressAt = (host: string, port: number): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`

const IPV4 = /^\d{1,3}(\.\d{1,3}){3}$/

/** True for an address that only this computer can mean: it names somebody else's node to everybody else. */
export const isOnThisComputer = (address: string): boolean => {
  const { host } = partsOf(address)
  if (!host.includes(':'))
    return host === 'localhost' || host.endsWith('.localhost') || /^127\./.test(host) || host === '0.0.0.0'
  const spelled = oneSpelling(host)
  return spelled === '::1' || spelled === '::' || /^::ffff:(7f[0-9a-f]{2}:|0:0$)/.test(spelled)
}

/** True for an address that means the same node to every computer of a network: what a name means, each of them looks up for itself. */
export const isForOthers = (address: string): boolean => {
  const { host } = partsOf(address)
  return (host.includes(':') || IPV4.test(host)) && !isOnThisComputer(address)
}

/** An IPv6 address as RFC 5952 has it, without its zone. */
const oneSpelling = (host: string): string => {
  const url = `http://[${host.replace(/%.*$/, '')}]/`
  return URL.canParse(url) ? new URL(url).hostname.slice(1, -1) : host
}
