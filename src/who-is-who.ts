/** Joins whom we know with the table, the sessions and the disk: blocks that hold everywhere, and what is noticed by looking. */
import type { PeerTable } from './dht/table.ts'
import { NotNow, UnknownPeer } from './errors.ts'
import type { News } from './news.ts'
import type { State } from './store/state.ts'
import { Acquaintances } from './trust/acquaintances.ts'
import { Doubles } from './trust/doubles.ts'

/** To be started before the table is filled: whoever is blocked gets no row. */
export const acquaintancesIn = (
  { acquaintances: store }: State,
  news: News,
  onTrouble: (error: unknown) => void,
): Acquaintances => {
  const acquaintances = new Acquaintances({
    load: () => store.all(),
    save: (changed) => store.put(changed),
    remove: (ids) => store.remove(ids),
    onTrouble,
    tell: () => news.tell('table'),
  })
  acquaintances.start()
  return acquaintances
}

export interface WhoIsWhoDeps {
  readonly ownId: string
  readonly ownEpoch: number
  readonly acquaintances: Acquaintances
  readonly table: PeerTable
  readonly news: News
  /** End every session with a peer, and whatever runs to it or from it. */
  readonly cutOff: (id: string, addresses: readonly string[]) => void
  /** Look who is at an address. */
  readonly look: (address: string) => void
}

export interface WhoIsWho {
  readonly acquaintances: Acquaintances
  readonly doubles: Doubles
  /** It is not asked, not answered and not listed any more, from now on and after a restart. @throws UnknownPeer, DiskFull, CannotWrite */
  block(id: string): void
  /** It is looked for at once. @throws UnknownPeer, DiskFull, CannotWrite */
  unblock(id: string): void
  /** One that is away leaves the table, and its name with it. @throws UnknownPeer; NotNow when it is here, or blocked */
  forget(id: string): void
}

/** From now on everybody who comes into the table is remembered. */
export const whoIsWho = (deps: WhoIsWhoDeps): WhoIsWho => {
  const { ownId, ownEpoch, acquaintances, table, news, cutOff, look } = deps
  const meet = (): void => acquaintances.meet(table.all())
  news.on('table', meet)
  meet()
  return {
    acquaintances,
    doubles: new Doubles({
      ownId,
      ownEpoch,
      isThere: (id, address) => table.get(id)?.alive === true && table.at(address)?.id === id,
      tell: () => news.tell('table'),
    }),
    block: (id) => {
      const addresses = [...(table.get(id)?.addresses.keys() ?? [])]
      // First of all it is on the disk and refused; then nothing of it can come back in.
      acquaintances.block(id, addresses.at(-1))
      table.forget(id)
      cutOff(id, addresses)
    },
    unblock: (id) => {
      const address = acquaintances.unblock(id)
      if (address !== undefined) look(address)
    },
    forget: (id) => {
      const known = acquaintances.get(id)
      if (!known) throw new UnknownPeer()
      if (table.get(id)?.alive) throw new NotNow('it is here now, and would be met again at once')
      if (known.blockedMs !== undefined) throw new NotNow('it is blocked: unblock it first')
      // The row first: whoever has one is remembered.
      table.forget(id)
      acquaintances.forget(id)
    },
  }
}
