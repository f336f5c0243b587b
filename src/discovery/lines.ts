/** What the discovery found, as lines for the person. */
import type { Finding } from './keepalive.ts'
import type { parsePorts } from './ports.ts'

/** A line a port, in the order of the list. */
export const discoveryLines = (
  ports: ReturnType<typeof parsePorts>,
  ownAddress: string,
  findings: ReadonlyMap<string, Finding>,
): readonly string[] => {
  const words = { node: 'up and running', nobody: 'free', other: 'something else answers' }
  const line = (shown: string, address: string): string => {
    const finding = findings.get(address) ?? 'nobody'
    if (address === ownAddress) return `${shown} this node`
    return `${shown} ${finding === 'nobody' && shown === address ? 'no answer' : words[finding]}`
  }
  return [
    ...ports.candidates.map((port) => line(String(port), `127.0.0.1:${port}`)),
    ...ports.addresses.filter((address) => !address.startsWith('127.0.0.1:')).map((address) => line(address, address)),
  ]
}
