/** What the person reads in the terminal of the network. */
import type { LanStatus } from './lan.ts'

export const lanLines = ({ on, addresses, failed }: LanStatus): readonly string[] => {
  if (!on) return []
  const seen = addresses.length === 0 ? [] : [`seen by the computers of this network at ${addresses.join(', ')}`]
  const lost = failed.map(({ address, code }) => `warning: it cannot listen at ${address} (${code})`)
  const none = seen.length + lost.length === 0 ? ['warning: this computer is on no network now; it is looked for'] : []
  return [...seen, ...lost, ...none]
}
