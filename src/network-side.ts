/** The network as the person's pages see and change it. */
import { addressOf } from './discovery/ports.ts'
import type { Neighbours } from './neighbours.ts'
import type { NetworkSide } from './routes/user/deps.ts'
import type { SettingsFile } from './settings-file.ts'
import type { State } from './store/state.ts'

/** The note of the store: the person said how far the files of before are seen. */
const SAID = 'reach said'

export interface NetworkSideDeps {
  readonly neighbours: Neighbours
  readonly state: Pick<State, 'note' | 'setNote'>
  readonly settings: Pick<SettingsFile, 'change'>
  /** What others most likely have, too. */
  readonly port: number
}

export const networkSide = ({ neighbours, state, settings, port }: NetworkSideDeps): NetworkSide => {
  const { lan } = neighbours
  return {
    status: () => lan.status(),
    turn: async (on) => {
      await settings.change({ lan: on })
      await (on ? lan.turnOn() : lan.turnOff())
    },
    wasAnswered: () => state.note(SAID) !== undefined,
    answered: () => state.setNote(SAID, 'yes'),
    addressOf: (text) => typed(text, port),
    askedAt: lan.askedAt,
    typed: () => neighbours.typed,
    add: async (address) => await neighbours.add(address),
    remove: (address) => neighbours.remove(address),
  }
}

/** What a person writes for an address: also one that was copied from a browser, without a port, or IPv6 without its brackets. */
export const typed = (text: string, port: number): string | undefined => {
  const plain = text
    .trim()
    .replace(/^https?:\/\//i, '')
    .replace(/\/.*$/, '')
  const bare = /^[0-9a-f]*(:[0-9a-f]*){2,7}(:\d+(\.\d+){3})?$/i.test(plain) ? `[${plain}]` : plain
  return addressOf(bare) ?? (/:\d+$/.test(bare) ? undefined : addressOf(`${bare}:${port}`))
}
